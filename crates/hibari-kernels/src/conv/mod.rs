//! Two-dimensional convolution over channels-last images: bf16 operands, f32 sums, stride 1, zero padding that keeps the
//! size, odd kernels; forward and both gradients.
//!
//! A strip of an image is rounded to bf16 once, on a raster with zero columns between its rows, so that each tap of the
//! kernel is a fixed distance on the raster and no patch is ever copied. The products are those of `matmul`.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

use crate::isa::{self, Isa};
use crate::matmul;
use crate::memory::filled;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of images.
    pub images: usize,
    /// Height of an image, in pixels.
    pub height: usize,
    /// Width of an image, in pixels.
    pub width: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Height and width of the kernel, both odd.
    pub kernel: [usize; 2],
}

impl Shape {
    fn pixels(&self) -> usize {
        self.images * self.height * self.width
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn weights(&self) -> usize {
        self.taps() * self.c_in * self.c_out
    }

    #[track_caller]
    fn check(&self) {
        assert!(self.kernel.iter().all(|size| size % 2 == 1), "the kernel of {self:?} is even");
    }
}

/// Convolves `x` with `weight` and adds `bias`.
///
/// # Shapes
/// - `x`: `[images, height, width, c_in]`; `weight`: `[kh, kw, c_in, c_out]`; `bias`: `[c_out]`
/// - returned: `[images, height, width, c_out]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv2d(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: Shape) -> Vec<f32> {
    shape.check();
    assert_eq!(x.len(), shape.pixels() * shape.c_in, "x does not fit {shape:?}");
    assert_eq!(weight.len(), shape.weights(), "the weight does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear(x, weight, bias, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    // SAFETY: `conv2d_into` writes the whole output.
    unsafe {
        filled(shape.pixels() * shape.c_out, |y| {
            conv2d_into(isa::best(), x, weight, bias, shape, y);
        })
    }
}

/// Gradient to the input.
///
/// # Shapes
/// - `dy`: `[images, height, width, c_out]`; `weight`: `[kh, kw, c_in, c_out]`
/// - returned: `[images, height, width, c_in]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv2d_dx(dy: &[f32], weight: &[f32], shape: Shape) -> Vec<f32> {
    shape.check();
    assert_eq!(dy.len(), shape.pixels() * shape.c_out, "dy does not fit {shape:?}");
    assert_eq!(weight.len(), shape.weights(), "the weight does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear_dx(dy, weight, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    // SAFETY: `conv2d_dx_into` writes the whole output.
    unsafe {
        filled(shape.pixels() * shape.c_in, |dx| {
            conv2d_dx_into(isa::best(), dy, weight, shape, dx);
        })
    }
}

/// Gradients to weight and bias.
///
/// # Shapes
/// - `x`: `[images, height, width, c_in]`; `dy`: `[images, height, width, c_out]`
/// - returned: `[kh, kw, c_in, c_out]` and `[c_out]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv2d_dw(x: &[f32], dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    shape.check();
    assert_eq!(x.len(), shape.pixels() * shape.c_in, "x does not fit {shape:?}");
    assert_eq!(dy.len(), shape.pixels() * shape.c_out, "dy does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear_dw(x, dy, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    conv2d_dw_on(isa::best(), x, dy, shape)
}

/// [`conv2d`] on one instruction set.
///
/// # Safety
/// `y` must be writable for the output; the slices must have their lengths.
unsafe fn conv2d_into(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: Shape,
    y: *mut f32,
) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), shape.c_out, "the bias does not fit {shape:?}");
    }
    let len = matmul::packed_len(shape.taps(), shape.c_in, shape.c_out);
    matmul::dispatch_product!(isa, simd => crate::memory::with_scratch(len, |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            matmul::pack_weight(simd, weight, [shape.taps(), shape.c_in, shape.c_out], packed);
            forward::convolve(simd, x.as_ptr(), packed, bias, shape, y);
        }
    }));
}

/// [`conv2d_dx`] on one instruction set: the convolution of `dy` with the weight turned around.
///
/// # Safety
/// `dx` must be writable for the output; the slices must have their lengths.
unsafe fn conv2d_dx_into(isa: Isa, dy: &[f32], weight: &[f32], shape: Shape, dx: *mut f32) {
    let turned = Shape { c_in: shape.c_out, c_out: shape.c_in, ..shape };
    let len = matmul::packed_len(turned.taps(), turned.c_in, turned.c_out);
    matmul::dispatch_product!(isa, simd => crate::memory::with_scratch(len, |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            let sizes = [turned.taps(), turned.c_in, turned.c_out];
            matmul::pack_weight_transposed(simd, weight, sizes, packed);
            forward::convolve(simd, dy.as_ptr(), packed, None, turned, dx);
        }
    }));
}

/// [`conv2d_dw`] on one instruction set.
fn conv2d_dw_on(isa: Isa, x: &[f32], dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    matmul::dispatch_product!(isa, simd => backward::weight_gradient(simd, x, dy, shape))
}
