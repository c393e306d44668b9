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

use crate::maybe::{Maybe, operand};

/// The convolution and its gradients as a Burn backend extension.
///
/// Videos are `[B, T, H, W, C]`, weights `[kh, kw, kt, Cin, Cout]` with odd `kh` and `kw`; stride 1, zero padding that keeps
/// height and width, none in time: `T - kt + 1` frames come out.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait ConvOps: Backend {
    /// The convolution of the frames of `before` and then those of `x`, with a bias `[Cout]`, added to a `shortcut` of the
    /// shape of the result.
    fn conv(
        #[extension_type] before: Maybe<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] shortcut: Maybe<Self>,
    ) -> FloatTensor<Self> {
        plain::<Self>(before, x, weight, bias, shortcut)
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
/// `y[b,i,j,o] = shortcut[b,i,j,o] + bias[o] + sum_{u,v,c} x[b, i+u-kh/2, j+v-kw/2, c] w[u,v,c,o]`; products in bf16, sums in
/// f32 (on the CPU).
///
/// # Shapes
/// - `x`: `[B, H, W, Cin]`; returned as `[B, H, W, Cout]`, and so is `shortcut`
/// - `weight`: `[kh, kw, Cin, Cout]`
/// - `bias`: `[Cout]`
/// # Panics
/// if the shapes disagree or the kernel is even
#[track_caller]
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shortcut: Option<Tensor<4>>,
) -> Tensor<4> {
    let (x, weight) = (x.unsqueeze_dim::<5>(1), weight.unsqueeze_dim::<5>(2));
    let shortcut = shortcut.map(|shortcut| shortcut.unsqueeze_dim::<5>(1));
    conv3d(None, x, weight, bias, shortcut).squeeze_dim::<4>(1)
}

/// Convolves channels-last videos, the frames of `before` and then those of `x`, with stride 1, zero padding that keeps height
/// and width, and none in time.
///
/// With `x` for both: `y[b,f,i,j,o] = shortcut[b,f,i,j,o] + bias[o] + sum_{u,v,t,c} x[b, f+t, i+u-kh/2, j+v-kw/2, c]
/// w[u,v,t,c,o]`; products in bf16, sums in f32, and no copy of both (on the CPU).
///
/// # Shapes
/// - `before`: `[B, T0, H, W, Cin]`; `x`: `[B, T, H, W, Cin]`
/// - returned as `[B, T0 + T - kt + 1, H, W, Cout]`, and so is `shortcut`
/// - `weight`: `[kh, kw, kt, Cin, Cout]`
/// - `bias`: `[Cout]`
/// # Panics
/// if the shapes disagree, the kernel is even in height or width, or the frames are fewer than its own
#[track_caller]
pub fn conv3d(
    before: Option<Tensor<5>>,
    x: Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    shortcut: Option<Tensor<5>>,
) -> Tensor<5> {
    let ([b, t, h, w, c], [kh, kw, kt, c_in, c_out]) = (x.dims(), weight.dims());
    let mut frames = t;
    if let Some(before) = &before {
        let first = before.dims()[1];
        assert_eq!(before.dims(), [b, first, h, w, c], "the frames before are of another size");
        frames += first;
    }
    assert_eq!(c, c_in, "image and weight differ in their input channels");
    assert!(kh % 2 == 1 && kw % 2 == 1, "the kernel `{kh}x{kw}` is not odd");
    assert!(kt >= 1 && frames >= kt, "`{frames}` frames are fewer than the `{kt}` of the kernel");
    if let Some(bias) = &bias {
        assert_eq!(bias.dims()[0], c_out, "the bias does not fit the weight");
    }
    if let Some(shortcut) = &shortcut {
        let dims = [b, frames + 1 - kt, h, w, c_out];
        assert_eq!(shortcut.dims(), dims, "the shortcut is not of the shape of the result");
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let [before, shortcut] = [before, shortcut].map(operand);
    Tensor::from_dispatch(<Dispatch as ConvOps>::conv(before, x, weight, operand(bias), shortcut))
}

/// [`ConvOps::conv`] in plain Burn operations.
fn plain<B: Backend>(
    before: Maybe<B>,
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Maybe<B>,
    shortcut: Maybe<B>,
) -> FloatTensor<B> {
    added::<B>(shortcut, reference::conv::<B>(joined::<B>(before, x), weight, bias.given()))
}

/// The frames of `before` and then those of `x`.
pub(crate) fn joined<B: Backend>(before: Maybe<B>, x: FloatTensor<B>) -> FloatTensor<B> {
    match before {
        Maybe::Given(before) => B::float_cat(vec![before, x], 1),
        Maybe::Absent => x,
    }
}

/// The sum of both.
pub(crate) fn added<B: Backend>(shortcut: Maybe<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    match shortcut {
        Maybe::Given(shortcut) => B::float_add(shortcut, y),
        Maybe::Absent => y,
    }
}

fn kernel_size(weight: &Shape) -> [usize; 3] {
    [weight[0], weight[1], weight[2]]
}
