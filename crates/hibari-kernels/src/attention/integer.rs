//! Attention with products of 8-bit integers: blocks of queries against tiles of keys, with running maxima.
//!
//! A query has a scale, and so has a key, from which the mean of all keys is taken first: that changes no weight. Values have
//! a scale for each tile and column. Weights are rounded relative to the largest of their tile, each up or down at a
//! threshold of its own: the many small ones of a long row keep their sum, which rounding to the nearest would make zero.
//!
//! Sums of products are exact and all else is plain loops, so every instruction set gives the same bits.
//!
//! # Source
//! Zhang et al., SageAttention (arXiv:2410.02367), section 4; the thresholds are ours

use std::f32::consts::{LN_2, LOG2_E};
use std::ops::Range;

use rayon::prelude::*;

use super::Shape;
use crate::int8::{Columns, Dots, LARGEST, NR, Sums, finish, layout, place, quantise, sum_columns};
use crate::isa::Isa;
use crate::memory::{Shared, with_scratch};
use crate::vector::{ROUND, folded, for_each_isa, sums};

/// Queries of a block: whole blocks of a product on every instruction set.
const QUERIES: usize = 96;
/// Keys of a tile.
const KEYS: usize = 512;
/// Floats from one row of scores to the next: an odd number of cache lines.
const PITCH: usize = KEYS + 16;
/// Words of a row of weights.
const WEIGHTS: usize = KEYS / 4;
/// What the largest weight of a tile is stored as; with any threshold it stays a byte.
const LARGEST_WEIGHT: f32 = 254.0;

/// Keys and values of a head, in panels of 32 columns; in each, for each quad, a word of each column.
struct Head<'a> {
    shape: Shape,
    n_keys: usize,
    /// `[keys / 32][d_head / 4][32]`, and for each key the scale and what its sums are too large by.
    keys: &'a [u32],
    key_scales: &'a [f32],
    key_offsets: &'a [i32],
    /// `[tiles][columns / 32][512 / 4][32]`, and for each tile and column the scale.
    values: &'a [u32],
    value_scales: &'a [f32],
    /// What is taken from each key.
    mean: &'a [f32],
    /// Zero, or not a number if a key is not.
    wrong: f32,
    thresholds: &'a [f32; KEYS],
}

/// Writes outputs and logarithms of sums.
///
/// # Safety
/// The inputs must fit the shape, `out` be writable for `[batch, n_queries, n_heads, d_head]` and
/// `[batch, n_heads, n_queries]`.
pub(super) unsafe fn attend<D: Dots>(
    dots: D,
    isa: Isa,
    [q, k, v]: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    out: [*mut f32; 2],
) {
    let Shape { batch, n_heads, n_queries, n_keys: all_keys, d_head: width } = shape;
    let token = shape.token();
    let thresholds = thresholds();
    let [out, log_sums] = out.map(Shared::new);
    (0..batch * n_heads).into_par_iter().for_each(|head| {
        let n_keys = shape.valid_keys(key_lens, head);
        let rows =
            |values| Rows { values, first: shape.start(head, all_keys), token, n_keys, width };
        let padded = n_keys.next_multiple_of(NR);
        let (tiles, columns) = (n_keys.div_ceil(KEYS), width.next_multiple_of(NR));
        let [quads, _] = layout(width);
        let (keys_len, values_len) = (quads * padded, tiles * WEIGHTS * columns);
        let (mut key_scales, mut key_offsets) = (vec![0.0; padded], vec![0; padded]);
        let mut value_scales = vec![0.0; tiles * columns];
        let mut mean = vec![0.0; width];
        with_scratch(keys_len + values_len, |scratch| {
            // SAFETY: the scratch has this many words; zeros are valid.
            let (keys, values) = unsafe {
                scratch.write_bytes(0, keys_len + values_len);
                std::slice::from_raw_parts_mut(scratch, keys_len + values_len)
            }
            .split_at_mut(keys_len);
            mean_of(isa, rows(k), &mut mean);
            pack_keys(isa, rows(k), &mean, keys, &mut key_scales);
            sum_columns(dots, keys, quads, &mut key_offsets);
            let tile_len = WEIGHTS * columns;
            let packed =
                values.chunks_exact_mut(tile_len).zip(value_scales.chunks_exact_mut(columns));
            for (tile, (words, scales)) in packed.enumerate() {
                pack_values(isa, rows(v).tile(tile), words, scales);
            }
            let packed = Head {
                shape,
                n_keys,
                keys,
                key_scales: &key_scales,
                key_offsets: &key_offsets,
                values,
                value_scales: &value_scales,
                mean: &mean,
                wrong: key_scales.iter().map(|scale| scale * 0.0).sum(),
                thresholds: &thresholds,
            };
            (0..n_queries.div_ceil(QUERIES)).into_par_iter().for_each(|block| {
                let first = block * QUERIES;
                let n_rows = (n_queries - first).min(QUERIES);
                let at = shape.start(head, n_queries) + first * token;
                // SAFETY: the queries exist; each task writes the outputs and sums of its own.
                unsafe {
                    let to = [out.get().add(at), log_sums.get().add(head * n_queries + first)];
                    attend_block(dots, isa, &q[at..], n_rows, &packed, to);
                }
            });
        });
    });
}

