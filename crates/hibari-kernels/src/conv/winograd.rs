//! Winograd's way for kernels of 3 x 3: four neighbouring pixels of the output take 16 products for each pair of channels
//! where the direct way takes 36.
//!
//! A tile is 2 x 2 pixels of the output and the 4 x 4 of the input that they depend on. Pixels of the input, and the kernel,
//! become 16 points by sums and differences; the points are multiplied one by one, which for all tiles and channels is 16
//! matrix products, and sums of the products are the output. The frames of a kernel are added before the last step, as more
//! channels would be. What is rounded to bf16 are the points; the error is about 1.6 times that of the direct way.
//!
//! # Source
//! F(2x2, 3x3) of Lavin and Gray, arXiv:1509.09308

use std::ops::Range;

use rayon::prelude::*;

use super::{Added, Input, Shape};
use crate::lanes::{Lanes, Task};
use crate::matmul::plane_chunks;
use crate::matmul::tile::{CHUNK, Chunk, Init, MR_MAX, NR, Out, Rows, Simd};
use crate::matmul::{packed_len, set_rows};
use crate::memory::{Shared, prefetch, with_scratch};

/// Points of a tile.
pub(super) const POINTS: usize = SIDE * SIDE;
const SIDE: usize = 4;
/// Taps of a kernel.
const TAPS: usize = 9;
/// Pixels along a side of a tile of the output.
const STEP: usize = 2;
/// Channels whose points are made at once: a chunk of pairs.
const CHANNELS: usize = 2 * CHUNK;
/// Words of the points of a task, before and after the products: what fits the second-level cache.
const TASK_WORDS: usize = 128 * 1024;
/// Tasks of a call to aim for.
const TASKS: usize = 16;

/// Packs the points of a weight: for each of them and each frame of the kernel a matrix `[c_in, c_out]`. With `turned`, those of
/// the kernel turned around in space and time, `[c_out, c_in]`.
///
/// # Safety
/// `packed` must be writable for [`packed_len`] of as many matrices; `weight` must have its length.
pub(super) unsafe fn pack_weight<S: Simd>(
    simd: S,
    weight: &[f32],
    shape: Shape,
    turned: bool,
    packed: *mut u32,
) {
    let Shape { c_in, c_out, kernel: [.., kt], .. } = shape;
    let [k, n] = if turned { [c_out, c_in] } else { [c_in, c_out] };
    let pairs = k.div_ceil(2);
    let packed = Shared::new(packed);
    (0..n.div_ceil(NR) * kt).into_par_iter().for_each(|task| {
        let (panel, frame) = (task / kt, task % kt);
        let cols = (n - panel * NR).min(NR);
        // The points of `len` output channels from `first` on, for an input channel.
        let points = |channel: usize, first: usize, len: usize, to: [*mut f32; POINTS]| {
            let mut taps = [std::ptr::null(); TAPS];
            for (tap, from) in taps.iter_mut().enumerate() {
                let at = if turned { [TAPS - 1 - tap, kt - 1 - frame] } else { [tap, frame] };
                let row = (at[0] * kt + at[1]) * c_in + channel;
                *from = weight[row * c_out + first..][..len].as_ptr();
            }
            // SAFETY: each tap has `len` values, and so has each point, as the callers below see to.
            unsafe { simd.vectors().run(PointsOfTaps { taps, len, to }) }
        };
        let to = |point: usize, pair: usize| {
            let matrix = (panel * POINTS + point) * kt + frame;
            packed.get().wrapping_add((matrix * pairs + pair) * NR)
        };
        let rows = |base: *mut f32, stride: usize| {
            let mut rows = [std::ptr::null_mut(); POINTS];
            for (point, row) in rows.iter_mut().enumerate() {
                *row = base.wrapping_add(point * stride);
            }
            rows
        };
        let len = if turned { POINTS * NR * CHANNELS } else { 2 * POINTS * NR };
        // SAFETY: the scratch has room for the rows, which are written before they are read; each task writes its own
        // matrices of the packed weight.
        with_scratch(len, |scratch| unsafe {
            let low = scratch.cast::<f32>();
            if turned {
                for first in (0..k).step_by(CHANNELS) {
                    let len = (k - first).min(CHANNELS);
                    for c in 0..cols {
                        let to = rows(low.add(c * CHANNELS), NR * CHANNELS);
                        points(panel * NR + c, first, len, to);
                    }
                    for point in 0..POINTS {
                        let from = low.add(point * NR * CHANNELS);
                        simd.pack_transposed(from, CHANNELS, len, cols, to(point, first / 2));
                    }
                }
                return;
            }
            let high = low.add(POINTS * NR);
            for pair in 0..pairs {
                points(2 * pair, panel * NR, cols, rows(low, NR));
                if 2 * pair + 1 < k {
                    points(2 * pair + 1, panel * NR, cols, rows(high, NR));
                } else {
                    high.write_bytes(0, POINTS * NR);
                }
                for point in 0..POINTS {
                    let [low, high] = [low, high].map(|rows| rows.add(point * NR));
                    simd.pack_pair(low, high, cols, to(point, pair), NR);
                }
            }
        });
    });
}

