//! Pointwise activations: SiLU and the gate of a SwiGLU layer.

use burn::tensor::{Tensor, activation};

/// `x * sigmoid(x)`, element by element; the shape is kept.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}

/// The gate of a SwiGLU layer, `silu(a) * b`, element by element.
///
/// # Shapes
/// - `a`, `b`: equal; returned unchanged
/// # Panics
/// if the shapes differ
/// # Source
/// Shazeer, "GLU variants improve transformer" (arXiv:2002.05202), section 2
#[track_caller]
pub fn swiglu<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    assert_eq!(a.dims(), b.dims(), "gate and value differ in shape");
    activation::silu(a) * b
}
