//! Matrix products of a dense layer: bf16 operands, f32 sums, f32 in and out; forward and both gradients.
//!
//! Operands are rounded to bf16 (to nearest even) while they are packed, but the left one on instruction sets that multiply
//! in f32; subnormal values may count as zero. Blocks of the
//! result are independent, and every sum runs in one fixed order, so results do not depend on the thread count.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod fma;
mod packed;
mod scalar;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

use rayon::prelude::*;

pub use self::packed::PackedWeight;
use self::tile::{CHUNK, Chunk, Init, MR_MAX, NR, Out, Rows, Simd};
use crate::epilogue::Epilogue;
use crate::isa::{self, Isa};
use crate::memory::{Shared, filled, with_scratch};

/// Words a task may pack of the left operand: what fits the second-level cache beside a panel.
const LEFT_WORDS: usize = 96 * 1024;
/// Rows that a task should have at least, so that the right operand is not read too often: a deep left operand is packed and
/// multiplied in pieces.
const LEFT_ROWS: usize = 96;
/// Words of both packed operands of a weight gradient, which sets the rows summed at once.
const DEPTH_WORDS: usize = 1024 * 1024;
/// Parts of the rows of a weight gradient with sums of their own, and how many rows are worth one.
const PARTS: usize = 4;
const PART_ROWS: usize = 512;
/// Rows a task packs for a weight gradient: a chunk of pairs.
const PACK_ROWS: usize = 2 * CHUNK;
/// Rows of a weight gradient one task computes: whole blocks on every instruction set.
const DW_ROWS: usize = 96;
/// Tasks of a weight gradient to aim for.
const DW_TASKS: usize = 12;

/// Runs `$body` with `$simd` bound to the vector instructions of `$isa`.
macro_rules! dispatch {
    ($isa:expr, $simd:ident => $body:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512 | $crate::isa::Isa::Avx512Bf16 | $crate::isa::Isa::Amx => {
                let $simd = $crate::isa::Avx512::detect().expect("chosen only where present");
                $body
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => {
                let $simd = $crate::isa::Avx2::detect().expect("chosen only where present");
                $body
            }
            #[cfg(target_arch = "aarch64")]
            $crate::isa::Isa::Neon => {
                let $simd = $crate::isa::Neon::detect().expect("chosen only where present");
                $body
            }
            _ => {
                let $simd = $crate::matmul::SCALAR;
                $body
            }
        }
    };
}