/// The points of kernels for a row of output channels.
struct PointsOfTaps {
    /// Readable for `len`.
    taps: [*const f32; TAPS],
    len: usize,
    /// Writable for `len`.
    to: [*mut f32; POINTS],
}

impl Task for PointsOfTaps {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let Self { mut taps, len, to } = self;
        let whole = len / L::N * L::N;
        // SAFETY: as the fields say; the last channels go through copies that have room for a vector.
        unsafe {
            for c in (0..whole).step_by(L::N) {
                let mut here = to;
                for to in &mut here {
                    *to = to.add(c);
                }
                write_kernel_points(lanes, &taps, c, &here);
            }
            if whole == len {
                return;
            }
            let mut copies = [[0.0_f32; 16]; TAPS];
            for (copy, tap) in copies.iter_mut().zip(&mut taps) {
                copy.as_mut_ptr().copy_from_nonoverlapping(tap.add(whole), len - whole);
                *tap = copy.as_ptr();
            }
            let mut points = [[0.0_f32; 16]; POINTS];
            let mut room = to;
            for (room, points) in room.iter_mut().zip(&mut points) {
                *room = points.as_mut_ptr();
            }
            write_kernel_points(lanes, &taps, 0, &room);
            for (points, to) in points.iter().zip(to) {
                to.add(whole).copy_from_nonoverlapping(points.as_ptr(), len - whole);
            }
        }
    }
}

/// # Safety
/// `taps` must be readable for a vector from `c` on, `to` writable for one.
#[inline(always)]
unsafe fn write_kernel_points<L: Lanes>(
    lanes: L,
    taps: &[*const f32; TAPS],
    c: usize,
    to: &[*mut f32; POINTS],
) {
    let mut down = [[lanes.splat(0.0); 3]; SIDE];
    for col in 0..3 {
        let mut column = [lanes.splat(0.0); 3];
        for (row, value) in column.iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            *value = unsafe { lanes.load(taps[row * 3 + col].add(c)) };
        }
        let column = kernel_points(lanes, column);
        for (down, value) in down.iter_mut().zip(column) {
            down[col] = value;
        }
    }
    for (row, down) in down.into_iter().enumerate() {
        for (col, value) in kernel_points(lanes, down).into_iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { lanes.store(to[row * SIDE + col], value) };
        }
    }
}

/// Points of three taps in a row.
#[inline(always)]
fn kernel_points<L: Lanes>(lanes: L, [a, b, c]: [L::V; 3]) -> [L::V; SIDE] {
    let (half, outer) = (lanes.splat(0.5), lanes.add(a, c));
    [a, lanes.mul(half, lanes.add(outer, b)), lanes.mul(half, lanes.sub(outer, b)), c]
}

/// Where the points of a task are.
struct Layout {
    /// Rows of a matrix of points: tiles of a full task, completed to whole blocks.
    rows: usize,
    /// Words from one plane of channels to the next, from one point to the next, and from one frame to the next.
    plane: usize,
    point: usize,
    slot: usize,
}