/// What is added to a weight before its fraction is dropped: 0..1, spread evenly over any neighbours.
///
/// # Source
/// The additive recurrence of the golden ratio, of low discrepancy
fn thresholds() -> [f32; KEYS] {
    std::array::from_fn(|key| {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        (key as f64 * GOLDEN).fract() as f32
    })
}

/// The rows of a head in keys or values.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    first: usize,
    token: usize,
    n_keys: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    fn row(self, key: usize) -> &'a [f32] {
        &self.values[self.first + key * self.token..][..self.width]
    }

    /// Those of a tile.
    fn tile(self, tile: usize) -> Self {
        let before = tile * KEYS;
        let n_keys = (self.n_keys - before).min(KEYS);
        Self { first: self.first + before * self.token, n_keys, ..self }
    }
}

for_each_isa! {
    /// The mean of the rows.
    fn mean_of(rows: Rows<'_>, mean: &mut [f32]) {
        for key in 0..rows.n_keys {
            for (mean, value) in mean.iter_mut().zip(rows.row(key)) {
                *mean += value;
            }
        }
        for mean in mean {
            *mean /= rows.n_keys as f32;
        }
    }
}

/// Packs keys less their mean; the words must be zero.
fn pack_keys(isa: Isa, rows: Rows<'_>, mean: &[f32], words: &mut [u32], scales: &mut [f32]) {
    let [quads, _] = layout(rows.width);
    let (mut centred, mut row) = (vec![0.0; rows.width], vec![0; rows.width.div_ceil(4)]);
    for key in 0..rows.n_keys {
        for ((to, value), mean) in centred.iter_mut().zip(rows.row(key)).zip(mean) {
            *to = value - mean;
        }
        scales[key] = quantise(isa, &centred, &mut row);
        let panel = &mut words[key / NR * quads * NR..][..quads * NR];
        place(&row, panel, key % NR);
    }
}

for_each_isa! {
    /// Packs the values of a tile; the words must be zero.
    fn pack_values(rows: Rows<'_>, words: &mut [u32], scales: &mut [f32]) {
        let width = rows.width;
        let scales = &mut scales[..width];
        let mut wrong = vec![0.0; width];
        for key in 0..rows.n_keys {
            for ((scale, wrong), value) in scales.iter_mut().zip(&mut wrong).zip(rows.row(key)) {
                let size = value.abs();
                *scale = if size > *scale { size } else { *scale };
                *wrong += value * 0.0;
            }
        }
        let mut inverses = vec![0.0; width];
        for ((scale, inverse), wrong) in scales.iter_mut().zip(&mut inverses).zip(&wrong) {
            *inverse = if *scale > 0.0 { LARGEST / *scale } else { 0.0 };
            // Not a number if a value is not finite.
            *scale = *scale / LARGEST + wrong;
        }
        for key in 0..rows.n_keys {
            let (row, shift) = (rows.row(key), 8 * (key % 4));
            for (panel, first) in words.chunks_exact_mut(WEIGHTS * NR).zip((0..width).step_by(NR)) {
                let cols = (width - first).min(NR);
                let to = &mut panel[key / 4 * NR..][..cols];
                let values = row[first..][..cols].iter().zip(&inverses[first..][..cols]);
                for (to, (value, inverse)) in to.iter_mut().zip(values) {
                    *to |= ((value * inverse + ROUND).to_bits() & 0xff) << shift;
                }
            }
        }
    }
}

