//! The backward pass with products of bf16: heads side by side; within a head, blocks of queries one after the other, each
//! against tiles of keys.

use super::super::Shape;
use super::super::head::Head;
use super::{Left, PLANE, Panels, QUERIES, pack_rows, product, rows_len};
use crate::lanes::Lanes;
use crate::matmul::tile::{CHUNK, Chunk, Init, NR, Rows, Simd};
use crate::matmul::{panel_stride, plane_chunks};
use crate::memory::with_scratch;

/// Keys of a tile: what a block works on stays in the second-level cache.
const KEYS: usize = 256;
/// Floats from one row of scores to the next: an odd number of cache lines.
const PITCH: usize = KEYS + 16;

/// Writes the gradients to queries, keys and values; `saved` are outputs, logarithms of sums and gradients to outputs.
///
/// # Safety
/// The slices must fit the shape, `grads` be writable for the inputs.
pub(crate) unsafe fn attend_backward<S: Simd>(
    simd: S,
    inputs: [&[f32]; 3],
    saved: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    grads: [*mut f32; 3],
) {
    let zeros = vec![0.0_f32; shape.d_head.max(KEYS)];
    let of_head = |head: &Head| {
        with_scratch(Scratch::divide::<S>(std::ptr::null_mut(), head).1, |memory| {
            let (scratch, _) = Scratch::divide::<S>(memory, head);
            // SAFETY: the scratch has the length asked for, and the head is one of the tensors.
            unsafe { Pass { simd, head, scratch, zeros: &zeros }.run() };
        });
    };
    // SAFETY: as the caller promises.
    unsafe { Head::for_each(inputs, saved, key_lens, shape, grads, of_head) };
}

/// Working memory of a head.
struct Scratch {
    /// Keys and values turned, `[d_head, keys]`, and keys, `[keys, d_head]`.
    turned_k: Panels,
    turned_v: Panels,
    k: Panels,
    /// Gradients to keys and values: `[keys, d_head]`.
    dk: *mut f32,
    dv: *mut f32,
    /// A block's queries and gradients to outputs, `[queries, d_head]`: as left operands and as right ones.
    left_q: *mut u32,
    left_d_out: *mut u32,
    q: Panels,
    d_out: Panels,
    dq: *mut f32,
    /// A tile's scores, then weights, and the gradients to the scores: `[queries, PITCH]`.
    scores: *mut f32,
    d_scores: *mut f32,
    /// One of them turned, `[keys, queries]`, as a left operand; the gradients as they are.
    turned: *mut u32,
    left_d_scores: *mut u32,
}

/// Pairs of queries from one block of rows of a turned tile to the next.
fn turned_block<S: Simd>() -> usize {
    panel_stride(S::MR, (QUERIES / 2).next_multiple_of(CHUNK))
}

impl Scratch {
    /// Divides memory among the parts; also returns the words they take.
    fn divide<S: Simd>(at: *mut u32, head: &Head) -> (Self, usize) {
        let (width, keys) = (head.shape.d_head, head.keys);
        let mut used = 0;
        let mut take = |len: usize| {
            let part = at.wrapping_add(used);
            used += len.next_multiple_of(16);
            part
        };
        let mut panels = |[stride, len]: [usize; 2]| Panels::new(take(len), stride);
        let [turned_k, turned_v] = [(); 2].map(|()| panels(Panels::sizes_of_columns(keys, width)));
        let k = panels(Panels::sizes_of_rows(keys, width));
        let [q, d_out] = [(); 2].map(|()| panels(Panels::sizes_of_rows(QUERIES, width)));
        let scratch = Self {
            turned_k,
            turned_v,
            k,
            dk: take(keys * width).cast(),
            dv: take(keys * width).cast(),
            left_q: take(rows_len::<S>(width)),
            left_d_out: take(rows_len::<S>(width)),
            q,
            d_out,
            dq: take(QUERIES * width).cast(),
            scores: take(QUERIES * PITCH).cast(),
            d_scores: take(QUERIES * PITCH).cast(),
            turned: take(S::WIDE * KEYS.div_ceil(S::MR) * turned_block::<S>()),
            left_d_scores: take(rows_len::<S>(KEYS)),
        };
        (scratch, used)
    }
}

/// The pass over a head.
struct Pass<'a, S> {
    simd: S,
    head: &'a Head,
    scratch: Scratch,
    /// As many as a row of a head or of scores.
    zeros: &'a [f32],
}