/// Convolves `x` with packed points of a weight.
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
    let Shape { videos, height, width, c_in, c_out, kernel: [.., kt], .. } = x.shape;
    let planes = c_in.div_ceil(CHANNELS);
    let tile_words = POINTS * (S::WIDE * kt * planes * CHUNK + NR);
    // Those of one frame of each video; a task takes some of them through all frames.
    let tiles = videos * height.div_ceil(STEP) * width.div_ceil(STEP);
    let fit = (TASK_WORDS / tile_words).min(tiles.div_ceil(TASKS)).max(S::MR);
    let rows = tiles.div_ceil(tiles.div_ceil(fit).max(1)).next_multiple_of(S::MR);
    let plane = rows * CHUNK;
    let layout = Layout { rows, plane, point: planes * plane, slot: POINTS * planes * plane };
    let (packed, y) = (Shared::new(packed.cast_mut()), Shared::new(y));
    (0..tiles.div_ceil(rows)).into_par_iter().for_each(|task| {
        let run = task * rows..((task + 1) * rows).min(tiles);
        with_scratch(S::WIDE * kt * layout.slot, |points| {
            with_scratch(POINTS * rows * NR, |products| {
                for frame in 0..x.frames_out() {
                    // SAFETY: the frames are those of input and output; the scratch has a slot for each frame of the
                    // kernel; each task writes its own pixels.
                    unsafe {
                        for (slot, source) in x.new_frames(frame) {
                            let to = points.add(S::WIDE * slot * layout.slot);
                            match source {
                                Some(source) => {
                                    pack_points(simd, x, source, run.clone(), &layout, to);
                                }
                                None => to.write_bytes(0, S::WIDE * layout.slot),
                            }
                        }
                        let chunks: Vec<Chunk> = x
                            .slots(frame)
                            .flat_map(|slot| plane_chunks(c_in, plane, slot * layout.slot))
                            .collect();
                        for panel in 0..c_out.div_ceil(NR) {
                            let b = packed.get().add(panel * packed_len(POINTS * kt, c_in, NR));
                            let sums = Sums { rows, input: x, frame, run: run.clone(), panel };
                            sums.prefetch(added.shortcut);
                            multiply(simd, points, &chunks, b, run.len(), &layout, products.cast());
                            sums.write(simd, products.cast_const().cast(), added, y.get());
                        }
                    }
                }
            });
        });
    });
}

/// A tile among those of one frame of each video.
struct Tile {
    video: usize,
    /// The first row and column of it in the output.
    top: usize,
    left: usize,
}

impl Tile {
    fn new(idx: usize, shape: &Shape) -> Self {
        let (down, across) = (shape.height.div_ceil(STEP), shape.width.div_ceil(STEP));
        Self {
            video: idx / (down * across),
            top: idx / across % down * STEP,
            left: idx % across * STEP,
        }
    }
}

/// Makes the points of a run of tiles, in one frame of each video.
///
/// # Safety
/// `to` must be writable for a slot.
unsafe fn pack_points<S: Simd>(
    simd: S,
    x: Input<'_>,
    frame: usize,
    run: Range<usize>,
    layout: &Layout,
    to: *mut u32,
) {
    let Shape { height, width, c_in, .. } = x.shape;
    let zeros = [0.0; CHANNELS];
    let mut points = [0.0; POINTS * CHANNELS];
    for (row_of_tile, tile) in run.enumerate() {
        let Tile { video, top, left } = Tile::new(tile, &x.shape);
        let frame = x.frame(video, frame);
        let mut pixels = [None; POINTS];
        for (place, pixel) in pixels.iter_mut().enumerate() {
            // One row and column ahead of the tile of the output.
            let row = (top + place / SIDE).wrapping_sub(1);
            let col = (left + place % SIDE).wrapping_sub(1);
            *pixel = (row < height && col < width).then_some((row * width + col) * c_in);
        }
        for (chunk, first) in (0..c_in).step_by(CHANNELS).enumerate() {
            let mut from = [zeros.as_ptr(); POINTS];
            for (from, pixel) in from.iter_mut().zip(pixels) {
                if let Some(pixel) = pixel {
                    // SAFETY: the pixel is inside its frame.
                    *from = unsafe { frame.as_ptr().add(pixel + first) };
                }
            }
            let len = (c_in - first).min(CHANNELS);
            // SAFETY: each pixel is readable for `len`; the slot has a plane for the chunk and a row for the tile.
            unsafe {
                simd.vectors().run(PointsOfPixels { from, len, to: points.as_mut_ptr() });
                let to = to.add(S::WIDE * (chunk * layout.plane + row_of_tile * CHUNK));
                simd.pack_row(points.as_ptr(), POINTS * CHANNELS, to, layout.point);
            }
        }
    }
}

/// The points of a tile for up to [`CHANNELS`] channels.
struct PointsOfPixels {
    /// Its pixels, readable for `len`.
    from: [*const f32; POINTS],
    len: usize,
    /// Writable for [`CHANNELS`] of each point.
    to: *mut f32,
}

