//! The norms on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::norm::{self, Groups};

use super::{NormOps, reference};
use crate::flex::{FlexTensor, all_f32, contiguous, tensor, values};

/// The groups of modulations `[B, G, D]`.
fn groups<'a>(modulation: &FlexTensor, of_token: &'a [u32]) -> Groups<'a> {
    let [batch, count, width] = modulation.shape().dims();
    Groups { batch, of_token, count, width }
}

/// The length of the last axis.
fn width(x: &FlexTensor) -> usize {
    x.shape()[x.rank() - 1]
}

impl NormOps for Flex {
    fn plain_norm(x: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        if !all_f32([&x]) {
            return reference::plain_norm::<Self>(x, eps);
        }
        let x = contiguous(x);
        tensor(norm::layer_norm(values(&x), width(&x), eps), x.shape())
    }

    fn plain_norm_backward(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        if !all_f32([&x, &dy]) {
            return reference::plain_norm_backward::<Self>(x, dy, eps);
        }
        let [x, dy] = [x, dy].map(contiguous);
        let dx = norm::layer_norm_backward(values(&x), values(&dy), width(&x), eps);
        tensor(dx, x.shape())
    }

    fn modulated_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        of_token: &[u32],
        eps: f32,
    ) -> FloatTensor<Self> {
        if !all_f32([&x, &scale, &shift]) {
            return reference::modulated_norm::<Self>(x, scale, shift, of_token, eps);
        }
        let groups = groups(&scale, of_token);
        let [x, scale, shift] = [x, scale, shift].map(contiguous);
        let y = norm::modulated_layer_norm(values(&x), values(&scale), values(&shift), groups, eps);
        tensor(y, x.shape())
    }

    fn modulated_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        of_token: &[u32],
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&x, &scale, &dy]) {
            return reference::modulated_norm_backward::<Self>(x, scale, dy, of_token, eps);
        }
        let groups = groups(&scale, of_token);
        let [x, scale, dy] = [x, scale, dy].map(contiguous);
        let (tokens, modulations) = (x.shape(), scale.shape());
        let [x, scale, dy] = [&x, &scale, &dy].map(values);
        let [dx, dscale, dshift] = norm::modulated_layer_norm_backward(x, scale, dy, groups, eps);
        (tensor(dx, tokens), tensor(dscale, modulations.clone()), tensor(dshift, modulations))
    }

    fn gated_add(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        of_token: &[u32],
    ) -> FloatTensor<Self> {
        if !all_f32([&x, &y, &gate]) {
            return reference::gated_add::<Self>(x, y, gate, of_token);
        }
        let groups = groups(&gate, of_token);
        let [x, y, gate] = [x, y, gate].map(contiguous);
        let out = norm::gated_residual(values(&x), values(&y), values(&gate), groups);
        tensor(out, x.shape())
    }

    fn gated_add_backward(
        y: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        dout: FloatTensor<Self>,
        of_token: &[u32],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&y, &gate, &dout]) {
            return reference::gated_add_backward::<Self>(y, gate, dout, of_token);
        }
        let groups = groups(&gate, of_token);
        let [y, gate, dout] = [y, gate, dout].map(contiguous);
        let [dy, dgate] =
            norm::gated_residual_backward(values(&y), values(&gate), values(&dout), groups);
        (tensor(dy, y.shape()), tensor(dgate, gate.shape()))
    }

    fn root_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        if !all_f32([&x, &gamma]) {
            return reference::root_norm::<Self>(x, gamma, eps);
        }
        let [x, gamma] = [x, gamma].map(contiguous);
        tensor(norm::rms_norm(values(&x), values(&gamma), eps), x.shape())
    }

    fn root_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&x, &gamma, &dy]) {
            return reference::root_norm_backward::<Self>(x, gamma, dy, eps);
        }
        let [x, gamma, dy] = [x, gamma, dy].map(contiguous);
        let [dx, dgamma] = norm::rms_norm_backward(values(&x), values(&gamma), values(&dy), eps);
        (tensor(dx, x.shape()), tensor(dgamma, gamma.shape()))
    }
}
