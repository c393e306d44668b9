//! The forward pass with products of bf16: blocks of queries against tiles of keys, with running maxima.

use rayon::prelude::*;

use super::super::Shape;
use super::super::softmax::{Copy, Running, log_sum};
use super::{Left, PLANE, Panels, QUERIES, pack_rows, product, rows_len};
use crate::lanes::Lanes;
use crate::matmul::plane_chunks;
use crate::matmul::tile::{CHUNK, Chunk, Init, NR, Rows, Simd};
use crate::memory::{Shared, with_scratch};

/// Keys of a tile; a multiple of the columns of a panel and of the pairs of a chunk.
const KEYS: usize = 512;
/// Floats from one row of scores to the next: an odd number of cache lines.
const PITCH: usize = KEYS + 16;

/// Keys and values of a head, packed.
#[derive(Clone, Copy)]
struct Packed {
    keys: Panels,
    values: Panels,
    n_keys: usize,
}

/// Writes outputs and logarithms of sums.
///
/// # Safety
/// The inputs must fit the shape, `out` be writable for `[batch, n_queries, n_heads, d_head]` and
/// `[batch, n_heads, n_queries]`.
pub(crate) unsafe fn attend<S: Simd>(
    simd: S,
    [q, k, v]: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    out: [*mut f32; 2],
) {
    let Shape { batch, n_heads, n_queries, n_keys, d_head: width } = shape;
    let token = shape.token();
    let zeros = vec![0.0_f32; width];
    let [out, log_sums] = out.map(Shared::new);
    (0..batch * n_heads).into_par_iter().for_each(|head| {
        let keys = shape.valid_keys(key_lens, head);
        let [k, v] = [k, v].map(|values| values[shape.start(head, n_keys)..].as_ptr());
        let [key_stride, keys_len] = Panels::sizes_of_columns(keys, width);
        let [value_stride, values_len] = Panels::sizes_of_rows(keys, width);
        with_scratch(keys_len + values_len, |scratch| {
            let packed = Packed {
                keys: Panels::new(scratch, key_stride),
                values: Panels::new(scratch.wrapping_add(keys_len), value_stride),
                n_keys: keys,
            };
            // SAFETY: the scratch holds all panels; keys and values of the head are readable.
            unsafe {
                packed.keys.pack_columns(simd, k, token, [keys, width]);
                packed.values.pack_rows(simd, v, token, [keys, width], &zeros);
            }
            (0..n_queries.div_ceil(QUERIES)).into_par_iter().for_each(|block| {
                let first = block * QUERIES;
                let rows = (n_queries - first).min(QUERIES);
                let at = shape.start(head, n_queries) + first * token;
                // SAFETY: the queries exist; each task writes the outputs and sums of its own queries.
                unsafe {
                    let to = [out.get().add(at), log_sums.get().add(head * n_queries + first)];
                    attend_block(simd, q.as_ptr().add(at), rows, packed, shape, to);
                }
            });
        });
    });
}

/// One block of queries against all keys of its head.
///
/// # Safety
/// `rows` queries must be readable at `q`, as many outputs and sums writable, and the operands be those of the head.
unsafe fn attend_block<S: Simd>(
    simd: S,
    q: *const f32,
    rows: usize,
    packed: Packed,
    shape: Shape,
    [out, log_sums]: [*mut f32; 2],
) {
    let (width, token) = (shape.d_head, shape.token());
    let (queries_len, weights_len) = (rows_len::<S>(width), rows_len::<S>(KEYS));
    let floats = QUERIES * (PITCH + width + 2);
    with_scratch(queries_len + weights_len + floats, |queries| {
        let weights = queries.wrapping_add(queries_len);
        let scores = weights.wrapping_add(weights_len).cast::<f32>();
        let mixed = scores.wrapping_add(QUERIES * PITCH);
        let largest = mixed.wrapping_add(QUERIES * width);
        let sums = largest.wrapping_add(QUERIES);
        let block = S::WIDE * S::MR * CHUNK;
        // SAFETY: the scratch holds every piece, each with the rows of whole blocks; the rest is the caller's promise.
        unsafe {
            pack_rows(simd, q, token, [rows, width], queries);
            let across: Vec<Chunk> = plane_chunks(width, PLANE, 0).collect();
            for first in (0..packed.n_keys).step_by(KEYS) {
                let keys = (packed.n_keys - first).min(KEYS);
                let left = Left { at: queries, chunks: &across, block };
                let right = packed.keys.from(first / NR, 0);
                product::<_, Rows>(simd, left, right, scores, PITCH, [rows, keys], Init::Zero);
                simd.vectors().run(Running {
                    scores,
                    pitch: PITCH,
                    rows,
                    keys,
                    scale: shape.scale(),
                    largest,
                    sums,
                    mixed,
                    width,
                    is_first: first == 0,
                });
                pack_rows(simd, scores, PITCH, [rows, keys], weights);
                let along: Vec<Chunk> = plane_chunks(keys, PLANE, 0).collect();
                let init = if first == 0 { Init::Zero } else { Init::Output };
                let left = Left { at: weights, chunks: &along, block };
                let right = packed.values.from(0, first / 2);
                product::<_, Rows>(simd, left, right, mixed, width, [rows, width], init);
            }
            for row in 0..rows {
                let sum = sums.add(row);
                *log_sums.add(row) = log_sum(*sum, *largest.add(row), shape.scale());
                *sum = 1.0 / *sum;
            }
            simd.vectors().run(Copy {
                from: mixed,
                from_row: width,
                to: out,
                to_row: token,
                rows,
                width,
                scale: 1.0,
                factors: Some(sums),
            });
        }
    });
}
