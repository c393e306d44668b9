//! Pointwise activations: SiLU, the gate of a SwiGLU layer, and GELU.

mod autodiff;
mod flex;
mod reference;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

/// The activations and their gradients as a Burn backend extension; all operands have one shape.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait ActivationOps: Backend {
    /// `x * sigmoid(x)`.
    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::silu::<Self>(x)
    }

    /// Gradient of [`ActivationOps::silu`].
    fn silu_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::silu_backward::<Self>(x, dy)
    }

    /// See [`gelu_tanh`].
    fn gelu_tanh(x: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::gelu::<Self>(x)
    }

    /// Gradient of [`ActivationOps::gelu_tanh`].
    fn gelu_tanh_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::gelu_backward::<Self>(x, dy)
    }

    /// `silu(a) * b`.
    fn swiglu(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::swiglu::<Self>(a, b)
    }

    /// Gradients of [`ActivationOps::swiglu`] to `a` and `b`.
    fn swiglu_backward(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::swiglu_backward::<Self>(a, b, dy)
    }
}

/// `x * sigmoid(x)`, element by element; the shape is kept.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as ActivationOps>::silu(x.into_dispatch()))
}

/// The Gaussian error linear unit with a hyperbolic tangent, `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, element by
/// element; the shape is kept.
///
/// # Source
/// Hendrycks and Gimpel, "Gaussian error linear units" (arXiv:1606.08415), section 2
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as ActivationOps>::gelu_tanh(x.into_dispatch()))
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
    let (a, b) = (a.into_dispatch(), b.into_dispatch());
    Tensor::from_dispatch(<Dispatch as ActivationOps>::swiglu(a, b))
}