/// Runs `$body` with `$simd` bound to the steps of a product on `$isa`.
macro_rules! dispatch_product {
    ($isa:expr, $simd:ident => $body:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512Bf16 => {
                let $simd = $crate::isa::Avx512Bf16::detect().expect("chosen only where present");
                $body
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Amx => {
                let $simd = $crate::isa::Amx::detect().expect("chosen only where present");
                $body
            }
            isa => $crate::matmul::dispatch!(isa, $simd => $body),
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::transpose;
pub(crate) use dispatch;
pub(crate) use dispatch_product;
pub(crate) use scalar::Scalar;

pub(crate) const SCALAR: Scalar = Scalar;

/// `y = x W + b`.
///
/// # Shapes
/// - `x`: `[m, k]`; `weight`: `[k, n]`; `bias`: `[n]`; returned: `[m, n]`
/// # Panics
/// if a length does not fit
#[must_use]
pub fn linear(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [m, k, n]: [usize; 3]) -> Vec<f32> {
    assert_eq!(x.len(), m * k, "x is not [{m}, {k}]");
    assert_eq!(weight.len(), k * n, "the weight is not [{k}, {n}]");
    // SAFETY: `linear_into` writes all of `[m, n]`.
    unsafe { filled(m * n, |y| linear_into(isa::best(), x, weight, [bias, None], [m, k, n], y)) }
}

/// Gradient to the input, `dx = dy W'`.
///
/// # Shapes
/// - `dy`: `[m, n]`; `weight`: `[k, n]`; returned: `[m, k]`
/// # Panics
/// if a length does not fit
#[must_use]
pub fn linear_dx(dy: &[f32], weight: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    assert_eq!(dy.len(), m * n, "dy is not [{m}, {n}]");
    assert_eq!(weight.len(), k * n, "the weight is not [{k}, {n}]");
    // SAFETY: `linear_dx_into` writes all of `[m, k]`.
    unsafe { filled(m * k, |dx| linear_dx_into(isa::best(), dy, weight, [m, k, n], dx)) }
}

/// The products of all pairs of rows, `x x'`, of which half are computed: the matrix is symmetric.
///
/// # Shapes
/// - `x`: `[m, k]`; returned: `[m, m]`
/// # Panics
/// if the length does not fit
#[must_use]
pub fn gram(x: &[f32], [m, k]: [usize; 2]) -> Vec<f32> {
    assert_eq!(x.len(), m * k, "x is not [{m}, {k}]");
    // SAFETY: `gram_into` writes all of `[m, m]`.
    unsafe { filled(m * m, |y| gram_into(isa::best(), x, [m, k], y)) }
}

/// Gradients to weight and bias, `dW = x' dy` and the column sums of `dy`.
///
/// # Shapes
/// - `x`: `[m, k]`; `dy`: `[m, n]`; returned: `[k, n]` and `[n]`
/// # Panics
/// if a length does not fit
#[must_use]
pub fn linear_dw(x: &[f32], dy: &[f32], [m, k, n]: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(x.len(), m * k, "x is not [{m}, {k}]");
    assert_eq!(dy.len(), m * n, "dy is not [{m}, {n}]");
    let mut dbias = vec![0.0; n];
    // SAFETY: `linear_dw_into` writes all of `[k, n]`.
    let dweight = unsafe {
        filled(k * n, |dw| linear_dw_into(isa::best(), x, dy, [m, k, n], dw, &mut dbias))
    };
    (dweight, dbias)
}

/// [`linear`] on one instruction set, added to a shortcut `[m, n]`.
///
/// # Safety
/// `y` must be writable for `m * n`; the slices must have their lengths.
pub(crate) unsafe fn linear_into(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    [bias, shortcut]: [Option<&[f32]>; 2],
    [m, k, n]: [usize; 3],
    y: *mut f32,
) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "the bias is not [{n}]");
    }
    let epilogue = shortcut.map_or(Epilogue::None, Epilogue::Add);
    epilogue.check([m, n]);
    dispatch_product!(isa, simd => with_scratch(packed_len(1, k, n), |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            pack_weight(simd, weight, [1, k, n], packed);
            let finish = Finish { bias, epilogue, ..Finish::plain(isa) };
            rows_times(simd, x.as_ptr(), [m, k, n], packed, finish, y);
        }
    }));
}

/// [`linear_dx`] on one instruction set.
///
/// # Safety
/// `dx` must be writable for `m * k`; the slices must have their lengths.
unsafe fn linear_dx_into(
    isa: Isa,
    dy: &[f32],
    weight: &[f32],
    [m, k, n]: [usize; 3],
    dx: *mut f32,
) {
    dispatch_product!(isa, simd => with_scratch(packed_len(1, n, k), |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            pack_weight_transposed(simd, weight, [1, n, k], packed);
            rows_times(simd, dy.as_ptr(), [m, n, k], packed, Finish::plain(isa), dx);
        }
    }));
}

/// [`gram`] on one instruction set.
///
/// # Safety
/// `y` must be writable for `m * m`; the slice must have its length.
unsafe fn gram_into(isa: Isa, x: &[f32], [m, k]: [usize; 2], y: *mut f32) {
    dispatch_product!(isa, simd => with_scratch(packed_len(1, k, m), |packed| {
        // SAFETY: the scratch holds the packed rows; the lengths are the caller's promise.
        unsafe {
            pack_weight_transposed(simd, x, [1, k, m], packed);
            let finish = Finish { part: Part::Upper, ..Finish::plain(isa) };
            rows_times(simd, x.as_ptr(), [m, k, m], packed, finish, y);
        }
    }));
    let y = Shared::new(y);
    (0..m.div_ceil(NR)).into_par_iter().for_each(|block| {
        let rows = block * NR..(block * NR + NR).min(m);
        for col in 0..rows.end {
            for row in rows.clone().filter(|row| *row > col) {
                // SAFETY: both are inside the matrix; what lies above the diagonal is written and only read here.
                unsafe { *y.get().add(row * m + col) = *y.get().add(col * m + row) };
            }
        }
    });
}

