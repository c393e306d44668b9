//! Convolution over channels-last images and videos, with bf16 products and f32 accumulation on the CPU.

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
/// Videos are `[B, T, H, W, C]`, weights `[kh, kw, kt, Cin, Cout]` with odd `kh` and `kw`; stride 1, zero padding that keeps
/// height and width, none in time: `T - kt + 1` frames come out.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait ConvOps: Backend {
    /// The convolution.
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::conv::<Self>(x, weight, None)
    }

    /// The convolution with a bias `[Cout]`.
    fn conv_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        reference::conv::<Self>(x, weight, Some(bias))
    }

    /// The convolution with a bias of the frames of `before` and then those of `x`.
    fn conv_after(
        before: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        joined::<Self>(before, x, weight, bias)
    }

    /// Gradient to the input, from that to the output.
    fn conv_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::conv_dx::<Self>(dy, weight)
    }

    /// Gradients to weight and bias for a kernel of `[kh, kw, kt]`: to `[kh, kw, kt, Cin, Cout]` and `[Cout]`.
    fn conv_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kernel: [usize; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::conv_dw::<Self>(x, dy, kernel)
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
    conv3d(x.unsqueeze_dim::<5>(1), weight.unsqueeze_dim::<5>(2), bias).squeeze_dim::<4>(1)
}

/// Convolves channels-last videos with stride 1, zero padding that keeps height and width, and none in time.
///
/// `y[b,f,i,j,o] = bias[o] + sum_{u,v,t,c} x[b, f+t, i+u-kh/2, j+v-kw/2, c] w[u,v,t,c,o]`; products in bf16, sums in f32 (on
/// the CPU).
///
/// # Shapes
/// - `x`: `[B, T, H, W, Cin]`; returned as `[B, T - kt + 1, H, W, Cout]`
/// - `weight`: `[kh, kw, kt, Cin, Cout]`
/// - `bias`: `[Cout]`
/// # Panics
/// if the shapes disagree, the kernel is even in height or width, or the frames are fewer than its own
#[track_caller]
pub fn conv3d(x: Tensor<5>, weight: Tensor<5>, bias: Option<Tensor<1>>) -> Tensor<5> {
    check(x.dims(), weight.dims());
    if let Some(bias) = &bias {
        assert_eq!(bias.dims()[0], weight.dims()[4], "the bias does not fit the weight");
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => <Dispatch as ConvOps>::conv_bias(x, weight, bias.into_dispatch()),
        None => <Dispatch as ConvOps>::conv(x, weight),
    })
}

/// [`conv3d`] of `before` and `x` one after the other: a chunk of a video and the frames that it follows, without a copy of
/// both on the CPU.
///
/// # Shapes
/// - `before`: `[B, T0, H, W, Cin]`; `x`: `[B, T, H, W, Cin]`; returned as `[B, T0 + T - kt + 1, H, W, Cout]`
/// - `weight`: `[kh, kw, kt, Cin, Cout]`; `bias`: `[Cout]`
/// # Panics
/// as [`conv3d`]
#[track_caller]
pub fn conv3d_after(
    before: Tensor<5>,
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Tensor<1>,
) -> Tensor<5> {
    let [b, t, h, w, c] = x.dims();
    let frames = before.dims()[1];
    assert_eq!(before.dims(), [b, frames, h, w, c], "the frames before are of another size");
    check([b, frames + t, h, w, c], weight.dims());
    assert_eq!(bias.dims()[0], weight.dims()[4], "the bias does not fit the weight");
    let [before, x, weight] = [before, x, weight].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as ConvOps>::conv_after(
        before,
        x,
        weight,
        bias.into_dispatch(),
    ))
}

/// Asserts that a video fits a weight.
#[track_caller]
fn check([_, t, _, _, c]: [usize; 5], [kh, kw, kt, c_in, _]: [usize; 5]) {
    assert_eq!(c, c_in, "image and weight differ in their input channels");
    assert!(kh % 2 == 1 && kw % 2 == 1, "the kernel `{kh}x{kw}` is not odd");
    assert!(kt >= 1 && t >= kt, "`{t}` frames are fewer than the `{kt}` of the kernel");
}

/// [`ConvOps::conv_after`] by a copy of both.
fn joined<B: ConvOps>(
    before: FloatTensor<B>,
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    B::conv_bias(B::float_cat(vec![before, x], 1), weight, bias)
}

fn kernel_size(weight: &Shape) -> [usize; 3] {
    [weight[0], weight[1], weight[2]]
}
