//! The forward pass with products in bf16: blocks of queries against tiles of keys, with running maxima.

use rayon::prelude::*;

use super::Shape;
use super::softmax::{Copy, Running};
use crate::lanes::Lanes;
use crate::matmul::tile::{CHUNK, Chunk, Init, MR_MAX, NR, Out, Rows, Simd};
use crate::matmul::{panel_stride, plane_chunks, set_rows};
use crate::memory::{Shared, with_scratch};

/// Queries of a block: whole blocks of a product on every instruction set.
const QUERIES: usize = 96;
/// Keys of a tile; a multiple of the columns of a panel and of the pairs of a chunk.
const KEYS: usize = 512;
/// Floats from one row of scores to the next: an odd number of cache lines.
const PITCH: usize = KEYS + 16;

/// Keys and values of a head, packed.
#[derive(Clone, Copy)]
struct Packed {
    keys: Shared<u32>,
    values: Shared<u32>,
    /// Words of a panel of keys, and from one panel of values to the next.
    panels: [usize; 2],
    n_keys: usize,
}

/// Writes outputs.
///
/// # Safety
/// The inputs must fit the shape, `out` be writable for `[batch, n_queries, n_heads, d_head]`.
pub(super) unsafe fn attend<S: Simd>(
    simd: S,
    [q, k, v]: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    out: *mut f32,
) {
    let Shape { batch, n_heads, n_queries, n_keys, d_head: width } = shape;
    let token = shape.token();
    let zeros = vec![0.0_f32; width];
    let out = Shared::new(out);
    (0..batch * n_heads).into_par_iter().for_each(|head| {
        let keys = shape.valid_keys(key_lens, head);
        let [k, v] = [k, v].map(|values| values[shape.start(head, n_keys)..].as_ptr());
        let panels = [width / 2 * NR, panel_stride(NR, keys.div_ceil(2))];
        let keys_len = keys.div_ceil(NR) * panels[0];
        with_scratch(keys_len + width.div_ceil(NR) * panels[1], |scratch| {
            let values = scratch.wrapping_add(keys_len);
            // SAFETY: the scratch holds all panels; keys and values of the head are readable.
            unsafe {
                for (panel, first) in (0..keys).step_by(NR).enumerate() {
                    let from = k.add(first * token);
                    let to = scratch.add(panel * panels[0]);
                    simd.pack_transposed(from, token, width, (keys - first).min(NR), to);
                }
                for (pair, first) in (0..keys).step_by(2).enumerate() {
                    let low = v.add(first * token);
                    let high = if first + 1 < keys { low.add(token) } else { zeros.as_ptr() };
                    simd.pack_pair(low, high, width, values.add(pair * NR), panels[1]);
                }
            }
            let packed = Packed {
                keys: Shared::new(scratch),
                values: Shared::new(values),
                panels,
                n_keys: keys,
            };
            (0..n_queries.div_ceil(QUERIES)).into_par_iter().for_each(|block| {
                let first = block * QUERIES;
                let rows = (n_queries - first).min(QUERIES);
                let at = shape.start(head, n_queries) + first * token;
                // SAFETY: the queries exist; each task writes the outputs of its own queries.
                unsafe {
                    let q = q.as_ptr().add(at);
                    attend_block(simd, q, rows, packed, shape, out.get().add(at));
                }
            });
        });
    });
}

/// One block of queries against all keys of its head.
///
/// # Safety
/// `rows` queries must be readable at `q`, as many outputs writable at `out`, and the operands be those of the head.
unsafe fn attend_block<S: Simd>(
    simd: S,
    q: *const f32,
    rows: usize,
    packed: Packed,
    shape: Shape,
    out: *mut f32,
) {
    let (width, token) = (shape.d_head, shape.token());
    let plane = QUERIES * CHUNK;
    let planes_len = |values: usize| S::WIDE * (values / 2).div_ceil(CHUNK) * plane;
    let (queries_len, weights_len) = (planes_len(width), planes_len(KEYS));
    let floats = QUERIES * (PITCH + width + 2);
    with_scratch(queries_len + weights_len + floats, |queries| {
        let weights = queries.wrapping_add(queries_len);
        let scores = weights.wrapping_add(weights_len).cast::<f32>();
        let mixed = scores.wrapping_add(QUERIES * PITCH);
        let largest = mixed.wrapping_add(QUERIES * width);
        let sums = largest.wrapping_add(QUERIES);
        // SAFETY: the scratch holds every piece, each with the rows of whole blocks; the rest is the caller's promise.
        unsafe {
            for row in 0..rows {
                let to = queries.add(S::WIDE * row * CHUNK);
                simd.pack_row(q.add(row * token), width, to, plane);
            }
            let mut to: Out = [std::ptr::null_mut(); MR_MAX];
            let chunks: Vec<Chunk> = plane_chunks(width, plane, 0).collect();
            for first in (0..packed.n_keys).step_by(KEYS) {
                let keys = (packed.n_keys - first).min(KEYS);
                for col in (0..keys).step_by(NR) {
                    let b = packed.keys.get().add((first + col) / NR * packed.panels[0]);
                    for row in (0..rows).step_by(S::MR) {
                        let first = scores.add(row * PITCH + col);
                        set_rows::<S>(&mut to, first, PITCH, rows - row);
                        let a = queries.add(S::WIDE * row * CHUNK);
                        simd.block::<Rows>(a, &chunks, b, &to, NR, Init::Zero);
                    }
                }
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
                for row in 0..rows {
                    let to = weights.add(S::WIDE * row * CHUNK);
                    simd.pack_row(scores.add(row * PITCH), keys, to, plane);
                }
                let chunks: Vec<Chunk> = plane_chunks(keys, plane, 0).collect();
                let init = if first == 0 { Init::Zero } else { Init::Output };
                for (panel, col) in (0..width).step_by(NR).enumerate() {
                    let b = packed.values.get().add(panel * packed.panels[1] + first / 2 * NR);
                    let cols = (width - col).min(NR);
                    for row in (0..rows).step_by(S::MR) {
                        let first = mixed.add(row * width + col);
                        set_rows::<S>(&mut to, first, width, rows - row);
                        let a = weights.add(S::WIDE * row * CHUNK);
                        simd.block::<Rows>(a, &chunks, b, &to, cols, init);
                    }
                }
            }
            for row in 0..rows {
                *sums.add(row) = 1.0 / *sums.add(row);
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