/// Words of a packed right operand of `taps` matrices `[k, n]` on top of each other.
pub(crate) fn packed_len(taps: usize, k: usize, n: usize) -> usize {
    taps * k.div_ceil(2) * n.next_multiple_of(NR)
}

/// Words from one panel of `width` columns to the next. One cache line more than the panel, an odd count of lines apart where
/// pairs are a power of two, so that rows packed into many panels do not fall into one set of the cache.
pub(crate) fn panel_stride(width: usize, pairs: usize) -> usize {
    pairs * width + 16
}

/// Packs `taps` matrices `[k, n]` into panels; an odd `k` is completed with zeros in each.
///
/// # Safety
/// `packed` must be writable for [`packed_len`]; `weight` must have `taps * k * n` values.
pub(crate) unsafe fn pack_weight<S: Simd>(
    simd: S,
    weight: &[f32],
    [taps, k, n]: [usize; 3],
    packed: *mut u32,
) {
    let pairs = k.div_ceil(2);
    let zeros = [0.0_f32; NR];
    let packed = Shared::new(packed);
    (0..n.div_ceil(NR)).into_par_iter().for_each(|panel| {
        let cols = (n - panel * NR).min(NR);
        // SAFETY: rows of the weight are read within it; each task writes its own panel.
        unsafe {
            let mut to = packed.get().add(panel * taps * pairs * NR);
            for tap in 0..taps {
                for p in 0..pairs {
                    let row = |i: usize| weight.as_ptr().add((tap * k + i) * n + panel * NR);
                    let hi = if 2 * p + 1 < k { row(2 * p + 1) } else { zeros.as_ptr() };
                    simd.pack_pair(row(2 * p), hi, cols, to, NR);
                    to = to.add(NR);
                }
            }
        }
    });
}

/// Packs the transposes of `taps` matrices stored as `[n, k]` in reverse order: what the gradient to the input of a
/// convolution multiplies by.
///
/// # Safety
/// As for [`pack_weight`].
pub(crate) unsafe fn pack_weight_transposed<S: Simd>(
    simd: S,
    weight: &[f32],
    [taps, k, n]: [usize; 3],
    packed: *mut u32,
) {
    let pairs = k.div_ceil(2);
    let packed = Shared::new(packed);
    (0..n.div_ceil(NR)).into_par_iter().for_each(|panel| {
        let cols = (n - panel * NR).min(NR);
        for tap in 0..taps {
            // SAFETY: the rows are within the weight; each task writes its own panel.
            unsafe {
                let from = weight.as_ptr().add(((taps - 1 - tap) * n + panel * NR) * k);
                let to = packed.get().add((panel * taps + tap) * pairs * NR);
                simd.pack_transposed(from, k, k, cols, to);
            }
        }
    });
}

/// The chunks of rows of `k` values whose planes are `plane` words apart, starting `shift` words in.
pub(crate) fn plane_chunks(k: usize, plane: usize, shift: usize) -> impl Iterator<Item = Chunk> {
    let pairs = k.div_ceil(2);
    (0..pairs.div_ceil(CHUNK)).map(move |idx| Chunk {
        offset: idx * plane + shift,
        pairs: (pairs - idx * CHUNK).min(CHUNK),
    })
}

/// Rows of the left operand that one task packs.
fn rows_of_task<S: Simd>(m: usize, k: usize) -> usize {
    let fit = (LEFT_WORDS / k.div_ceil(2).next_multiple_of(CHUNK)).min(192);
    let spread = m.div_ceil(16);
    (fit.min(spread) / S::MR * S::MR).max(S::MR)
}

/// Which part of a result is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// The diagonal and what lies above it; of the rest, some is written.
    Upper,
}

/// What is wanted of a product.
#[derive(Clone, Copy)]
struct Finish<'a> {
    isa: Isa,
    bias: Option<&'a [f32]>,
    epilogue: Epilogue<'a>,
    part: Part,
}

