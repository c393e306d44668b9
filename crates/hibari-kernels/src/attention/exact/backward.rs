//! The backward pass: heads side by side; within a head, blocks of queries one after the other.

use rayon::prelude::*;

use super::super::Shape;
use super::super::softmax::{Copy, Gradients};
use super::BLOCK;
use super::product::{Left, Product, ROWS, Transpose};
use crate::lanes::Lanes;
use crate::memory::{Shared, with_scratch};

/// Writes the gradients to queries, keys and values; `saved` are outputs, logarithms of sums and gradients to outputs.
///
/// # Safety
/// The slices must fit the shape, `grads` be writable for the inputs.
pub(crate) unsafe fn attend_backward<L: Lanes>(
    lanes: L,
    inputs: [&[f32]; 3],
    saved: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    grads: [*mut f32; 3],
) {
    let Shape { n_queries, n_keys, n_heads, .. } = shape;
    let [q, k, v] = inputs.map(|values| Shared::new(values.as_ptr().cast_mut()));
    let [out, log_sums, d_out] = saved.map(|values| Shared::new(values.as_ptr().cast_mut()));
    let [dq, dk, dv] = grads.map(Shared::new);
    (0..shape.batch * n_heads).into_par_iter().for_each(|idx| {
        let (query, key) = (shape.start(idx, n_queries), shape.start(idx, n_keys));
        // SAFETY: each head starts within its tensor, and has gradients of its own.
        let head = unsafe {
            Head {
                shape,
                keys: shape.valid_keys(key_lens, idx),
                q: q.get().add(query),
                k: k.get().add(key),
                v: v.get().add(key),
                out: out.get().add(query),
                d_out: d_out.get().add(query),
                log_sums: log_sums.get().add(idx * n_queries),
                dq: dq.get().add(query),
                dk: dk.get().add(key),
                dv: dv.get().add(key),
            }
        };
        with_scratch(Scratch::len(&head), |scratch| {
            // SAFETY: the scratch has the length asked for; the head's pointers are good as above.
            unsafe { head.backward(lanes, &Scratch::new(scratch.cast(), &head)) };
        });
    });
}

/// One head: its tensors, with tokens [`Shape::token`] apart.
struct Head {
    shape: Shape,
    keys: usize,
    q: *const f32,
    k: *const f32,
    v: *const f32,
    out: *const f32,
    d_out: *const f32,
    log_sums: *const f32,
    dq: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
}

/// Working memory of a head. Rows of keys are completed to whole tiles.
struct Scratch {
    /// Keys and values, turned: `[d_head, pitch]`.
    turned_k: *mut f32,
    turned_v: *mut f32,
    /// Keys, and gradients to keys and values: `[keys, d_head]`.
    k: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
    /// A block's scores and the gradients to them: `[BLOCK, pitch]`.
    scores: *mut f32,
    d_scores: *mut f32,
    /// A block's queries, their gradients and those to the outputs: `[BLOCK, d_head]`.
    q: *mut f32,
    dq: *mut f32,
    d_out: *mut f32,
}

impl Scratch {
    /// Floats of a turned matrix, of rows of keys, of scores, and of a block.
    fn parts(head: &Head) -> [usize; 4] {
        let (width, pitch) = (head.shape.d_head, head.shape.pitch());
        [width * pitch, head.keys.next_multiple_of(ROWS) * width, BLOCK * pitch, BLOCK * width]
    }

    fn len(head: &Head) -> usize {
        let [turned, keys, scores, block] = Self::parts(head);
        2 * turned + 3 * keys + 2 * scores + 3 * block
    }

    /// Divides memory of [`Scratch::len`] floats.
    ///
    /// # Safety
    /// `at` must be writable for it.
    unsafe fn new(at: *mut f32, head: &Head) -> Self {
        let [turned, keys, scores, block] = Self::parts(head);
        let mut at = at;
        let mut take = |len: usize| {
            let part = at;
            at = at.wrapping_add(len);
            part
        };
        Self {
            turned_k: take(turned),
            turned_v: take(turned),
            k: take(keys),
            dk: take(keys),
            dv: take(keys),
            scores: take(scores),
            d_scores: take(scores),
            q: take(block),
            dq: take(block),
            d_out: take(block),
        }
    }
}

