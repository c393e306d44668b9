//! The steps of attention between its products, on rows of scores.

use std::f32::consts::{LN_2, LOG2_E};

use crate::lanes::{self, Lanes, Task};

/// The largest of a row of scores, which is completed to a multiple of 16 with scores of no weight.
///
/// # Safety
/// `scores` must be readable and writable up to the padding.
#[inline(always)]
unsafe fn largest<L: Lanes>(lanes: L, scores: *mut f32, keys: usize) -> f32 {
    let padded = keys.next_multiple_of(16);
    // SAFETY: as the caller promises.
    unsafe {
        for key in keys..padded {
            *scores.add(key) = f32::NEG_INFINITY;
        }
        let mut largest = lanes.load(scores);
        for key in (L::N..padded).step_by(L::N) {
            largest = lanes.max(largest, lanes.load(scores.add(key)));
        }
        lanes::largest(lanes, largest)
    }
}

#[inline(always)]
fn exp2<L: Lanes, const ROUGH: bool>(lanes: L, power: L::V) -> L::V {
    if ROUGH { lanes::exp2_rough(lanes, power) } else { lanes::exp2(lanes, power) }
}

/// Turns a padded row of scores into `2^(score * scale + shift)`, if `ROUGH` to within what bf16 holds, and returns their sum.
///
/// # Safety
/// As for [`largest`].
#[inline(always)]
unsafe fn weigh<L: Lanes, const ROUGH: bool>(
    lanes: L,
    scores: *mut f32,
    keys: usize,
    [scale, shift]: [f32; 2],
) -> f32 {
    let (scale, shift) = (lanes.splat(scale), lanes.splat(shift));
    let mut sum = lanes.splat(0.0);
    for key in (0..keys.next_multiple_of(16)).step_by(L::N) {
        // SAFETY: as the caller promises.
        unsafe {
            let power = lanes.mul_add(lanes.load(scores.add(key)), scale, shift);
            let weight = exp2::<_, ROUGH>(lanes, power);
            sum = lanes.add(sum, weight);
            lanes.store(scores.add(key), weight);
        }
    }
    lanes::sum(lanes, sum)
}

/// The natural logarithm of a query's sum of exponentiated scores, from the sum of `exp(scale (score - largest))`.
pub(super) fn log_sum(sum: f32, largest: f32, scale: f32) -> f32 {
    (sum.log2() + largest * scale * LOG2_E) * LN_2
}

/// Turns rows of scores into weights that still lack the division by their sum.
///
/// `scores` holds `rows` rows of `keys` scores, `pitch` apart and padded to a multiple of 16; `log_sums` and `inverses`
/// take a float for each row: the logarithm of the sum of the exponentiated scores, and one over the sum of the weights.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub(super) scores: *mut f32,
    pub(super) pitch: usize,
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) scale: f32,
    pub(super) log_sums: *mut f32,
    pub(super) inverses: *mut f32,
}

impl Task for Weights {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let scale = self.scale * LOG2_E;
        for row in 0..self.rows {
            // SAFETY: the rows are readable and writable up to the padding.
            unsafe {
                let scores = self.scores.add(row * self.pitch);
                let shift = -largest(lanes, scores, self.keys) * scale;
                let sum = weigh::<_, false>(lanes, scores, self.keys, [scale, shift]);
                *self.log_sums.add(row) = (sum.log2() - shift) * LN_2;
                *self.inverses.add(row) = 1.0 / sum;
            }
        }
    }
}

/// Turns the scores of a tile of keys into weights relative to the largest score so far, adds them to running sums, and brings
/// sums and mixed values of earlier tiles to the same measure.
///
/// `scores` holds `rows` rows of `keys` scores, `pitch` apart and padded to a multiple of 16; `mixed` as many rows of
/// `width`; `largest` and `sums` a float for each row. What the last three hold is arbitrary if the tile `is_first`.
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub(super) scores: *mut f32,
    pub(super) pitch: usize,
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) scale: f32,
    pub(super) largest: *mut f32,
    pub(super) sums: *mut f32,
    pub(super) mixed: *mut f32,
    pub(super) width: usize,
    pub(super) is_first: bool,
}

