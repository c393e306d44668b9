//! The weight gradient of a convolution: for each tap, a product over all pixels of the shifted input and `dy`.
//!
//! Pixels are contracted in pairs of raster neighbours. A tap at an even distance reads the input packed as pairs
//! `(0,1) (2,3) ..`, one at an odd distance as `(1,2) (3,4) ..`; both packings are made once and shared by all taps.

use rayon::prelude::*;

use super::Shape;
use crate::matmul::tile::{Chunk, Columns, Init, MR_MAX, NR, Out, Simd};
use crate::matmul::{panel_stride, set_rows};
use crate::memory::{Shared, with_scratch};

/// Raster places contracted at once.
const DEPTH: usize = 2400;
/// Parts whose sums are kept apart and added in order at the end, whatever the thread count.
const PARTS: usize = 8;

/// The raster of a segment: rows of one frame, with zero columns between them and zero rows around the frame.
struct Raster {
    pitch: usize,
    pad: [usize; 2],
    /// Rows of a full segment.
    rows: usize,
}

/// Some rows of a frame.
#[derive(Clone, Copy)]
struct Segment {
    /// The frame of `dy`, and that of the input that the kernel's frame sees there, among all videos.
    frames: [usize; 2],
    row0: usize,
    rows: usize,
}

impl Raster {
    fn new(shape: &Shape) -> Self {
        let [kh, kw, _] = shape.kernel;
        let pad = [kh / 2, kw / 2];
        let pitch = shape.width + pad[1];
        let pieces = (shape.height * pitch).div_ceil(DEPTH).max(1);
        Self { pitch, pad, rows: shape.height.div_ceil(pieces).max(1) }
    }

    /// Pairs of `dy` of a segment.
    fn pairs(&self, segment: Segment) -> usize {
        (segment.rows * self.pitch).div_ceil(2)
    }

    /// Pairs of the input of a full segment, in one packing.
    fn input_pairs(&self) -> usize {
        let taps = 2 * self.pad[0] * self.pitch + 2 * self.pad[1];
        (self.rows * self.pitch + taps).div_ceil(2) + 2
    }
}

/// Sums over all pixels, for one frame of the kernel: returns `[kh, kw, c_in, c_out]` and the bias gradient `[c_out]`.
pub(super) fn weight_gradient<S: Simd>(
    simd: S,
    x: &[f32],
    dy: &[f32],
    shape: Shape,
    kernel_frame: usize,
) -> (Vec<f32>, Vec<f32>) {
    let raster = Raster::new(&shape);
    let frames = (0..shape.videos).flat_map(|video| {
        let (seen, made) = (video * shape.frames + kernel_frame, video * shape.frames_out());
        (0..shape.frames_out()).map(move |i| [made + i, seen + i])
    });
    let segments: Vec<Segment> = frames
        .flat_map(|frames| (0..shape.height).step_by(raster.rows).map(move |row0| (frames, row0)))
        .map(|(frames, row0)| Segment {
            frames,
            row0,
            rows: (shape.height - row0).min(raster.rows),
        })
        .collect();
    let [kh, kw, _] = shape.kernel;
    let weights = kh * kw * shape.c_in * shape.c_out;
    if segments.is_empty() {
        return (vec![0.0; weights], vec![0.0; shape.c_out]);
    }
    let per_part = segments.len().div_ceil(PARTS);
    let per_pass = (DEPTH / 2 / (raster.rows * raster.pitch)).clamp(1, per_part);
    let mut parts: Vec<(Vec<f32>, Vec<f32>)> = segments
        .par_chunks(per_part)
        .map(|part| {
            let mut dweight = Vec::with_capacity(weights);
            let mut dbias = vec![0.0; shape.c_out];
            for (idx, pass) in part.chunks(per_pass).enumerate() {
                let init = if idx == 0 { Init::Zero } else { Init::Output };
                let to = dweight.as_mut_ptr();
                // SAFETY: the capacity is that of the gradient, and the first pass writes all of it.
                unsafe { add_pass(simd, x, dy, &shape, &raster, pass, init, to, &mut dbias) };
            }
            // SAFETY: a part has at least one pass, which has written every value.
            unsafe { dweight.set_len(weights) };
            (dweight, dbias)
        })
        .collect();
    let rest = parts.split_off(1);
    let (mut dweight, mut dbias) = parts.pop().expect("there is at least one segment");
    let run = 4096;
    dweight.par_chunks_mut(run).enumerate().for_each(|(idx, total)| {
        for (part, _) in &rest {
            for (total, value) in total.iter_mut().zip(&part[idx * run..]) {
                *total += value;
            }
        }
    });
    for (_, part) in &rest {
        for (total, value) in dbias.iter_mut().zip(part) {
            *total += value;
        }
    }
    (dweight, dbias)
}