impl<S: Simd> Pass<'_, S> {
    /// Writes the gradients of the head.
    ///
    /// # Safety
    /// The head's pointers must be good for its shape and the scratch for the head.
    unsafe fn run(&self) {
        let Self { simd, head, scratch, zeros } = self;
        let Shape { n_queries, d_head: width, .. } = head.shape;
        let (token, sizes) = (head.shape.token(), [head.keys, width]);
        // SAFETY: as the caller promises.
        unsafe {
            scratch.turned_k.pack_columns(*simd, head.k, token, sizes);
            scratch.turned_v.pack_columns(*simd, head.v, token, sizes);
            scratch.k.pack_rows(*simd, head.k, token, sizes, zeros);
            for first in (0..n_queries).step_by(QUERIES) {
                self.block(first, (n_queries - first).min(QUERIES));
            }
            head.write_keys(simd.vectors(), [scratch.dk, scratch.dv]);
        }
    }

    /// Writes the gradients to the queries of a block, and adds its share to those of keys and values.
    ///
    /// # Safety
    /// As for [`Pass::run`].
    unsafe fn block(&self, first: usize, rows: usize) {
        let Self { simd, head, scratch, zeros } = self;
        let (width, token) = (head.shape.d_head, head.shape.token());
        // SAFETY: as the caller promises.
        unsafe {
            for (from, left, right) in [
                (head.q, scratch.left_q, scratch.q),
                (head.d_out, scratch.left_d_out, scratch.d_out),
            ] {
                let from = from.add(first * token);
                pack_rows(*simd, from, token, [rows, width], left);
                right.pack_rows(*simd, from, token, [rows, width], zeros);
            }
            for key in (0..head.keys).step_by(KEYS) {
                self.tile([first, rows], [key, (head.keys - key).min(KEYS)]);
            }
            head.write_queries(simd.vectors(), scratch.dq, [first, rows]);
        }
    }

    /// Adds the share of a tile of `keys` keys from `first_key` on to the gradients.
    ///
    /// # Safety
    /// As for [`Pass::run`].
    unsafe fn tile(&self, [first, rows]: [usize; 2], [first_key, keys]: [usize; 2]) {
        let Self { simd, head, scratch, .. } = self;
        let (simd, width) = (*simd, head.shape.d_head);
        let block = S::WIDE * S::MR * CHUNK;
        let chunks = |values: usize| plane_chunks(values, PLANE, 0).collect::<Vec<Chunk>>();
        let (across, along) = (chunks(width), chunks(keys));
        // SAFETY: as the caller promises.
        unsafe {
            for (at, right, out) in [
                (scratch.left_q, scratch.turned_k, scratch.scores),
                (scratch.left_d_out, scratch.turned_v, scratch.d_scores),
            ] {
                let (left, right) =
                    (Left { at, chunks: &across, block }, right.from(first_key / NR, 0));
                product::<_, Rows>(simd, left, right, out, PITCH, [rows, keys], Init::Zero);
            }
            let both = [scratch.scores, scratch.d_scores];
            simd.vectors().run(head.gradients::<true>(both, PITCH, [first, rows], keys));
            pack_rows(simd, scratch.d_scores, PITCH, [rows, keys], scratch.left_d_scores);
            let left = Left { at: scratch.left_d_scores, chunks: &along, block };
            let right = scratch.k.from(0, first_key / 2);
            let init = if first_key == 0 { Init::Zero } else { Init::Output };
            product::<_, Rows>(simd, left, right, scratch.dq, width, [rows, width], init);

            let pairs = 2 * rows.div_ceil(2);
            let down: Vec<Chunk> = plane_chunks(pairs, CHUNK * S::MR, 0).collect();
            let block = S::WIDE * turned_block::<S>();
            let init = if first == 0 { Init::Zero } else { Init::Output };
            for (from, right, out) in [
                (scratch.scores, scratch.d_out, scratch.dv),
                (scratch.d_scores, scratch.q, scratch.dk),
            ] {
                self.turn(from, [rows, keys], scratch.turned);
                let left = Left { at: scratch.turned, chunks: &down, block };
                let out = out.add(first_key * width);
                product::<_, S::Turned>(simd, left, right, out, width, [keys, width], init);
            }
        }
    }

    /// Packs `rows` rows of `keys` floats turned, as a left operand.
    ///
    /// # Safety
    /// The rows must be readable, `to` writable for a tile.
    unsafe fn turn(&self, from: *const f32, [rows, keys]: [usize; 2], to: *mut u32) {
        // SAFETY: as the caller promises; there are zeros for a row.
        unsafe {
            for (pair, first) in (0..rows).step_by(2).enumerate() {
                let low = from.add(first * PITCH);
                let high = if first + 1 < rows { low.add(PITCH) } else { self.zeros.as_ptr() };
                let to = to.add(S::WIDE * pair * S::MR);
                self.simd.pack_left_pair(low, high, keys, to, turned_block::<S>());
            }
            for panel in 0..keys.div_ceil(S::MR) {
                for chunk in 0..rows.div_ceil(2 * CHUNK) {
                    let at = panel * turned_block::<S>() + chunk * CHUNK * S::MR;
                    self.simd.turn(to.add(S::WIDE * at));
                }
            }
        }
    }
}
