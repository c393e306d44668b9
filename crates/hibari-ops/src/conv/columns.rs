//! The convolution as one matrix product over gathered pixels: the body of GPU backends, whose matrix products are their
//! fastest operation.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, Slice, ops::PadMode};

use super::kernel_size;

/// Frames for which a kernel of `kt` has all of its own among `t`.
fn frames_out(t: usize, kt: usize) -> usize {
    t + 1 - kt
}

/// `[B, T, H, W, C]` to `[B, F * H * W, kh * kw * kt * C]`: the pixels under the kernel at each place.
fn columns<B: Backend>(x: FloatTensor<B>, [kh, kw, kt]: [usize; 3]) -> FloatTensor<B> {
    let [b, t, h, w, c] = x.shape().dims();
    let frames = frames_out(t, kt);
    let padding = [(0, 0), (0, 0), (kh / 2, kh / 2), (kw / 2, kw / 2), (0, 0)];
    let padded = B::float_pad(x, &padding, PadMode::Constant(0.0));
    let range = |first: usize, len: usize| Slice::from(first as isize..(first + len) as isize);
    let part = |u: usize, v: usize, s: usize| {
        let places = [range(s, frames), range(u, h), range(v, w)];
        let [frames, rows, columns] = places;
        let slices = [Slice::from(..), frames, rows, columns, Slice::from(..)];
        B::float_slice(padded.clone(), &slices)
    };
    let parts = (0..kh * kw * kt).map(|at| part(at / kt / kw, at / kt % kw, at % kt)).collect();
    B::float_reshape(B::float_cat(parts, 4), Shape::new([b, frames * h * w, kh * kw * kt * c]))
}

/// Convolution with bias.
pub(crate) fn conv<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let [b, t, h, w, _] = x.shape().dims();
    let [kh, kw, kt, c_in, c_out] = weight.shape().dims();
    let frames = frames_out(t, kt);
    let columns = columns::<B>(x, [kh, kw, kt]);
    let columns = B::float_reshape(columns, Shape::new([b * frames * h * w, kh * kw * kt * c_in]));
    let weight = B::float_reshape(weight, Shape::new([kh * kw * kt * c_in, c_out]));
    let mut y = B::float_matmul(columns, weight);
    if let Some(bias) = bias {
        y = B::float_add(y, B::float_reshape(bias, Shape::new([1, c_out])));
    }
    B::float_reshape(y, Shape::new([b, frames, h, w, c_out]))
}

/// Gradient to the input.
pub(crate) fn conv_dx<B: Backend>(dy: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    // As for every odd kernel with this padding, the gradient is the convolution with the weight turned around, over frames
    // that have as many of zeros on both sides as the kernel sees beyond one.
    let [.., kt] = kernel_size(&weight.shape());
    let padding = [(0, 0), (kt - 1, kt - 1), (0, 0), (0, 0), (0, 0)];
    let dy = if kt > 1 { B::float_pad(dy, &padding, PadMode::Constant(0.0)) } else { dy };
    conv::<B>(dy, B::float_swap_dims(B::float_flip(weight, &[0, 1, 2]), 3, 4), None)
}

/// Gradients to weight and bias.
pub(crate) fn conv_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
    kernel: [usize; 3],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [_, _, _, _, c_in] = x.shape().dims();
    let [b, frames, h, w, c_out] = dy.shape().dims();
    let dbias = B::float_sum_dims(dy.clone(), &[0, 1, 2, 3]);
    let dbias = B::float_reshape(dbias, Shape::new([c_out]));
    // One product a video and then their sum: enough of them to fill a card.
    let columns = B::float_swap_dims(columns::<B>(x, kernel), 1, 2);
    let dy = B::float_reshape(dy, Shape::new([b, frames * h * w, c_out]));
    let dweight = B::float_sum_dim(B::float_matmul(columns, dy), 0);
    let [kh, kw, kt] = kernel;
    (B::float_reshape(dweight, Shape::new([kh, kw, kt, c_in, c_out])), dbias)
}
