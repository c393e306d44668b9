//! Two-dimensional convolution over channels-last images, with bf16 products and f32 accumulation on the CPU.

mod autodiff;
#[cfg(any(feature = "cube", test))]
pub(crate) mod columns;
mod flex;
mod reference;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Shape, Tensor};

/// The convolution and its gradients as a Burn backend extension.
///
/// Images are `[B, H, W, C]`, weights `[kh, kw, Cin, Cout]` with odd `kh` and `kw`; stride 1, zero padding that keeps the
/// size. The suffix `_cl` (channels last) sets the names apart from Burn's own `conv2d`.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait ConvOps: Backend {
    /// The convolution.
    fn conv2d_cl(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::conv2d::<Self>(x, weight, None)
    }

    /// The convolution with a bias `[Cout]`.
    fn conv2d_cl_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        reference::conv2d::<Self>(x, weight, Some(bias))
    }

    /// Gradient to the input: `dy` `[B, H, W, Cout]` to `[B, H, W, Cin]`.
    fn conv2d_cl_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::conv2d_dx::<Self>(dy, weight)
    }

    /// Gradients to weight and bias for a kernel of `[kh, kw]`: to `[kh, kw, Cin, Cout]` and `[Cout]`.
    fn conv2d_cl_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kernel: [usize; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::conv2d_dw::<Self>(x, dy, kernel)
    }
}

/// Convolves channels-last images with stride 1 and zero padding that keeps their size.
///
/// `y[b,i,j,o] = bias[o] + sum_{u,v,c} x[b, i+u-kh/2, j+v-kw/2, c] w[u,v,c,o]`; products in bf16, sums in f32 (on the CPU).
///
/// # Shapes
/// - `x`: `[B, H, W, Cin]`; returned as `[B, H, W, Cout]`
/// - `weight`: `[kh, kw, Cin, Cout]`
/// - `bias`: `[Cout]`
/// # Panics
/// if the shapes disagree or the kernel is even
#[track_caller]
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [_, _, _, c] = x.dims();
    let [kh, kw, c_in, c_out] = weight.dims();
    assert_eq!(c, c_in, "image and weight differ in their input channels");
    assert!(kh % 2 == 1 && kw % 2 == 1, "the kernel `{kh}x{kw}` is not odd");
    if let Some(bias) = &bias {
        assert_eq!(bias.dims(), [c_out], "the bias does not fit the weight");
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => <Dispatch as ConvOps>::conv2d_cl_bias(x, weight, bias.into_dispatch()),
        None => <Dispatch as ConvOps>::conv2d_cl(x, weight),
    })
}

fn kernel_size(weight: &Shape) -> [usize; 2] {
    [weight[0], weight[1]]
}
