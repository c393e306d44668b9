//! The activations and their gradients in plain Burn operations: the oracle of the fast path.

use burn::backend::{Backend, tensor::FloatTensor};

/// `x * sigmoid(x)`.
pub(super) fn silu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), B::sigmoid(x))
}

/// Gradient of [`silu`], `dy * s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
pub(super) fn silu_backward<B: Backend>(x: FloatTensor<B>, dy: FloatTensor<B>) -> FloatTensor<B> {
    let s = B::sigmoid(x.clone());
    let rest = B::float_add_scalar(B::float_neg(s.clone()), 1.0.into());
    let slope = B::float_mul(s, B::float_add_scalar(B::float_mul(x, rest), 1.0.into()));
    B::float_mul(dy, slope)
}

/// `silu(a) * b`.
pub(super) fn swiglu<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(silu::<B>(a), b)
}

/// Gradients of [`swiglu`] to `a` and `b`.
pub(super) fn swiglu_backward<B: Backend>(
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let da = silu_backward::<B>(a.clone(), B::float_mul(dy.clone(), b));
    (da, B::float_mul(dy, silu::<B>(a)))
}
