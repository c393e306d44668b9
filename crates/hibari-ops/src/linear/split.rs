//! The gradient to the weight as many products over parts of the rows, which then are summed: the body of GPU backends,
//! since one product of a small weight over many rows would keep a few multiprocessors busy for long.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// Rows that a part has at least.
const ROWS: usize = 512;
/// Most parts.
const PARTS: usize = 64;

/// As `reference::linear_dw`.
pub(crate) fn linear_dw<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let ([m, k], [_, n]) = (x.shape().dims(), dy.shape().dims());
    let parts = parts(m);
    let cut = |tensor, width| B::float_reshape(tensor, Shape::new([parts, m / parts, width]));
    let (x, dy_parts) = (cut(x, k), cut(dy.clone(), n));
    let dweight = B::float_sum_dim(B::float_matmul(B::float_swap_dims(x, 1, 2), dy_parts), 0);
    let dbias = B::float_reshape(B::float_sum_dim(dy, 0), Shape::new([n]));
    (B::float_reshape(dweight, Shape::new([k, n])), dbias)
}

/// The largest number of equal parts of `rows` that are long enough.
fn parts(rows: usize) -> usize {
    let most = (rows / ROWS).clamp(1, PARTS);
    (1..=most).rev().find(|&parts| rows.is_multiple_of(parts)).expect("1 divides all")
}