impl Finish<'_> {
    /// All of it, as it is.
    fn plain(isa: Isa) -> Self {
        Self { isa, bias: None, epilogue: Epilogue::None, part: Part::Whole }
    }
}

/// `y = x B + bias` with `B` packed, and what follows.
///
/// # Safety
/// `x` must be readable for `[m, k]`, `packed` for a packed `[k, n]`, `y` writable for `[m, n]`.
unsafe fn rows_times<S: Simd>(
    simd: S,
    x: *const f32,
    [m, k, n]: [usize; 3],
    packed: *const u32,
    finish: Finish<'_>,
    y: *mut f32,
) {
    let Finish { isa, bias, epilogue, part } = finish;
    let pairs = k.div_ceil(2);
    let pieces = pairs.div_ceil(LEFT_WORDS / LEFT_ROWS).max(1);
    let depth = pairs.div_ceil(pieces).next_multiple_of(CHUNK);
    let rows_max = rows_of_task::<S>(m, 2 * depth);
    let plane = rows_max * CHUNK;
    let (x, packed, y) =
        (Shared::new(x.cast_mut()), Shared::new(packed.cast_mut()), Shared::new(y));
    (0..m.div_ceil(rows_max)).into_par_iter().for_each(|task| {
        let first = task * rows_max;
        let rows = (m - first).min(rows_max);
        let padded = rows.next_multiple_of(S::MR);
        with_scratch(S::WIDE * depth / CHUNK * plane, |left| {
            for start in (0..pairs.max(1)).step_by(depth.max(1)) {
                let len = (k - 2 * start).min(2 * depth);
                let chunks: Vec<Chunk> = plane_chunks(len, plane, 0).collect();
                // SAFETY: the scratch has room for `rows_max` rows in planes; each task writes its own rows of `y`, all
                // columns with the first piece.
                unsafe {
                    for r in 0..rows {
                        let row = x.get().add((first + r) * k + 2 * start);
                        simd.pack_row(row, len, left.add(S::WIDE * r * CHUNK), plane);
                    }
                    for chunk in &chunks {
                        let end = left.add(S::WIDE * (chunk.offset + rows * CHUNK));
                        end.write_bytes(0, S::WIDE * (padded - rows) * CHUNK);
                    }
                    let mut out: Out = [std::ptr::null_mut(); MR_MAX];
                    for panel in 0..n.div_ceil(NR) {
                        let col = panel * NR;
                        let b = packed.get().add((panel * pairs + start) * NR);
                        let cols = (n - col).min(NR);
                        let init = match bias {
                            _ if start > 0 => Init::Output,
                            Some(bias) => Init::Bias(bias.as_ptr().add(col)),
                            None => Init::Zero,
                        };
                        let is_last = start + depth >= pairs;
                        if is_last {
                            epilogue.prefetch(n, first..first + rows, col..col + cols);
                        }
                        for r0 in (0..rows).step_by(S::MR) {
                            if part == Part::Upper && col + NR <= first + r0 {
                                break;
                            }
                            let to = y.get().add((first + r0) * n + col);
                            set_rows::<S>(&mut out, to, n, rows - r0);
                            let a = left.add(S::WIDE * r0 * CHUNK);
                            simd.block::<Rows>(a, &chunks, b, &out, cols, init);
                        }
                        if is_last {
                            epilogue.apply(isa, y.get(), n, first..first + rows, col..col + cols);
                        }
                    }
                }
            }
        });
    });
}

/// Sets pointers to the rows of a block, `stride` apart, null from `count` on.
///
/// # Safety
/// The rows must lie in one allocation.
#[inline(always)]
pub(crate) unsafe fn set_rows<S: Simd>(
    out: &mut Out,
    first: *mut f32,
    stride: usize,
    count: usize,
) {
    for (r, row) in out.iter_mut().enumerate().take(S::MR) {
        // SAFETY: the first `count` rows exist by the caller's promise.
        *row = if r < count { unsafe { first.add(r * stride) } } else { std::ptr::null_mut() };
    }
}

