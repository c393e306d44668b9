//! The convolution and its gradients in plain Burn operations: the oracle of the fast path.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, ops::ConvOptions};

use super::kernel_size;

/// Stride 1 and the padding that keeps height and width under an odd kernel, with `frames` of zeros on both sides.
fn same([kh, kw, _]: [usize; 3], frames: usize) -> ConvOptions<3> {
    ConvOptions::new([1, 1, 1], [frames, kh / 2, kw / 2], [1, 1, 1], 1)
}

fn channels_first<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[0, 4, 1, 2, 3])
}

fn channels_last<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_permute(x, &[0, 2, 3, 4, 1])
}

/// Convolution with bias.
pub(super) fn conv<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let options = same(kernel_size(&weight.shape()), 0);
    // `[kh, kw, kt, Cin, Cout]` to Burn's `[Cout, Cin, kt, kh, kw]`.
    let weight = B::float_permute(weight, &[4, 3, 2, 0, 1]);
    channels_last::<B>(B::conv3d(channels_first::<B>(x), weight, bias, options))
}

/// Gradient to the input.
pub(super) fn conv_dx<B: Backend>(dy: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    let kernel = kernel_size(&weight.shape());
    let options = same(kernel, kernel[2] - 1);
    // As for every odd kernel with this padding, the gradient is the convolution with the weight turned around.
    let turned = B::float_permute(B::float_flip(weight, &[0, 1, 2]), &[3, 4, 2, 0, 1]);
    channels_last::<B>(B::conv3d(channels_first::<B>(dy), turned, None, options))
}

/// Gradients to weight and bias.
pub(super) fn conv_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
    kernel: [usize; 3],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (c_in, c_out) = (x.shape()[4], dy.shape()[4]);
    let dbias = B::float_sum_dims(dy.clone(), &[0, 1, 2, 3]);
    let dbias = B::float_reshape(dbias, Shape::new([c_out]));
    // Videos become channels and channels become videos: the sum over videos and places is a valid convolution.
    let x = B::float_permute(x, &[4, 0, 1, 2, 3]);
    let dy = B::float_permute(dy, &[4, 0, 1, 2, 3]);
    let dweight = B::conv3d(x, dy, None, same(kernel, 0));
    let [kh, kw, kt] = kernel;
    debug_assert_eq!(dweight.shape(), Shape::new([c_in, c_out, kt, kh, kw]));
    (B::float_permute(dweight, &[3, 4, 2, 0, 1]), dbias)
}