/// One block of queries against all keys of its head.
///
/// # Safety
/// As many outputs and sums must be writable at `out` as there are rows.
unsafe fn attend_block<D: Dots>(
    dots: D,
    isa: Isa,
    q: &[f32],
    n_rows: usize,
    head: &Head<'_>,
    [out, log_sums]: [*mut f32; 2],
) {
    let (shape, width, token) = (head.shape, head.shape.d_head, head.shape.token());
    let ([across, query], [_, weight]) = (layout(width), layout(KEYS));
    let columns = width.next_multiple_of(NR);
    let (queries_len, weights_len) = (QUERIES * query, QUERIES * weight);
    let (scores_len, mixed_len) = (QUERIES * PITCH, QUERIES * columns);
    let all = queries_len + weights_len + scores_len + mixed_len;
    with_scratch(all, |scratch| {
        // SAFETY: the scratch has this many words; zeros are valid words and floats.
        let (queries, weights, scores, mixed) = unsafe {
            scratch.write_bytes(0, all);
            let weights = scratch.add(queries_len);
            let scores = weights.add(weights_len).cast::<f32>();
            (
                std::slice::from_raw_parts_mut(scratch, queries_len),
                std::slice::from_raw_parts_mut(weights, weights_len),
                std::slice::from_raw_parts_mut(scores, scores_len),
                std::slice::from_raw_parts_mut(scores.add(scores_len), mixed_len),
            )
        };
        let mut row_scales = [0.0; QUERIES];
        for row in 0..n_rows {
            let (q, to) = (&q[row * token..][..width], &mut queries[row * query..][..across]);
            row_scales[row] = quantise(isa, q, to) * shape.scale() * LOG2_E + head.wrong;
        }
        let (mut largest, mut sums) = ([f32::NEG_INFINITY; QUERIES], [0.0; QUERIES]);
        let mut factors = [0.0; QUERIES];
        for (tile, first) in (0..head.n_keys).step_by(KEYS).enumerate() {
            let keys = (head.n_keys - first).min(KEYS);
            let panels = head.keys[first * across..].chunks_exact(across * NR);
            let panels = panels.take(keys.div_ceil(NR));
            // SAFETY: there are rows of queries for whole blocks.
            unsafe {
                product(dots, queries, query, n_rows, panels, across, |sums, rows, col| {
                    let columns = Columns {
                        scales: &head.key_scales[first + col..][..NR],
                        offsets: &head.key_offsets[first + col..][..NR],
                        bias: &[0.0; NR],
                    };
                    let to = &mut scores[rows.start * PITCH + col..];
                    finish(isa, sums, &row_scales[rows], columns, to, PITCH);
                });
            }
            let [quads, _] = layout(keys);
            for row in 0..n_rows {
                let scores = &mut scores[row * PITCH..][..4 * quads];
                scores[keys..].fill(f32::NEG_INFINITY);
                let to = &mut weights[row * weight..][..quads];
                let (highest, sum) = weigh(isa, scores, head.thresholds, to);
                let before = largest[row];
                largest[row] = if before > highest { before } else { highest };
                factors[row] = (highest - largest[row]).exp2();
                if tile > 0 && largest[row] > before {
                    let factor = (before - largest[row]).exp2();
                    sums[row] *= factor;
                    mixed[row * columns..][..columns].iter_mut().for_each(|value| *value *= factor);
                }
                sums[row] += factors[row] * sum;
            }
            let panels = head.values[tile * WEIGHTS * columns..].chunks_exact(WEIGHTS * NR);
            let panels = panels.take(columns / NR);
            // SAFETY: there are rows of weights for whole blocks.
            unsafe {
                product(dots, weights, weight, n_rows, panels, quads, |sums, rows, col| {
                    let scales = head.value_scales[tile * columns + col..].first_chunk();
                    let scales = scales.expect("whole panels");
                    let to = &mut mixed[rows.start * columns + col..];
                    accumulate(isa, sums, &factors[rows], scales, to, columns);
                });
            }
        }
        for row in 0..n_rows {
            let (q, mixed) = (&q[row * token..][..width], &mixed[row * columns..][..width]);
            // SAFETY: outputs and sums of the rows are writable.
            unsafe {
                let of_mean = divide(isa, mixed, sums[row], out.add(row * token), q, head.mean);
                let log = (sums[row] / LARGEST_WEIGHT).log2() + largest[row];
                *log_sums.add(row) = log * LN_2 + of_mean * shape.scale();
            }
        }
    });
}

