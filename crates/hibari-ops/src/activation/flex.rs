//! The activations on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::activation;

use super::{ActivationOps, reference};
use crate::flex::{all_f32, contiguous, tensor, values};

impl ActivationOps for Flex {
    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&x]) {
            return reference::silu::<Self>(x);
        }
        let x = contiguous(x);
        tensor(activation::silu(values(&x)), x.shape())
    }

    fn silu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&x, &dy]) {
            return reference::silu_backward::<Self>(x, dy);
        }
        let [x, dy] = [x, dy].map(contiguous);
        tensor(activation::silu_backward(values(&x), values(&dy)), x.shape())
    }

    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&x]) {
            return reference::gelu::<Self>(x);
        }
        let x = contiguous(x);
        tensor(activation::gelu_tanh(values(&x)), x.shape())
    }

    fn gelu_tanh_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&x, &dy]) {
            return reference::gelu_backward::<Self>(x, dy);
        }
        let [x, dy] = [x, dy].map(contiguous);
        tensor(activation::gelu_tanh_backward(values(&x), values(&dy)), x.shape())
    }

    fn swiglu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&a, &b]) {
            return reference::swiglu::<Self>(a, b);
        }
        let [a, b] = [a, b].map(contiguous);
        tensor(activation::swiglu(values(&a), values(&b)), a.shape())
    }

    fn swiglu_backward(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&a, &b, &dy]) {
            return reference::swiglu_backward::<Self>(a, b, dy);
        }
        let [a, b, dy] = [a, b, dy].map(contiguous);
        let (da, db) = activation::swiglu_backward(values(&a), values(&b), values(&dy));
        (tensor(da, a.shape()), tensor(db, b.shape()))
    }
}
