//! The convolution as one matrix product over gathered pixels: the body of GPU backends, whose matrix products are their
//! fastest operation.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, Slice, ops::PadMode};

use super::kernel_size;

/// `[B, H, W, C]` to `[B, H * W, kh * kw * C]`: the pixels under the kernel at each place.
fn columns<B: Backend>(x: FloatTensor<B>, [kh, kw]: [usize; 2]) -> FloatTensor<B> {
    let [b, h, w, c] = x.shape().dims();
    let padding = [(0, 0), (kh / 2, kh / 2), (kw / 2, kw / 2), (0, 0)];
    let padded = B::float_pad(x, &padding, PadMode::Constant(0.0));
    let part = |u: usize, v: usize| {
        let rows = Slice::from(u as isize..(u + h) as isize);
        let columns = Slice::from(v as isize..(v + w) as isize);
        B::float_slice(padded.clone(), &[Slice::from(..), rows, columns, Slice::from(..)])
    };
    let parts = (0..kh * kw).map(|at| part(at / kw, at % kw)).collect();
    B::float_reshape(B::float_cat(parts, 3), Shape::new([b, h * w, kh * kw * c]))
}

/// Convolution with bias.
pub(crate) fn conv2d<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let [b, h, w, _] = x.shape().dims();
    let [kh, kw, c_in, c_out] = weight.shape().dims();
    let columns = columns::<B>(x, kernel_size(&weight.shape()));
    let columns = B::float_reshape(columns, Shape::new([b * h * w, kh * kw * c_in]));
    let weight = B::float_reshape(weight, Shape::new([kh * kw * c_in, c_out]));
    let mut y = B::float_matmul(columns, weight);
    if let Some(bias) = bias {
        y = B::float_add(y, B::float_reshape(bias, Shape::new([1, c_out])));
    }
    B::float_reshape(y, Shape::new([b, h, w, c_out]))
}

/// Gradient to the input.
pub(crate) fn conv2d_dx<B: Backend>(dy: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    // As for every odd kernel with this padding, the gradient is the convolution with the weight turned around.
    conv2d::<B>(dy, B::float_swap_dims(B::float_flip(weight, &[0, 1]), 2, 3), None)
}

/// Gradients to weight and bias.
pub(crate) fn conv2d_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
    kernel: [usize; 2],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [_, _, _, c_in] = x.shape().dims();
    let [b, h, w, c_out] = dy.shape().dims();
    let dbias = B::float_sum_dims(dy.clone(), &[0, 1, 2]);
    let dbias = B::float_reshape(dbias, Shape::new([c_out]));
    // One product an image and then their sum: enough of them to fill a card.
    let columns = B::float_swap_dims(columns::<B>(x, kernel), 1, 2);
    let dy = B::float_reshape(dy, Shape::new([b, h * w, c_out]));
    let dweight = B::float_sum_dim(B::float_matmul(columns, dy), 0);
    (B::float_reshape(dweight, Shape::new([kernel[0], kernel[1], c_in, c_out])), dbias)
}
