//! Matrix products of a dense layer: bf16 operands, f32 sums, f32 in and out; forward and both gradients.
//!
//! Operands are rounded to bf16 (to nearest even) while they are packed; subnormal values may count as zero. Blocks of the
//! result are independent, and every sum runs in one fixed order, so results do not depend on the thread count.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

use rayon::prelude::*;

use self::tile::{CHUNK, Chunk, Columns, Init, MR, NR, Rows, Simd};
use crate::isa::{self, Isa};
use crate::memory::{Shared, filled, with_scratch};

/// Words a task may pack of the left operand: what fits the second-level cache beside a panel.
const LEFT_WORDS: usize = 96 * 1024;
/// Rows summed at once for a weight gradient.
const DEPTH: usize = 1024;

/// Runs `$body` with `$simd` bound to the steps of `$isa`.
macro_rules! dispatch {
    ($isa:expr, $simd:ident => $body:expr) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512Bf16 => {
                let $simd = $crate::isa::Avx512Bf16::detect().expect("chosen only where present");
                $body
            }
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => {
                let $simd = $crate::isa::Avx2::detect().expect("chosen only where present");
                $body
            }
            _ => {
                let $simd = $crate::matmul::SCALAR;
                $body
            }
        }
    };
}
pub(crate) use dispatch;

pub(crate) const SCALAR: scalar::Scalar = scalar::Scalar;

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
    unsafe { filled(m * n, |y| linear_into(isa::best(), x, weight, bias, [m, k, n], y)) }
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

