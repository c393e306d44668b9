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

    /// Values of a frame of the input.
    fn frame(&self) -> usize {
        self.height * self.width * self.c_in
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
    conv_after([&[], x], weight, bias, None, shape)
}

/// [`conv`] of videos whose first frames lie elsewhere, those that a chunk of a video follows, added to a shortcut.
///
/// # Shapes
/// - `before`: `[videos, any, height, width, c_in]`; `x`: the rest of the frames; `shortcut`: as returned; the others as for
///   [`conv`]
/// # Panics
/// if a length does not fit or the kernel is even
#[must_use]
pub fn conv_after(
    [before, x]: [&[f32]; 2],
    weight: &[f32],
    bias: Option<&[f32]>,
    shortcut: Option<&[f32]>,
    shape: Shape,
) -> Vec<f32> {
    shape.check();
    assert_eq!(weight.len(), shape.weights(), "the weight does not fit {shape:?}");
    let input = Input::new([before, x], &shape);
    let (isa, added) = (isa::best(), [bias, shortcut]);
    // SAFETY: the lengths are checked, and both write the whole output.
    unsafe {
        filled(shape.pixels_out() * shape.c_out, |y| {
            if shape.taps() == 1 && before.is_empty() {
                let sizes = [shape.pixels(), shape.c_in, shape.c_out];
                matmul::linear_into(isa, x, weight, added, sizes, y);
            } else {
                conv_into(isa, Method::of(isa, &shape), input, weight, added, y);
            }
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

    /// Packs a weight; with `turned`, that of the gradient to the input.
    ///
    /// # Safety
    /// `packed` must be writable for as many matrices as [`Self::taps`]; `weight` must have its length.
    unsafe fn pack<S: Simd>(
        self,
        simd: S,
        weight: &[f32],
        shape: Shape,
        turned: bool,
        packed: *mut u32,
    ) {
        let Shape { c_in, c_out, .. } = shape;
        // SAFETY: as the caller promises.
        unsafe {
            match (self, turned) {
                (Self::Winograd, _) => winograd::pack_weight(simd, weight, shape, turned, packed),
                (Self::Direct, false) => {
                    matmul::pack_weight(simd, weight, [shape.taps(), c_in, c_out], packed);
                }
                (Self::Direct, true) => {
                    let sizes = [shape.taps(), c_out, c_in];
                    matmul::pack_weight_transposed(simd, weight, sizes, packed);
                }
            }
        }
    }

    /// Convolves `x` with a packed weight.
    ///
    /// # Safety
    /// `packed` must be readable for the packed weight, `y` writable for the output.
    unsafe fn convolve<S: Simd>(
        self,
        simd: S,
        x: Input<'_>,
        packed: *const u32,
        added: Added<'_>,
        y: *mut f32,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::Direct => direct::convolve(simd, x, packed, added, y),
                Self::Winograd => winograd::convolve(simd, x, packed, added, y),
            }
        }
    }
}

/// [`conv_after`] on one instruction set; bias and shortcut are added.
///
/// # Safety
/// `y` must be writable for the output; the slices must have their lengths.
unsafe fn conv_into(
    isa: Isa,
    method: Method,
    x: Input<'_>,
    weight: &[f32],
    [bias, shortcut]: [Option<&[f32]>; 2],
    y: *mut f32,
) {
    let shape = x.shape;
    if let Some(bias) = bias {
        assert_eq!(bias.len(), shape.c_out, "the bias does not fit {shape:?}");
    }
    if let Some(shortcut) = shortcut {
        let len = shape.pixels_out() * shape.c_out;
        assert_eq!(shortcut.len(), len, "the shortcut does not fit {shape:?}");
    }
    let added = Added { isa, bias, shortcut };
    let len = matmul::packed_len(method.taps(&shape), shape.c_in, shape.c_out);
    matmul::dispatch_product!(isa, simd => with_scratch(len, |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            method.pack(simd, weight, shape, false, packed);
            method.convolve(simd, x, packed, added, y);
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
    let x = Input { zero_frames, ..Input::new([&[], dy], &shape.turned()) };
    let len = matmul::packed_len(method.taps(&shape), shape.c_out, shape.c_in);
    matmul::dispatch_product!(isa, simd => with_scratch(len, |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            method.pack(simd, weight, shape, true, packed);
            let added = Added { isa, bias: None, shortcut: None };
            method.convolve(simd, x, packed, added, dx);
        }
    }));
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

/// What is added to a convolution: a bias `[c_out]` and a shortcut of the shape of the output.
#[derive(Clone, Copy)]
struct Added<'a> {
    /// With which instructions, where it is a step of its own.
    isa: Isa,
    bias: Option<&'a [f32]>,
    shortcut: Option<&'a [f32]>,
}

/// What is convolved: videos with frames of zeros before and behind each.
#[derive(Clone, Copy)]
struct Input<'a> {
    shape: Shape,
    /// The first frames of all videos and the rest, `[videos, .., height, width, c_in]`.
    parts: [&'a [f32]; 2],
    zero_frames: usize,
}

impl<'a> Input<'a> {
    #[track_caller]
    fn new(parts: [&'a [f32]; 2], shape: &Shape) -> Self {
        let len = parts[0].len() + parts[1].len();
        let is_whole = parts[0].len().is_multiple_of((shape.videos * shape.frame()).max(1));
        assert!(is_whole && len == shape.pixels() * shape.c_in, "x does not fit {shape:?}");
        Self { shape: *shape, parts, zero_frames: 0 }
    }

    fn frames_out(&self) -> usize {
        (self.shape.frames + 2 * self.zero_frames + 1).saturating_sub(self.shape.kernel[2])
    }

    /// The frames that the output's `frame` sees and the one before it does not: the slot that each takes among those of the
    /// kernel, and which of the video's it is, if not one of zeros.
    fn new_frames(&self, frame: usize) -> impl Iterator<Item = (usize, Option<usize>)> + use<> {
        let (taps, frames, zeros) = (self.shape.kernel[2], self.shape.frames, self.zero_frames);
        let first = if frame == 0 { 0 } else { frame + taps - 1 };
        (first..frame + taps).map(move |seen| {
            (seen % taps, seen.checked_sub(zeros).filter(|source| *source < frames))
        })
    }

    /// The slots of the frames that the output's `frame` sees, in order.
    fn slots(&self, frame: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let taps = self.shape.kernel[2];
        (frame..frame + taps).map(move |seen| seen % taps)
    }

    /// A frame of a video.
    fn frame(&self, video: usize, frame: usize) -> &'a [f32] {
        let len = self.shape.frame();
        let before = self.parts[0].len() / (self.shape.videos * len).max(1);
        let (part, frames, idx) = match frame.checked_sub(before) {
            None => (self.parts[0], before, frame),
            Some(idx) => (self.parts[1], self.shape.frames - before, idx),
        };
        &part[(video * frames + idx) * len..][..len]
    }
}
