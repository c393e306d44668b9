//! The convolution on the CPU backend.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use hibari_kernels::conv::{self, Shape};

use super::{ConvOps, reference};
use crate::flex::{all_f32, contiguous, tensor, values};

fn sizes(image: &FloatTensor<Flex>, c_in: usize, c_out: usize, kernel: [usize; 2]) -> Shape {
    let [images, height, width, _] = image.shape().dims();
    Shape { images, height, width, c_in, c_out, kernel }
}

impl ConvOps for Flex {
    fn conv2d_cl(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&x, &weight]) {
            return reference::conv2d::<Self>(x, weight, None);
        }
        let [kh, kw, c_in, c_out] = weight.shape().dims();
        let shape = sizes(&x, c_in, c_out, [kh, kw]);
        let (x, weight) = (contiguous(x), contiguous(weight));
        let y = conv::conv2d(values(&x), values(&weight), None, shape);
        tensor(y, [shape.images, shape.height, shape.width, c_out])
    }

    fn conv2d_cl_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        if !all_f32([&x, &weight, &bias]) {
            return reference::conv2d::<Self>(x, weight, Some(bias));
        }
        let [kh, kw, c_in, c_out] = weight.shape().dims();
        let shape = sizes(&x, c_in, c_out, [kh, kw]);
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        let y = conv::conv2d(values(&x), values(&weight), Some(values(&bias)), shape);
        tensor(y, [shape.images, shape.height, shape.width, c_out])
    }

    fn conv2d_cl_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        if !all_f32([&dy, &weight]) {
            return reference::conv2d_dx::<Self>(dy, weight);
        }
        let [kh, kw, c_in, c_out] = weight.shape().dims();
        let shape = sizes(&dy, c_in, c_out, [kh, kw]);
        let (dy, weight) = (contiguous(dy), contiguous(weight));
        let dx = conv::conv2d_dx(values(&dy), values(&weight), shape);
        tensor(dx, [shape.images, shape.height, shape.width, c_in])
    }

    fn conv2d_cl_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kernel: [usize; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !all_f32([&x, &dy]) {
            return reference::conv2d_dw::<Self>(x, dy, kernel);
        }
        let (c_in, c_out) = (x.shape()[3], dy.shape()[3]);
        let shape = sizes(&x, c_in, c_out, kernel);
        let (x, dy) = (contiguous(x), contiguous(dy));
        let (dweight, dbias) = conv::conv2d_dw(values(&x), values(&dy), shape);
        (tensor(dweight, [kernel[0], kernel[1], c_in, c_out]), tensor(dbias, [c_out]))
    }
}