impl Task for PointsOfPixels {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let mut c = 0;
        // SAFETY: as the fields say; the last channels are read from a copy that has room for a vector.
        unsafe {
            while c + L::N <= self.len {
                write_points(lanes, &self.from, c, self.to.add(c));
                c += L::N;
            }
            if c < self.len {
                let mut copy = [[0.0_f32; 16]; POINTS];
                let mut from = self.from;
                for (copy, from) in copy.iter_mut().zip(&mut from) {
                    copy.as_mut_ptr().copy_from_nonoverlapping(from.add(c), self.len - c);
                    *from = copy.as_ptr();
                }
                write_points(lanes, &from, 0, self.to.add(c));
            }
        }
    }
}

/// # Safety
/// `from` must be readable for a vector from `c` on, `to` writable for one of each point.
#[inline(always)]
unsafe fn write_points<L: Lanes>(lanes: L, from: &[*const f32; POINTS], c: usize, to: *mut f32) {
    let mut down = [[lanes.splat(0.0); SIDE]; SIDE];
    for col in 0..SIDE {
        let mut column = [lanes.splat(0.0); SIDE];
        for (row, value) in column.iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            *value = unsafe { lanes.load(from[row * SIDE + col].add(c)) };
        }
        let column = differences(lanes, column);
        for (down, value) in down.iter_mut().zip(column) {
            down[col] = value;
        }
    }
    for (row, down) in down.into_iter().enumerate() {
        for (col, value) in differences(lanes, down).into_iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { lanes.store(to.add((row * SIDE + col) * CHANNELS), value) };
        }
    }
}

/// Points of four pixels in a row.
#[inline(always)]
fn differences<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; SIDE]) -> [L::V; SIDE] {
    [lanes.sub(a, c), lanes.add(b, c), lanes.sub(c, b), lanes.sub(b, d)]
}

/// The products of `tiles` tiles with a panel of the weight.
///
/// # Safety
/// `points` must be readable for the slots of `chunks`, `b` for the panel, `products` writable for a panel of each point.
unsafe fn multiply<S: Simd>(
    simd: S,
    points: *const u32,
    chunks: &[Chunk],
    b: *const u32,
    tiles: usize,
    layout: &Layout,
    products: *mut f32,
) {
    let pairs: usize = chunks.iter().map(|chunk| chunk.pairs).sum();
    let mut out: Out = [std::ptr::null_mut(); MR_MAX];
    for point in 0..POINTS {
        for r0 in (0..tiles).step_by(S::MR) {
            // SAFETY: as the caller promises.
            unsafe {
                let to = products.add((point * layout.rows + r0) * NR);
                set_rows::<S>(&mut out, to, NR, tiles - r0);
                let a = points.add(S::WIDE * (point * layout.point + r0 * CHUNK));
                simd.block::<Rows>(a, chunks, b.add(point * pairs * NR), &out, NR, Init::Zero);
            }
        }
    }
}

/// A panel of channels of a run of tiles, in one frame of each video of the output.
struct Sums<'a> {
    /// Rows of a matrix of products.
    rows: usize,
    input: Input<'a>,
    frame: usize,
    run: Range<usize>,
    panel: usize,
}

