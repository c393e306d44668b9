//! The preparation of queries and keys on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::rope::{self, Inputs, Shape};

use super::{RopeOps, reference};
use crate::flex::{FlexTensor, all_f32, contiguous, tensor, values};

fn sizes(x: &FlexTensor, cos: &FlexTensor) -> Shape {
    let [batch, n_tokens, n_heads, d_head] = x.shape().dims();
    Shape { batch, tables: cos.shape()[0], n_tokens, n_heads, d_head }
}

fn inputs([x, gamma, cos, sin]: &[FlexTensor; 4], eps: f32) -> Inputs<'_> {
    let [x, gamma, cos, sin] = [x, gamma, cos, sin].map(values);
    Inputs { x, gamma, cos, sin, eps }
}

impl RopeOps for Flex {
    fn norm_rope(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        let shape = sizes(&x, &cos);
        if !all_f32([&x, &gamma, &cos, &sin]) || !shape.is_supported() {
            return reference::norm_rope::<Self>(x, gamma, cos, sin, eps);
        }
        let tensors = [x, gamma, cos, sin].map(contiguous);
        tensor(rope::qk_norm_rope(inputs(&tensors, eps), shape), tensors[0].shape())
    }

    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let shape = sizes(&x, &cos);
        if !all_f32([&x, &cos, &sin]) || !shape.is_supported() {
            return reference::turn::<Self>(x, cos, sin);
        }
        let [x, cos, sin] = [x, cos, sin].map(contiguous);
        tensor(rope::rope(values(&x), values(&cos), values(&sin), shape), x.shape())
    }

    fn norm_rope_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = sizes(&x, &cos);
        if !all_f32([&x, &gamma, &cos, &sin, &dy]) || !shape.is_supported() {
            return reference::norm_rope_backward::<Self>(x, gamma, [cos, sin], dy, eps);
        }
        let (tensors, dy) = ([x, gamma, cos, sin].map(contiguous), contiguous(dy));
        let (dx, dgamma) = rope::qk_norm_rope_backward(inputs(&tensors, eps), values(&dy), shape);
        (tensor(dx, tensors[0].shape()), tensor(dgamma, tensors[1].shape()))
    }
}
