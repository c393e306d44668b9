//! Convolution over channels-last images and videos: bf16 operands, f32 sums, stride 1, zero padding that keeps height and
//! width, kernels of odd sides; forward and both gradients.
//!
//! There are two ways. The direct one rounds a strip of a frame to bf16 once, on a raster with zero columns between its rows,
//! so that each tap of the kernel is a fixed distance on the raster and no patch is ever copied. The other is Winograd's, for
//! kernels of 3 x 3. The products of both are those of `matmul`.

mod backward;
mod direct;
#[cfg(test)]
mod tests;
mod winograd;

use crate::isa::{self, Isa};
use crate::matmul::{self, tile::Simd};
use crate::memory::{filled, with_scratch};

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of videos; an image is a video of one frame.
    pub videos: usize,
    /// Frames of a video of the input.
    pub frames: usize,
    /// Height of a frame, in pixels.
    pub height: usize,
    /// Width of a frame, in pixels.
    pub width: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Height and width of the kernel, both odd, and its frames.
    pub kernel: [usize; 3],
}

impl Shape {
    /// Frames of a video of the output: those for which the kernel has all of its own.
    #[must_use]
    pub fn frames_out(&self) -> usize {
        (self.frames + 1).saturating_sub(self.kernel[2])
    }

    fn pixels(&self) -> usize {
        self.videos * self.frames * self.height * self.width
    }

    fn pixels_out(&self) -> usize {
        self.videos * self.frames_out() * self.height * self.width
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    fn weights(&self) -> usize {
        self.taps() * self.c_in * self.c_out
    }

    /// Sizes of the convolution that takes the gradient to the output to that to the input, if frames of zeros stand before
    /// and behind its videos.
    fn turned(self) -> Self {
        Self { frames: self.frames_out(), c_in: self.c_out, c_out: self.c_in, ..self }
    }

    #[track_caller]
    fn check(&self) {
        let [height, width, frames] = self.kernel;
        assert!(height % 2 == 1 && width % 2 == 1, "the kernel of {self:?} is even");
        assert!(frames > 0, "the kernel of {self:?} is empty");
    }
}

/// Convolves `x` with `weight` and adds `bias`.
///
/// # Shapes
/// - `x`: `[videos, frames, height, width, c_in]`; `weight`: `[kh, kw, kt, c_in, c_out]`; `bias`: `[c_out]`
/// - returned: `[videos, frames - kt + 1, height, width, c_out]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: Shape) -> Vec<f32> {
    shape.check();
    assert_eq!(x.len(), shape.pixels() * shape.c_in, "x does not fit {shape:?}");
    assert_eq!(weight.len(), shape.weights(), "the weight does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear(x, weight, bias, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    let isa = isa::best();
    // SAFETY: `conv_into` writes the whole output.
    unsafe {
        filled(shape.pixels_out() * shape.c_out, |y| {
            conv_into(isa, Method::of(isa, &shape), x, weight, bias, shape, y);
        })
    }
}

/// Gradient to the input.
///
/// # Shapes
/// - `dy`: `[videos, frames - kt + 1, height, width, c_out]`; `weight`: `[kh, kw, kt, c_in, c_out]`
/// - returned: `[videos, frames, height, width, c_in]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv_dx(dy: &[f32], weight: &[f32], shape: Shape) -> Vec<f32> {
    shape.check();
    assert_eq!(dy.len(), shape.pixels_out() * shape.c_out, "dy does not fit {shape:?}");
    assert_eq!(weight.len(), shape.weights(), "the weight does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear_dx(dy, weight, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    let isa = isa::best();
    // SAFETY: `conv_dx_into` writes the whole output.
    unsafe {
        filled(shape.pixels() * shape.c_in, |dx| {
            conv_dx_into(isa, Method::of(isa, &shape.turned()), dy, weight, shape, dx);
        })
    }
}

/// Gradients to weight and bias.
///
/// # Shapes
/// - `x`: `[videos, frames, height, width, c_in]`; `dy`: `[videos, frames - kt + 1, height, width, c_out]`
/// - returned: `[kh, kw, kt, c_in, c_out]` and `[c_out]`
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv_dw(x: &[f32], dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    shape.check();
    assert_eq!(x.len(), shape.pixels() * shape.c_in, "x does not fit {shape:?}");
    assert_eq!(dy.len(), shape.pixels_out() * shape.c_out, "dy does not fit {shape:?}");
    if shape.taps() == 1 {
        return matmul::linear_dw(x, dy, [shape.pixels(), shape.c_in, shape.c_out]);
    }
    conv_dw_on(isa::best(), x, dy, shape)
}

/// How the products of a convolution are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A product for each tap.
    Direct,
    /// See [`winograd`].
    Winograd,
}

impl Method {
    /// The faster one. What Winograd's saves are products; the sums before and after it pay from some channels on, and on
    /// tiles, which multiply eight times as fast as vectors do and add no faster, never (estimated, not measured).
    fn of(isa: Isa, shape: &Shape) -> Self {
        let pays = isa != Isa::Amx && shape.c_in >= 24;
        if pays && shape.kernel[..2] == [3, 3] { Self::Winograd } else { Self::Direct }
    }