impl Sums<'_> {
    /// Where the panel's channels of the pixels of a tile are in the output; none for a pixel outside the frame.
    fn places(&self, tile: usize) -> [Option<usize>; STEP * STEP] {
        let Shape { height, width, c_out, .. } = self.input.shape;
        let Tile { video, top, left } = Tile::new(tile, &self.input.shape);
        let first_row = (video * self.input.frames_out() + self.frame) * height;
        let mut places = [None; STEP * STEP];
        for (idx, place) in places.iter_mut().enumerate() {
            let (row, col) = (top + idx / STEP, left + idx % STEP);
            if row < height && col < width {
                *place = Some(((first_row + row) * width + col) * c_out + self.panel * NR);
            }
        }
        places
    }

    /// Asks for what is added to the pixels.
    fn prefetch(&self, shortcut: Option<&[f32]>) {
        let Some(shortcut) = shortcut else { return };
        let cols = (self.input.shape.c_out - self.panel * NR).min(NR);
        for tile in self.run.clone() {
            for place in self.places(tile).into_iter().flatten() {
                prefetch(&shortcut[place..][..cols]);
            }
        }
    }

    /// Writes the pixels that the products sum to.
    ///
    /// # Safety
    /// `products` must be readable for the panel of each point, `y` writable for the output.
    unsafe fn write<S: Simd>(self, simd: S, products: *const f32, added: Added<'_>, y: *mut f32) {
        let first = self.panel * NR;
        let cols = (self.input.shape.c_out - first).min(NR);
        let mut row_of_bias = [0.0; NR];
        if let Some(bias) = added.bias {
            row_of_bias[..cols].copy_from_slice(&bias[first..][..cols]);
        }
        let bias = row_of_bias.as_ptr();
        let shortcut = added.shortcut.map(<[f32]>::as_ptr);
        for (idx, tile) in self.run.clone().enumerate() {
            let mut to = [std::ptr::null_mut(); STEP * STEP];
            let mut onto = [std::ptr::null(); STEP * STEP];
            for (place, (to, onto)) in
                self.places(tile).into_iter().zip(to.iter_mut().zip(&mut onto))
            {
                if let Some(at) = place {
                    // SAFETY: the pixel is inside its frame, of the output and of the shortcut.
                    unsafe {
                        *to = y.add(at);
                        *onto = shortcut.map_or(*onto, |shortcut| shortcut.add(at));
                    }
                }
            }
            // SAFETY: the products are readable by the caller's promise; the pixels are inside the frame, or a copy of which
            // the channels that are there are written.
            unsafe {
                let from = products.add(idx * NR);
                let stride = self.rows * NR;
                if cols == NR {
                    simd.vectors().run(PixelsOf { from, stride, bias, onto, to });
                    continue;
                }
                let mut copy = [[0.0_f32; NR]; STEP * STEP];
                for (copy, onto) in copy.iter_mut().zip(onto) {
                    if !onto.is_null() {
                        copy.as_mut_ptr().copy_from_nonoverlapping(onto, cols);
                    }
                }
                let whole = copy.each_mut().map(|pixel| pixel.as_mut_ptr());
                let onto = whole.map(<*mut f32>::cast_const);
                simd.vectors().run(PixelsOf { from, stride, bias, onto, to: whole });
                for (copy, to) in copy.iter().zip(to) {
                    if !to.is_null() {
                        to.copy_from_nonoverlapping(copy.as_ptr(), cols);
                    }
                }
            }
        }
    }
}

/// The pixels of a tile for a panel of channels.
struct PixelsOf {
    /// Products of the first point, `stride` floats from those of the next.
    from: *const f32,
    stride: usize,
    bias: *const f32,
    /// What is added to each pixel, null for nothing.
    onto: [*const f32; STEP * STEP],
    /// Null where there is no pixel.
    to: [*mut f32; STEP * STEP],
}

impl Task for PixelsOf {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        for c in (0..NR).step_by(L::N) {
            // SAFETY: as the fields say, for a panel of channels.
            unsafe {
                let bias = lanes.load(self.bias.add(c));
                let mut across = [[bias; STEP]; SIDE];
                for (row, across) in across.iter_mut().enumerate() {
                    let mut points = [bias; SIDE];
                    for (col, point) in points.iter_mut().enumerate() {
                        *point = lanes.load(self.from.add((row * SIDE + col) * self.stride + c));
                    }
                    *across = pixels(lanes, points);
                }
                let [top, upper, lower, end] = across;
                let columns =
                    [[top[0], upper[0], lower[0], end[0]], [top[1], upper[1], lower[1], end[1]]];
                for (col, column) in columns.into_iter().enumerate() {
                    for (row, pixel) in pixels(lanes, column).into_iter().enumerate() {
                        let (to, onto) = (self.to[row * STEP + col], self.onto[row * STEP + col]);
                        let mut pixel = lanes.add(pixel, bias);
                        if !onto.is_null() {
                            pixel = lanes.add(pixel, lanes.load(onto.add(c)));
                        }
                        if !to.is_null() {
                            lanes.store(to.add(c), pixel);
                        }
                    }
                }
            }
        }
    }
}

/// Two pixels of four products in a row.
#[inline(always)]
fn pixels<L: Lanes>(lanes: L, [a, b, c, d]: [L::V; SIDE]) -> [L::V; STEP] {
    [lanes.add(lanes.add(a, b), c), lanes.sub(lanes.sub(b, c), d)]
}