/// [`linear_dw`] on one instruction set.
///
/// # Safety
/// `dweight` must be writable for `k * n`; the slices must have their lengths.
unsafe fn linear_dw_into(
    isa: Isa,
    x: &[f32],
    dy: &[f32],
    [m, k, n]: [usize; 3],
    dweight: *mut f32,
    dbias: &mut [f32],
) {
    assert_eq!(dbias.len(), n, "the bias gradient is not [{n}]");
    dispatch_product!(isa, simd => {
        // SAFETY: the caller's promise.
        unsafe { columns_times(simd, x, dy, [m, k, n], dweight, dbias) }
    });
}

/// `dW = x' dy`: a fixed number of parts of the rows, added in order at the end.
///
/// # Safety
/// As for [`linear_dw_into`].
unsafe fn columns_times<S: Simd>(
    simd: S,
    x: &[f32],
    dy: &[f32],
    [m, k, n]: [usize; 3],
    dweight: *mut f32,
    dbias: &mut [f32],
) {
    if m * k * n == 0 {
        dbias.fill(0.0);
        // SAFETY: writable by the caller's promise; zero bits are 0.0.
        unsafe { dweight.write_bytes(0, k * n) };
        return;
    }
    let parts = (m / PART_ROWS).clamp(1, PARTS);
    let rows_max = m.div_ceil(parts);
    let mut bias_parts = vec![0.0; parts * n];
    with_scratch((parts - 1) * k * n, |scratch| {
        let (dweight, scratch) = (Shared::new(dweight), Shared::new(scratch.cast::<f32>()));
        bias_parts.par_chunks_mut(n).enumerate().for_each(|(part, dbias)| {
            let first = part * rows_max;
            let rows = (m - first).min(rows_max);
            let (x, dy) = (&x[first * k..][..rows * k], &dy[first * n..][..rows * n]);
            // SAFETY: the first part has the output, each other its own piece of scratch.
            unsafe {
                let to = match part.checked_sub(1) {
                    None => dweight.get(),
                    Some(idx) => scratch.get().add(idx * k * n),
                };
                part_of_columns(simd, x, dy, [rows, k, n], to, dbias);
            }
        });
        (0..k).into_par_iter().for_each(|row| {
            // SAFETY: all parts are written; each task adds to its own row.
            unsafe {
                let total = std::slice::from_raw_parts_mut(dweight.get().add(row * n), n);
                for part in 0..parts - 1 {
                    let from = scratch.get().add(part * k * n + row * n);
                    let from = std::slice::from_raw_parts(from, n);
                    for (total, value) in total.iter_mut().zip(from) {
                        *total += value;
                    }
                }
            }
        });
    });
    dbias.copy_from_slice(&bias_parts[..n]);
    for part in bias_parts[n..].chunks(n) {
        for (total, value) in dbias.iter_mut().zip(part) {
            *total += value;
        }
    }
}

