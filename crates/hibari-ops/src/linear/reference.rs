//! The affine map and its gradients in plain Burn operations: the oracle of the fast path.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// `x W + b` in the backend's own precision.
pub(super) fn linear<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let y = B::float_matmul(x, weight);
    match bias {
        Some(bias) => {
            let n = bias.shape()[0];
            B::float_add(y, B::float_reshape(bias, Shape::new([1, n])))
        }
        None => y,
    }
}

/// `dy W'`.
pub(super) fn linear_dx<B: Backend>(dy: FloatTensor<B>, weight: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(dy, B::float_transpose(weight))
}

/// `x' dy` and the column sums of `dy`.
pub(super) fn linear_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let n = dy.shape()[1];
    let dbias = B::float_reshape(B::float_sum_dim(dy.clone(), 0), Shape::new([n]));
    (B::float_matmul(B::float_transpose(x), dy), dbias)
}