    /// Matrices of a packed weight.
    fn taps(self, shape: &Shape) -> usize {
        match self {
            Self::Direct => shape.taps(),
            Self::Winograd => winograd::POINTS * shape.kernel[2],
        }
    }

    /// The matrices, where they are not those of the weight itself; with `turned` those of the gradient to the input, in
    /// reverse order and not transposed.
    fn points<S: Simd>(
        self,
        simd: S,
        weight: &[f32],
        shape: Shape,
        turned: bool,
    ) -> Option<Vec<f32>> {
        (self == Self::Winograd).then(|| winograd::weight_points(simd, weight, shape, turned))
    }

    /// Convolves `x` with a packed weight.
    ///
    /// # Safety
    /// `x` must be readable for the videos, `packed` for the packed weight, `y` writable for the output.
    unsafe fn convolve<S: Simd>(
        self,
        simd: S,
        x: *const f32,
        packed: *const u32,
        bias: Option<&[f32]>,
        padded: Padded,
        y: *mut f32,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::Direct => direct::convolve(simd, x, packed, bias, padded, y),
                Self::Winograd => winograd::convolve(simd, x, packed, bias, padded, y),
            }
        }
    }
}

/// [`conv`] on one instruction set.
///
/// # Safety
/// `y` must be writable for the output; the slices must have their lengths.
unsafe fn conv_into(
    isa: Isa,
    method: Method,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: Shape,
    y: *mut f32,
) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), shape.c_out, "the bias does not fit {shape:?}");
    }
    let sizes = [method.taps(&shape), shape.c_in, shape.c_out];
    matmul::dispatch_product!(isa, simd => with_packed(sizes, |packed| {
        let points = method.points(simd, weight, shape, false);
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            matmul::pack_weight(simd, points.as_deref().unwrap_or(weight), sizes, packed);
            method.convolve(simd, x.as_ptr(), packed, bias, Padded { shape, zero_frames: 0 }, y);
        }
    }));
}

/// [`conv_dx`] on one instruction set: the convolution of `dy` with the weight turned around.
///
/// # Safety
/// `dx` must be writable for the output; the slices must have their lengths.
unsafe fn conv_dx_into(
    isa: Isa,
    method: Method,
    dy: &[f32],
    weight: &[f32],
    shape: Shape,
    dx: *mut f32,
) {
    let zero_frames = shape.kernel[2] - 1;
    let turned = shape.turned();
    let sizes = [method.taps(&turned), turned.c_in, turned.c_out];
    let padded = Padded { shape: turned, zero_frames };
    matmul::dispatch_product!(isa, simd => with_packed(sizes, |packed| {
        let points = method.points(simd, weight, shape, true);
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            let weight = points.as_deref().unwrap_or(weight);
            matmul::pack_weight_transposed(simd, weight, sizes, packed);
            method.convolve(simd, dy.as_ptr(), packed, None, padded, dx);
        }
    }));
}

/// Lends room for a packed weight.
fn with_packed([taps, k, n]: [usize; 3], f: impl FnOnce(*mut u32)) {
    with_scratch(matmul::packed_len(taps, k, n), f);
}

/// [`conv_dw`] on one instruction set: a weight gradient for each frame of the kernel.
fn conv_dw_on(isa: Isa, x: &[f32], dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let [height, width, frames] = shape.kernel;
    let of_frame = |t| matmul::dispatch_product!(isa, simd => backward::weight_gradient(simd, x, dy, shape, t));
    let (first, dbias) = of_frame(0);
    if frames == 1 {
        return (first, dbias);
    }
    let len = shape.c_in * shape.c_out;
    let parts: Vec<Vec<f32>> =
        std::iter::once(first).chain((1..frames).map(|t| of_frame(t).0)).collect();
    let places = (0..height * width).flat_map(|place| parts.iter().map(move |part| (place, part)));
    let dweight = places.flat_map(|(place, part)| &part[place * len..][..len]).copied().collect();
    (dweight, dbias)
}

/// A convolution over videos with frames of zeros before and behind each.
#[derive(Clone, Copy)]
struct Padded {
    shape: Shape,
    zero_frames: usize,
}

impl Padded {
    fn frames_out(&self) -> usize {
        (self.shape.frames + 2 * self.zero_frames + 1).saturating_sub(self.shape.kernel[2])
    }

    /// The frames that the output's `frame` sees and the one before it does not: the slot that each takes among those of the
    /// kernel, and which of the video's it is, if not one of zeros.
    fn new_frames(self, frame: usize) -> impl Iterator<Item = (usize, Option<usize>)> {
        let taps = self.shape.kernel[2];
        let first = if frame == 0 { 0 } else { frame + taps - 1 };
        (first..frame + taps).map(move |seen| {
            let source = seen.checked_sub(self.zero_frames).filter(|i| *i < self.shape.frames);
            (seen % taps, source)
        })
    }

    /// The slots of the frames that the output's `frame` sees, in order.
    fn slots(self, frame: usize) -> impl Iterator<Item = usize> + Clone {
        let taps = self.shape.kernel[2];
        (frame..frame + taps).map(move |seen| seen % taps)
    }
}