impl Head {
    /// Writes the gradients of the head.
    ///
    /// # Safety
    /// The pointers must be good for the shape and the scratch for the head.
    unsafe fn backward<L: Lanes>(&self, lanes: L, scratch: &Scratch) {
        let Shape { n_queries, n_keys, d_head: width, .. } = self.shape;
        let (token, scale) = (self.shape.token(), self.shape.scale());
        // SAFETY: as the caller promises.
        unsafe {
            for (from, to) in [(self.k, scratch.turned_k), (self.v, scratch.turned_v)] {
                let (rows, cols, pitch) = (self.keys, width, self.shape.pitch());
                lanes.run(Transpose { from, stride: token, rows, cols, to, pitch });
            }
            self.gather(lanes, self.k, self.keys, scratch.k);
            for first in (0..n_queries).step_by(BLOCK) {
                self.block(lanes, scratch, first, (n_queries - first).min(BLOCK));
            }
            for (from, to, scale) in [(scratch.dk, self.dk, scale), (scratch.dv, self.dv, 1.0)] {
                let rows = if n_queries > 0 { self.keys } else { 0 };
                self.scatter(lanes, from, rows, scale, to);
                for key in rows..n_keys {
                    to.add(key * token).write_bytes(0, width);
                }
            }
        }
    }

    /// Writes the gradients to the queries of a block, and adds its share to those of keys and values.
    ///
    /// # Safety
    /// As for [`Head::backward`].
    unsafe fn block<L: Lanes>(&self, lanes: L, scratch: &Scratch, first: usize, rows: usize) {
        let (keys, width) = (self.keys, self.shape.d_head);
        let (token, pitch) = (self.shape.token(), self.shape.pitch());
        let (scale, padded) = (self.shape.scale(), keys.next_multiple_of(16));
        // SAFETY: as the caller promises.
        unsafe {
            self.gather(lanes, self.q.add(first * token), rows, scratch.q);
            self.gather(lanes, self.d_out.add(first * token), rows, scratch.d_out);
            for (left, right, out) in [
                (scratch.q, scratch.turned_k, scratch.scores),
                (scratch.d_out, scratch.turned_v, scratch.d_scores),
            ] {
                lanes.run(Product {
                    left: Left { at: left, row: width, step: 1 },
                    right,
                    right_row: pitch,
                    out,
                    out_row: pitch,
                    sizes: [rows, width, padded],
                    add: false,
                });
            }
            lanes.run(Gradients::<false> {
                scores: scratch.scores,
                grads: scratch.d_scores,
                pitch,
                rows,
                keys,
                scale,
                log_sums: self.log_sums.add(first),
                out: self.out.add(first * token),
                d_out: self.d_out.add(first * token),
                token,
                width,
            });
            lanes.run(Product {
                left: Left { at: scratch.d_scores, row: pitch, step: 1 },
                right: scratch.k,
                right_row: width,
                out: scratch.dq,
                out_row: width,
                sizes: [rows, keys, width],
                add: false,
            });
            self.scatter(lanes, scratch.dq, rows, scale, self.dq.add(first * token));
            for (left, right, out) in [
                (scratch.scores, scratch.d_out, scratch.dv),
                (scratch.d_scores, scratch.q, scratch.dk),
            ] {
                lanes.run(Product {
                    left: Left { at: left, row: 1, step: pitch },
                    right,
                    right_row: width,
                    out,
                    out_row: width,
                    sizes: [keys, rows, width],
                    add: first > 0,
                });
            }
        }
    }

    /// Copies rows of a tensor side by side.
    ///
    /// # Safety
    /// `from` must be readable for tokens, `to` writable for rows of a head.
    unsafe fn gather<L: Lanes>(&self, lanes: L, from: *const f32, rows: usize, to: *mut f32) {
        let (width, from_row) = (self.shape.d_head, self.shape.token());
        let copy =
            Copy { from, from_row, to, to_row: width, rows, width, scale: 1.0, factors: None };
        // SAFETY: as the caller promises.
        unsafe { lanes.run(copy) };
    }

    /// Copies rows side by side, times `scale`, to rows of a tensor.
    ///
    /// # Safety
    /// `from` must be readable for rows of a head, `to` writable for tokens.
    unsafe fn scatter<L: Lanes>(
        &self,
        lanes: L,
        from: *const f32,
        rows: usize,
        scale: f32,
        to: *mut f32,
    ) {
        let (width, to_row) = (self.shape.d_head, self.shape.token());
        let copy = Copy { from, from_row: width, to, to_row, rows, width, scale, factors: None };
        // SAFETY: as the caller promises.
        unsafe { lanes.run(copy) };
    }
}
