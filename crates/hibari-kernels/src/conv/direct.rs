//! The direct way, with a packed weight.

use rayon::prelude::*;

use super::{Added, Input, Shape};
use crate::epilogue::Epilogue;
use crate::matmul::plane_chunks;
use crate::matmul::tile::{CHUNK, Chunk, Init, MR_MAX, NR, Out, Rows, Simd};
use crate::memory::{Shared, with_scratch};

/// Words of the packed strips of a task: what fits the second-level cache beside a panel.
const STRIP_WORDS: usize = 96 * 1024;
/// Strips of a video to aim for: one task takes all of its frames.
const STRIPS: usize = 8;

/// Convolves `x` with a weight packed by tap.
///
/// On the raster of a strip, the pixel of tap `(u, v)` for the output at raster place `e` is `e + u * pitch + v`.
///
/// # Safety
/// As for [`super::Method::convolve`].
pub(super) unsafe fn convolve<S: Simd>(
    simd: S,
    x: Input<'_>,
    packed: *const u32,
    added: Added<'_>,
    y: *mut f32,
) {
    let Added { isa, bias, shortcut } = added;
    let epilogue = shortcut.map_or(Epilogue::None, Epilogue::Add);
    let Shape { videos, height, width, c_in, c_out, kernel: [kh, kw, kt], .. } = x.shape;
    let (pad_rows, pad_cols) = (kh / 2, kw / 2);
    let pitch = width + pad_cols;
    let pairs = c_in.div_ceil(2);
    let planes = pairs.div_ceil(CHUNK);
    let row_words = kt * planes * CHUNK * pitch;
    let rows_fit = (STRIP_WORDS / row_words).saturating_sub(2 * pad_rows).max(1);
    let rows_fit = if kt > 1 { rows_fit.min(height.div_ceil(STRIPS)) } else { rows_fit };
    let rows_max = height.div_ceil(height.div_ceil(rows_fit.min(height.max(1))).max(1)).max(1);
    let strips = height.div_ceil(rows_max);
    let places = (rows_max * pitch).next_multiple_of(S::MR) + 2 * pad_rows * pitch + 2 * pad_cols;
    let plane = places * CHUNK;
    let slot = planes * plane;
    let (packed, y) = (Shared::new(packed.cast_mut()), Shared::new(y));
    (0..videos * strips).into_par_iter().for_each(|task| {
        let (video, row0) = (task / strips, task % strips * rows_max);
        let rows = (height - row0).min(rows_max);
        with_scratch(S::WIDE * kt * slot, |strips| {
            for frame in 0..x.frames_out() {
                for (to, source) in x.new_frames(frame) {
                    // SAFETY: the scratch has a slot for each frame of the kernel.
                    unsafe {
                        let strip = strips.add(S::WIDE * to * slot);
                        let Some(source) = source else {
                            strip.write_bytes(0, S::WIDE * slot);
                            continue;
                        };
                        let from = x.frame(video, source);
                        pack_strip(simd, from, x.shape, row0..row0 + rows, strip, places);
                    }
                }
                let chunks: Vec<Chunk> = (0..kh * kw)
                    .flat_map(|tap| {
                        let shift = (tap / kw * pitch + tap % kw) * CHUNK;
                        let of_slot = move |idx| plane_chunks(c_in, plane, idx * slot + shift);
                        x.slots(frame).flat_map(of_slot)
                    })
                    .collect();
                // SAFETY: reads stay on the raster, since `places` counts a full last block and its taps; each task writes
                // its own rows of the output.
                unsafe {
                    let first = (video * x.frames_out() + frame) * height + row0;
                    let out = y.get().add(first * width * c_out);
                    for panel in 0..c_out.div_ceil(NR) {
                        let col = panel * NR;
                        let cols = col..(col + NR).min(c_out);
                        let pixels = first * width..(first + rows) * width;
                        epilogue.prefetch(c_out, pixels.clone(), cols.clone());
                        let b = packed.get().add(panel * kh * kw * kt * pairs * NR);
                        let init =
                            bias.map_or(Init::Zero, |bias| Init::Bias(bias.as_ptr().add(col)));
                        let (mut row, mut column) = (0, 0);
                        let mut to: Out = [std::ptr::null_mut(); MR_MAX];
                        for e in (0..rows * pitch).step_by(S::MR) {
                            for to in to.iter_mut().take(S::MR) {
                                *to = if row < rows && column < width {
                                    out.add((row * width + column) * c_out + col)
                                } else {
                                    std::ptr::null_mut()
                                };
                                column += 1;
                                if column == pitch {
                                    (row, column) = (row + 1, 0);
                                }
                            }
                            let a = strips.add(S::WIDE * e * CHUNK);
                            simd.block::<Rows>(a, &chunks, b, &to, cols.len(), init);
                        }
                        epilogue.apply(isa, y.get(), c_out, pixels, cols);
                    }
                }
            }
        });
    });
}

/// Packs some rows of a frame, and those around them that the kernel sees, to planes of `places` places.
///
/// # Safety
/// `strip` must be writable for the planes.
unsafe fn pack_strip<S: Simd>(
    simd: S,
    frame: &[f32],
    shape: Shape,
    rows: std::ops::Range<usize>,
    strip: *mut u32,
    places: usize,
) {
    let Shape { height, width, c_in, kernel: [kh, kw, _], .. } = shape;
    let (pad_rows, pad_cols) = (kh / 2, kw / 2);
    let pitch = width + pad_cols;
    let planes = c_in.div_ceil(2).div_ceil(CHUNK);
    let plane = places * CHUNK;
    let clear = |from: usize, to: usize| {
        for idx in 0..planes {
            // SAFETY: both places are on the raster of the strip.
            unsafe {
                let start = strip.add(S::WIDE * (idx * plane + from * CHUNK));
                start.write_bytes(0, S::WIDE * (to - from) * CHUNK);
            }
        }
    };
    clear(0, pad_cols);
    for r in 0..rows.len() + 2 * pad_rows {
        let place = pad_cols + r * pitch;
        let from = (rows.start + r).wrapping_sub(pad_rows);
        if from >= height {
            clear(place, place + pitch);
            continue;
        }
        for col in 0..width {
            // SAFETY: the pixel is inside the frame, its place inside the strip.
            unsafe {
                let pixel = frame.as_ptr().add((from * width + col) * c_in);
                let to = strip.add(S::WIDE * (place + col) * CHUNK);
                simd.pack_row(pixel, c_in, to, plane);
            }
        }
        clear(place + width, place + pitch);
    }
    clear(pad_cols + (rows.len() + 2 * pad_rows) * pitch, places);
}