/// Calls `f` with the sums of each block of the product of `n_rows` rows, `stride` words apart, and panels; with its rows and
/// its first column, too.
///
/// # Safety
/// `left` must have rows for whole blocks, each panel at least `quads`.
unsafe fn product<'a, D: Dots>(
    dots: D,
    left: &[u32],
    stride: usize,
    n_rows: usize,
    panels: impl Iterator<Item = &'a [u32]>,
    quads: usize,
    mut f: impl FnMut(&Sums, Range<usize>, usize),
) {
    let mut sums = Sums::ZERO;
    for (idx, panel) in panels.enumerate() {
        for row in (0..n_rows).step_by(D::MR) {
            let rows = row..(row + D::MR).min(n_rows);
            // SAFETY: as the caller promises.
            unsafe {
                let left = left[row * stride..].as_ptr();
                dots.block(left, stride, rows.len(), panel.as_ptr(), quads, &mut sums);
            }
            f(&sums, rows, idx * NR);
        }
    }
}

/// `2^x` for an `x` of at most zero, with a relative error of at most 1e-4, times [`LARGEST_WEIGHT`].
#[inline(always)]
fn weight(x: f32) -> f32 {
    /// Far below what any threshold makes one of.
    const FLOOR: f32 = -30.0;
    const TERMS: [f32; 4] = [0.999_928_06, 0.693_261, 0.242_611_15, 0.055_171_67];
    let x = if x > FLOOR { x } else { FLOOR };
    let rounded = x + ROUND;
    let rest = x - (rounded - ROUND);
    let mut power = TERMS[3] * LARGEST_WEIGHT;
    for term in TERMS[..3].iter().rev() {
        power = power * rest + term * LARGEST_WEIGHT;
    }
    f32::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 23))
}

for_each_isa! {
    /// Stores the weights of a row of scores, which are powers of two, relative to the largest; returns that score and the
    /// sum of what is stored.
    fn weigh(scores: &[f32], thresholds: &[f32; KEYS], to: &mut [u32]) -> (f32, f32) {
        const LANES: usize = 16;
        let scores = scores.as_chunks::<LANES>().0;
        let mut largest = [f32::NEG_INFINITY; LANES];
        for scores in scores {
            for lane in 0..LANES {
                let score = scores[lane];
                largest[lane] = if score > largest[lane] { score } else { largest[lane] };
            }
        }
        let largest = folded(largest, |a, b| if a > b { a } else { b });
        let mut sums = [0_i32; LANES];
        let pieces = to.as_chunks_mut::<{ LANES / 4 }>().0.iter_mut().zip(scores);
        for ((to, scores), thresholds) in pieces.zip(thresholds.as_chunks::<LANES>().0) {
            let mut bytes = [0_u8; LANES];
            for lane in 0..LANES {
                let raised = weight(scores[lane] - largest) + thresholds[lane];
                // SAFETY: a weight is a number up to 254.1, whatever the score, and a threshold less than one.
                let stored: i32 = unsafe { raised.to_int_unchecked() };
                sums[lane] += stored;
                bytes[lane] = stored as u8;
            }
            for (to, bytes) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *to = u32::from_le_bytes(*bytes);
            }
        }
        (largest, folded(sums, |a, b| a + b) as f32)
    }
}

for_each_isa! {
    /// Adds scaled sums to rows `stride` apart.
    fn accumulate(sums: &Sums, rows: &[f32], scales: &[f32; NR], to: &mut [f32], stride: usize) {
        for ((sums, row_scale), to) in sums.0.iter().zip(rows).zip(to.chunks_mut(stride)) {
            let to: &mut [f32; NR] = to.first_chunk_mut().expect("whole panels");
            for ((to, sum), scale) in to.iter_mut().zip(sums).zip(scales) {
                *to += *sum as f32 * (row_scale * scale);
            }
        }
    }
}

for_each_isa! {
    /// Writes mixed values over their sum to `out`, which must be writable; returns the product of query and mean.
    fn divide(mixed: &[f32], sum: f32, out: *mut f32, q: &[f32], mean: &[f32]) -> f32 {
        let inverse = 1.0 / sum;
        // SAFETY: writable by the caller's promise.
        let out = unsafe { std::slice::from_raw_parts_mut(out, mixed.len()) };
        for (out, value) in out.iter_mut().zip(mixed) {
            *out = value * inverse;
        }
        let [product] = sums([q, mean], |[q, mean]| [q * mean]);
        product
    }
}
