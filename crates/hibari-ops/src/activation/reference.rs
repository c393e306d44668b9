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

/// `2 sqrt(2 / pi)` and the weight of the cube.
const GELU: [f64; 2] = [1.595_769_121_605_730_7, 0.044_715];

/// `GELU[0] * (1 + cube * x^2)`.
fn gelu_factor<B: Backend>(x: FloatTensor<B>, cube: f64) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x);
    let scaled = B::float_mul_scalar(square, (GELU[0] * cube).into());
    B::float_add_scalar(scaled, GELU[0].into())
}

/// `x * sigmoid(2 y)`, see [`super::gelu`].
pub(super) fn gelu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let doubled = B::float_mul(x.clone(), gelu_factor::<B>(x.clone(), GELU[1]));
    B::float_mul(x, B::sigmoid(doubled))
}

/// Gradient of [`gelu`].
pub(super) fn gelu_backward<B: Backend>(x: FloatTensor<B>, dy: FloatTensor<B>) -> FloatTensor<B> {
    let doubled = B::float_mul(x.clone(), gelu_factor::<B>(x.clone(), GELU[1]));
    let s = B::sigmoid(doubled);
    let rest = B::float_add_scalar(B::float_neg(s.clone()), 1.0.into());
    let inner = B::float_mul(x.clone(), gelu_factor::<B>(x, 3.0 * GELU[1]));
    let slope = B::float_mul(s, B::float_add_scalar(B::float_mul(rest, inner), 1.0.into()));
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
