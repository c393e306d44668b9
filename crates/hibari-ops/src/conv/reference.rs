//! The convolution and its gradients in plain Burn operations: the oracle of the fast path.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, ops::ConvOptions};

use super::kernel_size;

/// Stride 1 and the padding that keeps the size under an odd kernel.
fn same([kh, kw]: [usize; 2]) -> ConvOptions<2> {
    ConvOptions::new([1, 1], [kh / 2, kw / 2], [1, 1], 1)
}

fn channels_first<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[0, 3, 1, 2])
}

fn channels_last<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[0, 2, 3, 1])
}

/// `[kh, kw, Cin, Cout]` to Burn's `[Cout, Cin, kh, kw]`.
fn burn_weight<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(weight, &[3, 2, 0, 1])
}

/// Convolution with bias.
pub(super) fn conv2d<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let options = same(kernel_size(&weight.shape()));
    channels_last::<B>(B::conv2d(channels_first::<B>(x), burn_weight::<B>(weight), bias, options))
}

/// Gradient to the input.
pub(super) fn conv2d_dx<B: Backend>(dy: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    let options = same(kernel_size(&weight.shape()));
    // As for every odd kernel with this padding, the gradient is the convolution with the weight turned around.
    let turned = B::float_permute(B::float_flip(weight, &[0, 1]), &[2, 3, 0, 1]);
    channels_last::<B>(B::conv2d(channels_first::<B>(dy), turned, None, options))
}

/// Gradients to weight and bias.
pub(super) fn conv2d_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
    kernel: [usize; 2],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (c_in, c_out) = (x.shape()[3], dy.shape()[3]);
    let dbias = B::float_sum_dims(dy.clone(), &[0, 1, 2]);
    let dbias = B::float_reshape(dbias, Shape::new([c_out]));
    // Images become channels and channels become images: the sum over images and places is a valid convolution.
    let x = B::float_permute(x, &[3, 0, 1, 2]);
    let dy = B::float_permute(dy, &[3, 0, 1, 2]);
    let dweight = B::conv2d(x, dy, None, same(kernel));
    debug_assert_eq!(dweight.shape(), Shape::new([c_in, c_out, kernel[0], kernel[1]]));
    (B::float_permute(dweight, &[2, 3, 0, 1]), dbias)
}
