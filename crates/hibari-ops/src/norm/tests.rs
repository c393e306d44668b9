//! The fast norms and their gradients against Burn's own operations and gradients.

use burn::backend::{Flex, tensor::FloatTensor};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{NormOps, gated_residual, layer_norm, modulated_layer_norm, reference, rms_norm};
use crate::testing::{assert_close, random};

const F32: f64 = 2e-6;
const EPS: f32 = 1e-4;
const GROUPS: [u32; 11] = [0, 0, 0, 2, 2, 1, 1, 0, 2, 2, 2];

/// Repeats `[B, G, D]` to `[B, N, D]`.
fn spread(modulation: Tensor<3>) -> Tensor<3> {
    let idx = GROUPS.map(i64::from);
    let idx = Tensor::<1, Int>::from_data(TensorData::from(idx), &modulation.device());
    modulation.select(1, idx)
}

fn plain_layer_norm<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    centred / (variance + EPS).sqrt()
}

/// Asserts that two functions of tensors have the same value and gradients.
#[track_caller]
fn check<const N: usize>(
    inputs: [Tensor<3>; N],
    fast: impl Fn([Tensor<3>; N]) -> Tensor<3>,
    plain: impl Fn([Tensor<3>; N]) -> Tensor<3>,
) {
    let inputs = inputs.map(|x| x.require_grad());
    let (y, expected) = (fast(inputs.clone()), plain(inputs.clone()));
    let pull = random::<3>(99, y.dims(), &y.device());
    let grads = (y.clone() * pull.clone()).sum().backward();
    let expected_grads = (expected.clone() * pull).sum().backward();
    assert_close("value", y, expected, F32);
    for (idx, x) in inputs.iter().enumerate() {
        let (grad, expected) = (x.grad(&grads).unwrap(), x.grad(&expected_grads).unwrap());
        assert_close(&format!("gradient {idx}"), grad, expected, F32);
    }
}

#[test]
fn values_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    for width in [8, 40, 129] {
        let tokens = |seed| random::<3>(seed, [2, GROUPS.len(), width], &device);
        let modulation = |seed| random::<3>(seed, [2, 3, width], &device);
        check([tokens(1)], |[x]| layer_norm(x, EPS), |[x]| plain_layer_norm(x));
        check(
            [tokens(1), modulation(2), modulation(3)],
            |[x, scale, shift]| modulated_layer_norm(x, scale, shift, &GROUPS, EPS),
            |[x, scale, shift]| plain_layer_norm(x) * (spread(scale) + 1.0) + spread(shift),
        );
        check(
            [tokens(1), tokens(2), modulation(3)],
            |[x, y, gate]| gated_residual(x, y, gate, &GROUPS),
            |[x, y, gate]| x + spread(gate) * y,
        );
        check(
            [tokens(1), random(2, [1, 1, width], &device)],
            |[x, gamma]| rms_norm(x, gamma.reshape([width]), EPS),
            |[x, gamma]| x.clone() / (x.square().mean_dim(2) + EPS).sqrt() * gamma,
        );
    }
}

#[test]
fn a_gradient_to_the_gate_alone() {
    let device = Device::default().autodiff();
    let [x, y] = [1, 2].map(|seed| random::<3>(seed, [2, GROUPS.len(), 8], &device));
    let gate = random::<3>(3, [2, 3, 8], &device).require_grad();
    let grads = gated_residual(x.clone(), y.clone(), gate.clone(), &GROUPS).sum().backward();
    let expected = (x + spread(gate.clone()) * y).sum().backward();
    assert_close("dgate", gate.grad(&grads).unwrap(), gate.grad(&expected).unwrap(), F32);
}

#[test]
fn images_views_and_other_precisions() {
    let device = Device::default();
    let images: Tensor<4> = random(1, [2, 24, 3, 5], &device).permute([0, 2, 3, 1]);
    let plain = plain_layer_norm(images.clone());
    assert_close("permuted", layer_norm(images.clone(), EPS), plain.clone(), F32);
    let half = layer_norm(images.cast(DType::BF16), EPS).cast(DType::F32);
    assert_close("bf16", half, plain, 2e-2);
}

#[test]
fn reference_gradients_match_the_fast_ones() {
    let device = Device::default();
    let flex = |seed, dims: [usize; 3]| {
        FloatTensor::<Flex>::from_data(random::<3>(seed, dims, &device).into_data())
    };
    let gamma = FloatTensor::<Flex>::from_data(random::<1>(4, [24], &device).into_data());
    let same = |what: &str, fast: FloatTensor<Flex>, slow: FloatTensor<Flex>| {
        let [fast, slow] = [fast, slow].map(|t| Tensor::<1>::from_data(t.into_data(), &device));
        assert_close(what, fast, slow, F32);
    };
    let flat = |t: FloatTensor<Flex>| {
        let len = t.layout().num_elements();
        t.reshape([len].into())
    };
    // The second has runs of equal length, which take another way.
    for groups in [&GROUPS[..], &[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]] {
        let tokens = |seed| flex(seed, [2, groups.len(), 24]);
        let (x, dy, scale) = (|| tokens(1), || tokens(2), || flex(3, [2, 3, 24]));
        let fast = Flex::modulated_norm(x(), scale(), flex(5, [2, 3, 24]), groups, EPS);
        let slow =
            reference::modulated_norm::<Flex>(x(), scale(), flex(5, [2, 3, 24]), groups, EPS);
        same("value", flat(fast), flat(slow));
        let fast = Flex::modulated_norm_backward(x(), scale(), dy(), groups, EPS);
        let slow = reference::modulated_norm_backward::<Flex>(x(), scale(), dy(), groups, EPS);
        same("dx", flat(fast.0), flat(slow.0));
        same("dscale", flat(fast.1), flat(slow.1));
        same("dshift", flat(fast.2), flat(slow.2));
        let fast = Flex::gated_add_backward(x(), scale(), dy(), groups);
        let slow = reference::gated_add_backward::<Flex>(x(), scale(), dy(), groups);
        same("dy", flat(fast.0), flat(slow.0));
        same("dgate", flat(fast.1), flat(slow.1));
    }
    let (x, dy) = (flex(1, [2, 11, 24]), flex(2, [2, 11, 24]));
    let fast = Flex::root_norm_backward(x.clone(), gamma.clone(), dy.clone(), EPS);
    let slow = reference::root_norm_backward::<Flex>(x, gamma, dy, EPS);
    same("rms dx", flat(fast.0), flat(slow.0));
    same("dgamma", flat(fast.1), flat(slow.1));
}
