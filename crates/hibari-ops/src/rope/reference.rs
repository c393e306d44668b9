//! The preparation and its gradients in plain Burn operations: other backends, head sizes without a kernel, and the oracle.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, Slice};

/// See [`super::RopeOps::norm_rope`].
pub(super) fn norm_rope<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    eps: f32,
) -> FloatTensor<B> {
    let root = root_mean_square::<B>(x.clone(), eps);
    let u = B::float_mul(B::float_div(x, root), as_head::<B>(gamma));
    turn::<B>(u, cos, sin)
}

/// See [`super::RopeOps::norm_rope_backward`].
pub(super) fn norm_rope_backward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    [cos, sin]: [FloatTensor<B>; 2],
    dy: FloatTensor<B>,
    eps: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let width = gamma.shape()[0];
    let root = root_mean_square::<B>(x.clone(), eps);
    let normal = B::float_div(x, root.clone());
    let du = turn::<B>(dy, cos, B::float_neg(sin));
    let dgamma = B::float_sum_dims(B::float_mul(du.clone(), normal.clone()), &[0, 1, 2]);
    let dn = B::float_mul(du, as_head::<B>(gamma));
    let mean = B::float_mean_dim(B::float_mul(dn.clone(), normal.clone()), 3);
    let dx = B::float_div(B::float_sub(dn, B::float_mul(normal, mean)), root);
    (dx, B::float_reshape(dgamma, Shape::new([width])))
}

/// `sqrt(mean(x^2) + eps)` of each head.
fn root_mean_square<B: Backend>(x: FloatTensor<B>, eps: f32) -> FloatTensor<B> {
    let mean = B::float_mean_dim(B::float_mul(x.clone(), x), 3);
    B::float_sqrt(B::float_add_scalar(mean, eps.into()))
}

/// A gain as one head of one token.
fn as_head<B: Backend>(gamma: FloatTensor<B>) -> FloatTensor<B> {
    let width = gamma.shape()[0];
    B::float_reshape(gamma, Shape::new([1, 1, 1, width]))
}

/// Rotates interleaved pairs.
pub(super) fn turn<B: Backend>(
    u: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
) -> FloatTensor<B> {
    let shape = u.shape();
    let [b, n, n_heads, width] = shape.dims();
    let u = B::float_reshape(u, Shape::new([b, n, n_heads, width / 2, 2]));
    let part = |idx: isize| {
        let mut slices = [Slice::from(..); 5];
        slices[4] = Slice::from(idx..idx + 1);
        B::float_slice(u.clone(), &slices)
    };
    let (even, odd) = (part(0), part(1));
    let table = |table: FloatTensor<B>| {
        let items = table.shape()[0];
        B::float_reshape(table, Shape::new([items, n, 1, width / 2, 1]))
    };
    let (cos, sin) = (table(cos), table(sin));
    let [even_cos, odd_cos] = [&even, &odd].map(|part| B::float_mul(part.clone(), cos.clone()));
    let [even_sin, odd_sin] = [even, odd].map(|part| B::float_mul(part, sin.clone()));
    let (first, second) = (B::float_sub(even_cos, odd_sin), B::float_add(even_sin, odd_cos));
    B::float_reshape(B::float_cat(vec![first, second], 4), shape)
}