impl Task for Running {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let scale = self.scale * LOG2_E;
        for row in 0..self.rows {
            // SAFETY: the rows are readable and writable up to the padding, the rest for each row.
            unsafe {
                let scores = self.scores.add(row * self.pitch);
                let mut highest = largest(lanes, scores, self.keys);
                let (largest, total) = (self.largest.add(row), self.sums.add(row));
                if !self.is_first {
                    highest = highest.max(*largest);
                }
                let sum = weigh::<_, true>(lanes, scores, self.keys, [scale, -highest * scale]);
                if self.is_first {
                    *total = sum;
                } else {
                    let factor = ((*largest - highest) * scale).exp2();
                    *total = *total * factor + sum;
                    if factor < 1.0 {
                        let mixed = self.mixed.add(row * self.width);
                        let factor = lanes.splat(factor);
                        for d in (0..self.width).step_by(L::N) {
                            lanes.store(mixed.add(d), lanes.mul(lanes.load(mixed.add(d)), factor));
                        }
                    }
                }
                *largest = highest;
            }
        }
    }
}

/// Turns rows of scores into weights, and gradients to the weights into gradients to the scaled scores:
/// `P = exp(scale s - log_sum)`, `dS = P (dP - sum(d_out out))`, if `ROUGH` to within what bf16 holds.
///
/// `scores` and `grads` hold `rows` rows of `keys`, `pitch` apart and padded to a multiple of 16; `out` and `d_out` rows of
/// `width`, `token` apart; `log_sums` a float for each row.
#[derive(Clone, Copy)]
pub(super) struct Gradients<const ROUGH: bool> {
    pub(super) scores: *mut f32,
    pub(super) grads: *mut f32,
    pub(super) pitch: usize,
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) scale: f32,
    pub(super) log_sums: *const f32,
    pub(super) out: *const f32,
    pub(super) d_out: *const f32,
    pub(super) token: usize,
    pub(super) width: usize,
}

impl<const ROUGH: bool> Task for Gradients<ROUGH> {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let scale = lanes.splat(self.scale * LOG2_E);
        for row in 0..self.rows {
            // SAFETY: all rows are readable, scores and gradients writable up to the padding.
            unsafe {
                let (out, d_out) =
                    (self.out.add(row * self.token), self.d_out.add(row * self.token));
                let mut dot = lanes.splat(0.0);
                for d in (0..self.width).step_by(L::N) {
                    dot = lanes.mul_add(lanes.load(out.add(d)), lanes.load(d_out.add(d)), dot);
                }
                let mean = lanes.splat(lanes::sum(lanes, dot));
                let shift = lanes.splat(-*self.log_sums.add(row) * LOG2_E);
                let scores = self.scores.add(row * self.pitch);
                let grads = self.grads.add(row * self.pitch);
                for key in (0..self.keys).step_by(L::N) {
                    let power = lanes.mul_add(lanes.load(scores.add(key)), scale, shift);
                    let weight = exp2::<_, ROUGH>(lanes, power);
                    let grad = lanes.sub(lanes.load(grads.add(key)), mean);
                    lanes.store(scores.add(key), weight);
                    lanes.store(grads.add(key), lanes.mul(weight, grad));
                }
            }
        }
    }
}

/// Copies `rows` rows of `width` floats, `from_row` and `to_row` apart. `width` is a multiple of [`Lanes::N`]. Each row is
/// multiplied by its factor where there are factors, and by `scale`.
#[derive(Clone, Copy)]
pub(super) struct Copy {
    pub(super) from: *const f32,
    pub(super) from_row: usize,
    pub(super) to: *mut f32,
    pub(super) to_row: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) scale: f32,
    pub(super) factors: Option<*const f32>,
}

impl Task for Copy {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        for row in 0..self.rows {
            // SAFETY: the rows are readable and writable by the caller's promise.
            unsafe {
                let factor = self.factors.map_or(1.0, |factors| *factors.add(row));
                let factor = lanes.splat(factor * self.scale);
                let (from, to) =
                    (self.from.add(row * self.from_row), self.to.add(row * self.to_row));
                for d in (0..self.width).step_by(L::N) {
                    lanes.store(to.add(d), lanes.mul(lanes.load(from.add(d)), factor));
                }
            }
        }
    }
}
