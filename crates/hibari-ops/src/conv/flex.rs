//! The convolution on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::conv::{self, Shape};

use super::{ConvOps, kernel_size, plain, reference};
use crate::Maybe;
use crate::flex::{FlexTensor, all_f32, contiguous, tensor, values};

/// The sizes of a convolution of `frames` frames a video; `like` is either side of it.
fn sizes(like: &FlexTensor, frames: usize, [c_in, c_out]: [usize; 2], kernel: [usize; 3]) -> Shape {
    let [videos, _, height, width, _] = like.shape().dims();
    Shape { videos, frames, height, width, c_in, c_out, kernel }
}

fn channels(weight: &FlexTensor) -> [usize; 2] {
    let [.., c_in, c_out] = weight.shape().dims::<5>();
    [c_in, c_out]
}

impl ConvOps for Flex {
    fn conv(
        before: Maybe<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        shortcut: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let given = [&before, &bias, &shortcut].into_iter().filter_map(Maybe::as_ref);
        if !all_f32(given.chain([&x, &weight])) {
            return plain::<Self>(before, x, weight, bias, shortcut);
        }
        let [before, bias, shortcut] =
            [before, bias, shortcut].map(|operand| operand.given().map(contiguous));
        let frames = before.as_ref().map_or(0, |before| before.shape()[1]) + x.shape()[1];
        let shape = sizes(&x, frames, channels(&weight), kernel_size(&weight.shape()));
        let (x, weight) = (contiguous(x), contiguous(weight));
        let first = before.as_ref().map_or(&[][..], values);
        let [bias, shortcut] = [&bias, &shortcut].map(|tensor| tensor.as_ref().map(values));
        let y = conv::conv_after([first, values(&x)], values(&weight), bias, shortcut, shape);
        let Shape { videos, height, width, c_out, .. } = shape;
        tensor(y, [videos, shape.frames_out(), height, width, c_out])
    }

    fn conv_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&dy, &weight]) {
            return reference::conv_dx::<Self>(dy, weight);
        }
        let kernel = kernel_size(&weight.shape());
        let frames = dy.shape()[1] + kernel[2] - 1;
        let shape = sizes(&dy, frames, channels(&weight), kernel);
        let (dy, weight) = (contiguous(dy), contiguous(weight));
        let dx = conv::conv_dx(values(&dy), values(&weight), shape);
        tensor(dx, [shape.videos, frames, shape.height, shape.width, shape.c_in])
    }

    fn conv_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kernel: [usize; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&x, &dy]) {
            return reference::conv_dw::<Self>(x, dy, kernel);
        }
        let (c_in, c_out) = (x.shape()[4], dy.shape()[4]);
        let shape = sizes(&x, x.shape()[1], [c_in, c_out], kernel);
        let (x, dy) = (contiguous(x), contiguous(dy));
        let (dweight, dbias) = conv::conv_dw(values(&x), values(&dy), shape);
        let [kh, kw, kt] = kernel;
        (tensor(dweight, [kh, kw, kt, c_in, c_out]), tensor(dbias, [c_out]))
    }
}
