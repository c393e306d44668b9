//! The affine map of a layer, `y = x W + b`, with bf16 products and f32 accumulation on the CPU.

mod autodiff;
mod flex;
mod packed;
mod reference;
#[cfg(any(feature = "cube", test))]
pub(crate) mod split;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

use crate::maybe::{Maybe, operand};

pub use packed::{PackedLinear, Then};

/// The products a dense layer needs in training, as a Burn backend extension over matrices.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait LinearOps: Backend {
    /// `x W + b`: `x` `[M, K]`, `weight` `[K, N]`, `bias` `[N]` to `[M, N]`.
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
    ) -> FloatTensor<Self> {
        reference::linear::<Self>(x, weight, bias.given())
    }

    /// Gradient to the input, `dy W'`: `dy` `[M, N]`, `weight` `[K, N]` to `[M, K]`.
    fn dense_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::linear_dx::<Self>(dy, weight)
    }

    /// Gradients to weight and bias, `x' dy` and the column sums of `dy`: to `[K, N]` and `[N]`.
    fn dense_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::linear_dw::<Self>(x, dy)
    }
}

/// Applies an affine map to the last axis.
///
/// `y = x W + b`; products in bf16, sums in f32 (on the CPU; elsewhere the backend's matrix product).
///
/// # Shapes
/// - `x`: `[.., K]`; returned as `[.., N]`
/// - `weight`: `[K, N]`
/// - `bias`: `[N]`
/// # Panics
/// if the shapes disagree
#[track_caller]
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let mut dims = x.dims();
    let [k, n] = weight.dims();
    assert_eq!(dims[D - 1], k, "the last axis of x `{dims:?}` and the weight `[{k}, {n}]` differ");
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [n], "the bias does not fit the weight `[{k}, {n}]`");
    }
    let m = dims[..D - 1].iter().product::<usize>();
    let x: Tensor<2> = x.reshape([m, k]);
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let y = <Dispatch as LinearOps>::dense(x, weight, operand(bias));
    dims[D - 1] = n;
    Tensor::<2>::from_dispatch(y).reshape(dims)
}
