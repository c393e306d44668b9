//! The convolution itself, with a packed weight.

use rayon::prelude::*;

use super::Shape;
use crate::matmul::plane_chunks;
use crate::matmul::tile::{CHUNK, Chunk, Init, MR_MAX, NR, Out, Rows, Simd};
use crate::memory::{Shared, with_scratch};

/// Words of a packed strip: what fits the second-level cache beside a panel.
const STRIP_WORDS: usize = 96 * 1024;

/// Convolves `x` with a weight packed by tap.
///
/// On the raster of a strip, the pixel of tap `(u, v)` for the output at raster place `e` is `e + u * pitch + v`.
///
/// # Safety
/// `x` must be readable for the images, `packed` for the packed weight, `y` writable for the output.
pub(super) unsafe fn convolve<S: Simd>(
    simd: S,
    x: *const f32,
    packed: *const u32,
    bias: Option<&[f32]>,
    shape: Shape,
    y: *mut f32,
) {
    let Shape { images, height, width, c_in, c_out, kernel: [kh, kw] } = shape;
    let (pad_rows, pad_cols) = (kh / 2, kw / 2);
    let pitch = width + pad_cols;
    let pairs = c_in.div_ceil(2);
    let planes = pairs.div_ceil(CHUNK);
    let rows_fit = (STRIP_WORDS / (planes * CHUNK * pitch)).saturating_sub(2 * pad_rows).max(1);
    let rows_max = height.div_ceil(height.div_ceil(rows_fit.min(height.max(1))).max(1)).max(1);
    let strips = height.div_ceil(rows_max);
    let places = (rows_max * pitch).next_multiple_of(S::MR) + 2 * pad_rows * pitch + 2 * pad_cols;
    let plane = places * CHUNK;
    let chunks: Vec<Chunk> = (0..kh * kw)
        .flat_map(|tap| plane_chunks(c_in, plane, (tap / kw * pitch + tap % kw) * CHUNK))
        .collect();
    let (x, packed, y) =
        (Shared::new(x.cast_mut()), Shared::new(packed.cast_mut()), Shared::new(y));
    (0..images * strips).into_par_iter().for_each(|task| {
        let (image, row0) = (task / strips, task % strips * rows_max);
        let rows = (height - row0).min(rows_max);
        with_scratch(S::WIDE * planes * plane, |strip| {
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
            for r in 0..rows + 2 * pad_rows {
                let place = pad_cols + r * pitch;
                let from = (row0 + r).wrapping_sub(pad_rows);
                if from >= height {
                    clear(place, place + pitch);
                    continue;
                }
                for col in 0..width {
                    // SAFETY: the pixel is inside the image, its place inside the strip.
                    unsafe {
                        let pixel = x.get().add(((image * height + from) * width + col) * c_in);
                        let to = strip.add(S::WIDE * (place + col) * CHUNK);
                        simd.pack_row(pixel, c_in, to, plane);
                    }
                }
                clear(place + width, place + pitch);
            }
            clear(pad_cols + (rows + 2 * pad_rows) * pitch, places);
            // SAFETY: reads stay on the raster, since `places` counts a full last block and its taps; each task writes
            // its own rows of the output.
            unsafe {
                let out = y.get().add((image * height + row0) * width * c_out);
                for panel in 0..c_out.div_ceil(NR) {
                    let col = panel * NR;
                    let b = packed.get().add(panel * kh * kw * pairs * NR);
                    let init = bias.map_or(Init::Zero, |bias| Init::Bias(bias.as_ptr().add(col)));
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
                        let a = strip.add(S::WIDE * e * CHUNK);
                        simd.block::<Rows>(a, &chunks, b, &to, (c_out - col).min(NR), init);
                    }
                }
            }
        });
    });
}
