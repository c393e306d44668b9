//! The backward pass: heads side by side; within a head, blocks of queries one after the other.

use super::super::Shape;
use super::super::head::Head;
use super::super::softmax::Copy;
use super::BLOCK;
use super::product::{Left, Product, ROWS, Transpose};
use crate::lanes::Lanes;
use crate::memory::with_scratch;

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
    let of_head = |head: &Head| {
        with_scratch(Scratch::len(head), |memory| {
            // SAFETY: the scratch has the length asked for, and the head is one of the tensors.
            unsafe {
                let scratch = Scratch::new(memory.cast(), head);
                Pass { lanes, head, scratch }.run();
            }
        });
    };
    // SAFETY: as the caller promises.
    unsafe { Head::for_each(inputs, saved, key_lens, shape, grads, of_head) };
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

/// The pass over a head.
struct Pass<'a, L> {
    lanes: L,
    head: &'a Head,
    scratch: Scratch,
}

impl<L: Lanes> Pass<'_, L> {
    /// Writes the gradients of the head.
    ///
    /// # Safety
    /// The head's pointers must be good for its shape and the scratch for the head.
    unsafe fn run(&self) {
        let Self { lanes, head, scratch } = self;
        let Shape { n_queries, d_head: width, .. } = head.shape;
        // SAFETY: as the caller promises.
        unsafe {
            for (from, to) in [(head.k, scratch.turned_k), (head.v, scratch.turned_v)] {
                let (stride, pitch) = (head.shape.token(), head.shape.pitch());
                lanes.run(Transpose { from, stride, rows: head.keys, cols: width, to, pitch });
            }
            self.gather(head.k, head.keys, scratch.k);
            for first in (0..n_queries).step_by(BLOCK) {
                self.block(first, (n_queries - first).min(BLOCK));
            }
            head.write_keys(*lanes, [scratch.dk, scratch.dv]);
        }
    }

    /// Writes the gradients to the queries of a block, and adds its share to those of keys and values.
    ///
    /// # Safety
    /// As for [`Pass::run`].
    unsafe fn block(&self, first: usize, rows: usize) {
        let Self { lanes, head, scratch } = self;
        let (keys, width) = (head.keys, head.shape.d_head);
        let (token, pitch) = (head.shape.token(), head.shape.pitch());
        // SAFETY: as the caller promises.
        unsafe {
            self.gather(head.q.add(first * token), rows, scratch.q);
            self.gather(head.d_out.add(first * token), rows, scratch.d_out);
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
                    sizes: [rows, width, keys.next_multiple_of(16)],
                    add: false,
                });
            }
            let both = [scratch.scores, scratch.d_scores];
            lanes.run(head.gradients::<false>(both, pitch, [first, rows], keys));
            lanes.run(Product {
                left: Left { at: scratch.d_scores, row: pitch, step: 1 },
                right: scratch.k,
                right_row: width,
                out: scratch.dq,
                out_row: width,
                sizes: [rows, keys, width],
                add: false,
            });
            head.write_queries(*lanes, scratch.dq, [first, rows]);
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
    unsafe fn gather(&self, from: *const f32, rows: usize, to: *mut f32) {
        let (width, from_row) = (self.head.shape.d_head, self.head.shape.token());
        let copy =
            Copy { from, from_row, to, to_row: width, rows, width, scale: 1.0, factors: None };
        // SAFETY: as the caller promises.
        unsafe { self.lanes.run(copy) };
    }
}
