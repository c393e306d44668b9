//! The affine map on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::matmul;

use super::{LinearOps, reference};
use crate::Maybe;
use crate::flex::{all_f32, contiguous, tensor, values};

impl LinearOps for Flex {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        if !all_f32(bias.as_ref().into_iter().chain([&x, &weight])) {
            return reference::linear::<Self>(x, weight, bias.given());
        }
        let ([m, k], [_, n]) = (x.shape().dims(), weight.shape().dims());
        let (x, weight, bias) = (contiguous(x), contiguous(weight), bias.given().map(contiguous));
        let bias = bias.as_ref().map(values);
        tensor(matmul::linear(values(&x), values(&weight), bias, [m, k, n]), [m, n])
    }

    fn dense_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&dy, &weight]) {
            return reference::linear_dx::<Self>(dy, weight);
        }
        let ([m, n], [k, _]) = (dy.shape().dims(), weight.shape().dims());
        let (dy, weight) = (contiguous(dy), contiguous(weight));
        tensor(matmul::linear_dx(values(&dy), values(&weight), [m, k, n]), [m, k])
    }

    fn dense_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&x, &dy]) {
            return reference::linear_dw::<Self>(x, dy);
        }
        let ([m, k], [_, n]) = (x.shape().dims(), dy.shape().dims());
        let (x, dy) = (contiguous(x), contiguous(dy));
        let (dweight, dbias) = matmul::linear_dw(values(&x), values(&dy), [m, k, n]);
        (tensor(dweight, [k, n]), tensor(dbias, [n]))
    }
}