/// One part of [`columns_times`]: blocks of rows one after the other. Of each block, both operands are packed by row,
/// then the result is split over tasks.
///
/// # Safety
/// As for [`linear_dw_into`]; no size is zero, and `dbias` is.
unsafe fn part_of_columns<S: Simd>(
    simd: S,
    x: &[f32],
    dy: &[f32],
    [m, k, n]: [usize; 3],
    dweight: *mut f32,
    dbias: &mut [f32],
) {
    let dweight = Shared::new(dweight);
    let depth_max = (DEPTH_WORDS / (k + n) * 2).clamp(512, 2048).min(m);
    let mut sums = vec![0.0; depth_max.div_ceil(PACK_ROWS) * n];
    let blocks = k.div_ceil(DW_ROWS);
    let panels = n.div_ceil(NR);
    let panels_max = panels.div_ceil(DW_TASKS.div_ceil(blocks)).max(2);
    let parts = panels.div_ceil(panels_max);
    let pairs_max = depth_max.div_ceil(2);
    let left_pairs = |pairs: usize| panel_stride(S::MR, pairs.next_multiple_of(CHUNK));
    let left_len = S::WIDE * k.div_ceil(S::MR) * left_pairs(pairs_max);
    let right_len = panels * panel_stride(NR, pairs_max);
    with_scratch(left_len + right_len, |scratch| {
        let left = Shared::new(scratch);
        let right = Shared::new(scratch.wrapping_add(left_len));
        for first in (0..m).step_by(depth_max) {
            let depth = (m - first).min(depth_max);
            let pairs = depth.div_ceil(2);
            let (left_panel, right_panel) = (left_pairs(pairs), panel_stride(NR, pairs));
            sums.par_chunks_mut(n).take(depth.div_ceil(PACK_ROWS)).enumerate().for_each(
                |(idx, sums)| {
                    let start = idx * PACK_ROWS;
                    let rows = (depth - start).min(PACK_ROWS);
                    let x = &x[(first + start) * k..][..rows * k];
                    let dy = &dy[(first + start) * n..][..rows * n];
                    // SAFETY: each task writes the pairs of its own rows into both operands.
                    unsafe {
                        for_each_pair(x, k, |pair, lo, hi| {
                            let to = left.get().add(S::WIDE * (start / 2 + pair) * S::MR);
                            simd.pack_left_pair(lo, hi, k, to, left_panel);
                        });
                        for panel in 0..k.div_ceil(S::MR) {
                            let at = panel * left_panel + start / 2 * S::MR;
                            simd.turn(left.get().add(S::WIDE * at));
                        }
                        for_each_pair(dy, n, |pair, lo, hi| {
                            let to = right.get().add((start / 2 + pair) * NR);
                            simd.pack_pair(lo, hi, n, to, right_panel);
                        });
                        add_columns(simd, dy, n, sums);
                    }
                },
            );
            for sums in sums.chunks(n).take(depth.div_ceil(PACK_ROWS)) {
                for (total, sum) in dbias.iter_mut().zip(sums) {
                    *total += sum;
                }
            }
            let chunks: Vec<Chunk> = plane_chunks(2 * pairs, CHUNK * S::MR, 0).collect();
            (0..blocks * parts).into_par_iter().for_each(|task| {
                let init = if first == 0 { Init::Zero } else { Init::Output };
                let k0 = task / parts * DW_ROWS;
                let k1 = (k0 + DW_ROWS).min(k);
                let start = task % parts * panels_max;
                let mut out: Out = [std::ptr::null_mut(); MR_MAX];
                for panel in start..(start + panels_max).min(panels) {
                    let col = panel * NR;
                    let cols = (n - col).min(NR);
                    for r0 in (k0..k1).step_by(S::MR) {
                        // SAFETY: both operands hold `pairs` pairs of every panel; each task writes its own part of the
                        // result.
                        unsafe {
                            let a = left.get().add(S::WIDE * (r0 / S::MR) * left_panel);
                            let b = right.get().add(panel * right_panel);
                            set_rows::<S>(&mut out, dweight.get().add(r0 * n + col), n, k1 - r0);
                            simd.block::<S::Turned>(a, &chunks, b, &out, cols, init);
                        }
                    }
                }
            });
        }
    });
}

/// Calls `f` with the index of each pair of rows of `len` values and pointers to both; an odd last row pairs with zeros.
fn for_each_pair(rows: &[f32], len: usize, f: impl Fn(usize, *const f32, *const f32)) {
    let zeros = if (rows.len() / len) % 2 == 1 { vec![0.0; len] } else { Vec::new() };
    for (idx, pair) in rows.chunks(2 * len).enumerate() {
        let hi = if pair.len() > len { &pair[len..] } else { &zeros };
        f(idx, pair.as_ptr(), hi.as_ptr());
    }
}

/// Writes the column sums of rows of `sums.len()` values.
pub(crate) fn add_columns<S: Simd>(simd: S, rows: &[f32], len: usize, sums: &mut [f32]) {
    for (panel, sums) in sums.chunks_mut(NR).enumerate() {
        let mut total = [0.0; NR];
        // SAFETY: the columns of the panel are within every row.
        unsafe {
            let from = rows.as_ptr().wrapping_add(panel * NR);
            simd.add_rows(from, len, rows.len() / len, sums.len(), &mut total);
        }
        sums.copy_from_slice(&total[..sums.len()]);
    }
}