/// [`linear`] on one instruction set.
///
/// # Safety
/// `y` must be writable for `m * n`; the slices must have their lengths.
unsafe fn linear_into(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    [m, k, n]: [usize; 3],
    y: *mut f32,
) {
    if let Some(bias) = bias {
        assert_eq!(bias.len(), n, "the bias is not [{n}]");
    }
    dispatch!(isa, simd => with_scratch(packed_len(1, k, n), |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            pack_weight(simd, weight, [1, k, n], packed);
            rows_times(simd, x.as_ptr(), [m, k, n], packed, bias, y);
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
    dispatch!(isa, simd => with_scratch(packed_len(1, n, k), |packed| {
        // SAFETY: the scratch holds the packed weight; the lengths are the caller's promise.
        unsafe {
            pack_weight_transposed(simd, weight, [1, n, k], packed);
            rows_times(simd, dy.as_ptr(), [m, n, k], packed, None, dx);
        }
    }));
}

/// Words of a packed right operand of `taps` matrices `[k, n]` on top of each other.
pub(crate) fn packed_len(taps: usize, k: usize, n: usize) -> usize {
    taps * k.div_ceil(2) * n.div_ceil(NR) * NR
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
                    simd.pack_pair::<NR>(row(2 * p), hi, cols, to, NR);
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
fn rows_of_task(m: usize, k: usize) -> usize {
    let fit = (LEFT_WORDS / k.div_ceil(2).next_multiple_of(CHUNK)).min(192);
    let spread = m.div_ceil(16);
    (fit.min(spread) / MR * MR).max(MR)
}

/// `y = x B + bias` with `B` packed.
///
/// # Safety
/// `x` must be readable for `[m, k]`, `packed` for a packed `[k, n]`, `y` writable for `[m, n]`.
unsafe fn rows_times<S: Simd>(
    simd: S,
    x: *const f32,
    [m, k, n]: [usize; 3],
    packed: *const u32,
    bias: Option<&[f32]>,
    y: *mut f32,
) {
    let pairs = k.div_ceil(2);
    let rows_max = rows_of_task(m, k);
    let plane = rows_max * CHUNK;
    let chunks: Vec<Chunk> = plane_chunks(k, plane, 0).collect();
    let (x, packed, y) =
        (Shared::new(x.cast_mut()), Shared::new(packed.cast_mut()), Shared::new(y));
    (0..m.div_ceil(rows_max)).into_par_iter().for_each(|task| {
        let first = task * rows_max;
        let rows = (m - first).min(rows_max);
        with_scratch(chunks.len() * plane, |left| {
            // SAFETY: the scratch has room for `rows_max` rows in planes; each task writes its own rows of `y`.
            unsafe {
                for r in 0..rows {
                    let row = x.get().add((first + r) * k);
                    simd.pack_row(row, k, left.add(r * CHUNK), plane);
                }
                for chunk in &chunks {
                    let end = rows.next_multiple_of(MR);
                    left.add(chunk.offset + rows * CHUNK).write_bytes(0, (end - rows) * CHUNK);
                }
                for panel in 0..n.div_ceil(NR) {
                    let col = panel * NR;
                    let b = packed.get().add(panel * pairs * NR);
                    let init = bias.map_or(Init::Zero, |bias| Init::Bias(bias.as_ptr().add(col)));
                    for r0 in (0..rows).step_by(MR) {
                        let out = rows_from(y.get().add((first + r0) * n + col), n, rows - r0);
                        let a = left.add(r0 * CHUNK);
                        simd.block::<Rows>(a, &chunks, b, &out, (n - col).min(NR), init);
                    }
                }
            }
        });
    });
}

/// Pointers to up to [`MR`] rows, `stride` apart, null from `count` on.
///
/// # Safety
/// The rows must lie in one allocation.
pub(crate) unsafe fn rows_from(first: *mut f32, stride: usize, count: usize) -> [*mut f32; MR] {
    std::array::from_fn(|r| {
        // SAFETY: the first `count` rows exist by the caller's promise.
        if r < count { unsafe { first.add(r * stride) } } else { std::ptr::null_mut() }
    })
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
    dispatch!(isa, simd => {
        // SAFETY: the caller's promise.
        unsafe { columns_times(simd, x, dy, [m, k, n], dweight, dbias) }
    });
}

/// `dW = x' dy`: blocks of [`DEPTH`] rows one after the other, the result split over tasks.
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
    dbias.fill(0.0);
    if m == 0 {
        // SAFETY: writable by the caller's promise; zero bits are 0.0.
        unsafe { dweight.write_bytes(0, k * n) };
        return;
    }
    let panels = n.div_ceil(NR);
    let zeros = vec![0.0_f32; k.max(n)];
    let dweight = Shared::new(dweight);
    // 96 rows of the result a task, and two tasks a row where there is enough to do.
    let rows_max = 8 * MR;
    let col_tasks = if n >= 16 * NR { 2 } else { 1 };
    let panels_max = panels.div_ceil(col_tasks);
    with_scratch(packed_len(1, DEPTH.min(m), n), |right| {
        let right = Shared::new(right);
        for first in (0..m).step_by(DEPTH) {
            let depth = (m - first).min(DEPTH);
            let pairs = depth.div_ceil(2);
            dbias.par_chunks_mut(NR).enumerate().for_each(|(panel, dbias)| {
                let cols = dbias.len();
                // SAFETY: rows of `dy` are read within it; each task writes its own panel.
                unsafe {
                    let from = dy.as_ptr().add(first * n + panel * NR);
                    for p in 0..pairs {
                        let lo = from.add(2 * p * n);
                        let hi = if 2 * p + 1 < depth { lo.add(n) } else { zeros.as_ptr() };
                        let to = right.get().add((panel * pairs + p) * NR);
                        simd.pack_pair::<NR>(lo, hi, cols, to, NR);
                    }
                    let mut sums = [0.0; NR];
                    simd.add_rows(from, n, depth, cols, &mut sums);
                    for (total, sum) in dbias.iter_mut().zip(sums) {
                        *total += sum;
                    }
                }
            });
            let chunks = [Chunk { offset: 0, pairs }];
            (0..k.div_ceil(rows_max) * col_tasks).into_par_iter().for_each(|task| {
                let init = if first == 0 { Init::Zero } else { Init::Output };
                let k0 = task / col_tasks * rows_max;
                let rows = (k - k0).min(rows_max);
                let tile = pairs * MR;
                with_scratch(rows.div_ceil(MR) * tile, |left| {
                    // SAFETY: the scratch holds the packed columns; each task writes its own part of the result.
                    unsafe {
                        let from = x.as_ptr().add(first * k + k0);
                        for p in 0..pairs {
                            let lo = from.add(2 * p * k);
                            let hi = if 2 * p + 1 < depth { lo.add(k) } else { zeros.as_ptr() };
                            simd.pack_pair::<MR>(lo, hi, rows, left.add(p * MR), tile);
                        }
                        let start = task % col_tasks * panels_max;
                        for panel in start..(start + panels_max).min(panels) {
                            let col = panel * NR;
                            let b = right.get().add(panel * pairs * NR);
                            for r0 in (0..rows).step_by(MR) {
                                let out = dweight.get().add((k0 + r0) * n + col);
                                let out = rows_from(out, n, rows - r0);
                                let a = left.add(r0 / MR * tile);
                                let cols = (n - col).min(NR);
                                simd.block::<Columns>(a, &chunks, b, &out, cols, init);
                            }
                        }
                    }
                });
            });
        }
    });
}
