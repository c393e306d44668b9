//! A head of the backward pass: where its tensors are, and the steps that do not depend on how products are formed.

use rayon::prelude::*;

use super::Shape;
use super::softmax::{Copy, Gradients};
use crate::lanes::Lanes;
use crate::memory::Shared;

/// The tensors of a head, with tokens [`Shape::token`] apart.
pub(super) struct Head {
    pub(super) shape: Shape,
    /// Keys that are valid.
    pub(super) keys: usize,
    pub(super) q: *const f32,
    pub(super) k: *const f32,
    pub(super) v: *const f32,
    pub(super) d_out: *const f32,
    out: *const f32,
    log_sums: *const f32,
    dq: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
}

impl Head {
    /// Calls `f` with all heads, side by side; `saved` are outputs, logarithms of sums and gradients to outputs.
    ///
    /// # Safety
    /// The slices must fit the shape, `grads` be writable for the inputs.
    pub(super) unsafe fn for_each(
        inputs: [&[f32]; 3],
        saved: [&[f32]; 3],
        key_lens: Option<&[usize]>,
        shape: Shape,
        grads: [*mut f32; 3],
        f: impl Fn(&Self) + Sync,
    ) {
        let Shape { n_queries, n_keys, n_heads, .. } = shape;
        let [q, k, v] = inputs.map(|values| Shared::new(values.as_ptr().cast_mut()));
        let [out, log_sums, d_out] = saved.map(|values| Shared::new(values.as_ptr().cast_mut()));
        let [dq, dk, dv] = grads.map(Shared::new);
        (0..shape.batch * n_heads).into_par_iter().for_each(|idx| {
            let (query, key) = (shape.start(idx, n_queries), shape.start(idx, n_keys));
            // SAFETY: each head starts within its tensor, and has gradients of its own.
            let head = unsafe {
                Self {
                    shape,
                    keys: shape.valid_keys(key_lens, idx),
                    q: q.get().add(query),
                    k: k.get().add(key),
                    v: v.get().add(key),
                    d_out: d_out.get().add(query),
                    out: out.get().add(query),
                    log_sums: log_sums.get().add(idx * n_queries),
                    dq: dq.get().add(query),
                    dk: dk.get().add(key),
                    dv: dv.get().add(key),
                }
            };
            f(&head);
        });
    }

    /// The step from scores and gradients to weights, `[scores, grads]`, of some queries and keys.
    ///
    /// # Safety
    /// The queries must exist.
    pub(super) unsafe fn gradients<const ROUGH: bool>(
        &self,
        [scores, grads]: [*mut f32; 2],
        pitch: usize,
        [first, rows]: [usize; 2],
        keys: usize,
    ) -> Gradients<ROUGH> {
        let (token, width, scale) = (self.shape.token(), self.shape.d_head, self.shape.scale());
        // SAFETY: as the caller promises.
        let (log_sums, out, d_out) = unsafe {
            let at = first * token;
            (self.log_sums.add(first), self.out.add(at), self.d_out.add(at))
        };
        Gradients { scores, grads, pitch, rows, keys, scale, log_sums, out, d_out, token, width }
    }

    /// Writes the gradients to some queries from rows that still lack the scale.
    ///
    /// # Safety
    /// The rows must be readable, and the queries exist.
    pub(super) unsafe fn write_queries<L: Lanes>(
        &self,
        lanes: L,
        from: *const f32,
        [first, rows]: [usize; 2],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            let to = self.dq.add(first * self.shape.token());
            self.scatter(lanes, from, rows, self.shape.scale(), to);
        }
    }

    /// Writes the gradients to keys and values from rows for all valid keys, those to keys still without the scale.
    ///
    /// # Safety
    /// The rows must be readable.
    pub(super) unsafe fn write_keys<L: Lanes>(&self, lanes: L, [dk, dv]: [*const f32; 2]) {
        let Shape { n_queries, n_keys, d_head: width, .. } = self.shape;
        let rows = if n_queries > 0 { self.keys } else { 0 };
        for (from, to, scale) in [(dk, self.dk, self.shape.scale()), (dv, self.dv, 1.0)] {
            // SAFETY: as the caller promises; all keys of the head exist.
            unsafe {
                self.scatter(lanes, from, rows, scale, to);
                for key in rows..n_keys {
                    to.add(key * self.shape.token()).write_bytes(0, width);
                }
            }
        }
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