/// Adds (or, for [`Init::Zero`], writes) the sums over some segments.
///
/// # Safety
/// `dweight` must be writable for the gradient, and readable for [`Init::Output`].
unsafe fn add_pass<S: Simd>(
    simd: S,
    x: &[f32],
    dy: &[f32],
    shape: &Shape,
    raster: &Raster,
    pass: &[Segment],
    init: Init,
    dweight: *mut f32,
    dbias: &mut [f32],
) {
    let &Shape { height, width, c_in, c_out, kernel: [kh, kw, _], .. } = shape;
    let [pad_rows, pad_cols] = raster.pad;
    let zeros = vec![0.0_f32; c_in.max(c_out)];
    let x_pairs = raster.input_pairs();
    let x_panel = panel_stride(S::MR, pass.len() * x_pairs);
    let x_packing = c_in.div_ceil(S::MR) * x_panel;
    let dy_pairs: usize = pass.iter().map(|&segment| raster.pairs(segment)).sum();
    let dy_panel = panel_stride(NR, dy_pairs);
    let dweight = Shared::new(dweight);
    with_scratch(S::WIDE * 2 * x_packing, |left| {
        with_scratch(c_out.div_ceil(NR) * dy_panel, |right| {
            let mut p = 0;
            for (idx, &segment) in pass.iter().enumerate() {
                let [made, seen] = segment.frames;
                let pixel = |place: usize,
                             from: &[f32],
                             frame: usize,
                             channels: usize,
                             halo: [usize; 2]| {
                    let Some(place) = place.checked_sub(halo[1]) else { return zeros.as_ptr() };
                    let row = (segment.row0 + place / raster.pitch).wrapping_sub(halo[0]);
                    let col = place % raster.pitch;
                    let inside = place / raster.pitch < segment.rows + 2 * halo[0];
                    if row >= height || col >= width || !inside {
                        return zeros.as_ptr();
                    }
                    from[((frame * height + row) * width + col) * channels..].as_ptr()
                };
                // SAFETY: the scratch holds every pair of the pass; pixels are within their images or zeros.
                unsafe {
                    for pair in 0..x_pairs {
                        let at = |place| pixel(place, x, seen, c_in, [pad_rows, pad_cols]);
                        let places = [at(2 * pair), at(2 * pair + 1), at(2 * pair + 2)];
                        let to = left.add(S::WIDE * (idx * x_pairs + pair) * S::MR);
                        simd.pack_left_pair(places[0], places[1], c_in, to, x_panel);
                        let to = to.add(S::WIDE * x_packing);
                        simd.pack_left_pair(places[1], places[2], c_in, to, x_panel);
                    }
                    for pair in 0..raster.pairs(segment) {
                        let at = |place| pixel(place, dy, made, c_out, [0, 0]);
                        let (lo, hi) = (at(2 * pair), at(2 * pair + 1));
                        simd.pack_pair(lo, hi, c_out, right.add(p * NR), dy_panel);
                        p += 1;
                    }
                    let pixels = segment.rows * width;
                    let first = (made * height + segment.row0) * width * c_out;
                    for (panel, dbias) in dbias.chunks_mut(NR).enumerate() {
                        let mut sums = [0.0; NR];
                        let from = dy.as_ptr().add(first + panel * NR);
                        simd.add_rows(from, c_out, pixels, dbias.len(), &mut sums);
                        for (total, sum) in dbias.iter_mut().zip(sums) {
                            *total += sum;
                        }
                    }
                }
            }
            let chunks: Vec<Vec<Chunk>> = (0..kh * kw)
                .map(|tap| {
                    let shift = tap / kw * raster.pitch + tap % kw;
                    let packing = shift % 2 * x_packing;
                    let chunk = |(idx, &segment): (usize, &Segment)| Chunk {
                        offset: packing + (idx * x_pairs + shift / 2) * S::MR,
                        pairs: raster.pairs(segment),
                    };
                    pass.iter().enumerate().map(chunk).collect()
                })
                .collect();
            let mut rows: Out = [std::ptr::null_mut(); MR_MAX];
            for panel in 0..c_out.div_ceil(NR) {
                let col = panel * NR;
                for r0 in (0..c_in).step_by(S::MR) {
                    for (tap, chunks) in chunks.iter().enumerate() {
                        // SAFETY: shifted reads stay in the segment's pairs, which count the taps; the output is
                        // the caller's promise.
                        unsafe {
                            let out = dweight.get().add((tap * c_in + r0) * c_out + col);
                            set_rows::<S>(&mut rows, out, c_out, c_in - r0);
                            let a = left.add(S::WIDE * (r0 / S::MR) * x_panel);
                            let b = right.add(panel * dy_panel);
                            simd.block::<Columns>(a, chunks, b, &rows, (c_out - col).min(NR), init);
                        }
                    }
                }
            }
        });
    });
}
