//! The forward pass: heads side by side, and blocks of queries within a head.

use rayon::prelude::*;

use super::super::Shape;
use super::super::softmax::{Copy, Weights};
use super::BLOCK;
use super::product::{Left, Product, Transpose};
use crate::lanes::Lanes;
use crate::memory::{Shared, with_scratch};

/// Writes outputs and logarithms of sums.
///
/// # Safety
/// The inputs must fit the shape, `out` be writable for `[batch, n_queries, n_heads, d_head]` and
/// `[batch, n_heads, n_queries]`.
pub(crate) unsafe fn attend<L: Lanes>(
    lanes: L,
    [q, k, v]: [&[f32]; 3],
    key_lens: Option<&[usize]>,
    shape: Shape,
    out: [*mut f32; 2],
) {
    let Shape { batch, n_heads, n_queries, n_keys, d_head: width } = shape;
    let (token, pitch) = (shape.token(), shape.pitch());
    let [out, log_sums] = out.map(Shared::new);
    (0..batch * n_heads).into_par_iter().for_each(|head| {
        let keys = shape.valid_keys(key_lens, head);
        let q = &q[shape.start(head, n_queries).min(q.len())..];
        let [k, v] = [k, v].map(|values| values[shape.start(head, n_keys)..].as_ptr());
        with_scratch((pitch + keys) * width, |scratch| {
            let (turned, values) =
                (scratch.cast::<f32>(), scratch.cast::<f32>().wrapping_add(pitch * width));
            // SAFETY: the scratch holds the keys, turned, and the values of the head.
            unsafe {
                lanes.run(Transpose {
                    from: k,
                    stride: token,
                    rows: keys,
                    cols: width,
                    to: turned,
                    pitch,
                });
                lanes.run(Copy {
                    from: v,
                    from_row: token,
                    to: values,
                    to_row: width,
                    rows: keys,
                    width,
                    scale: 1.0,
                    factors: None,
                });
            }
            let (turned, values) = (Shared::new(turned), Shared::new(values));
            (0..n_queries.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
                let first = block * BLOCK;
                let rows = (n_queries - first).min(BLOCK);
                with_scratch(BLOCK * (pitch + width + 1), |scratch| {
                    let scores = scratch.cast::<f32>();
                    let mixed = scores.wrapping_add(BLOCK * pitch);
                    let inverses = mixed.wrapping_add(BLOCK * width);
                    // SAFETY: the scratch holds a block; each task writes the outputs of its own queries.
                    unsafe {
                        lanes.run(Product {
                            left: Left { at: q[first * token..].as_ptr(), row: token, step: 1 },
                            right: turned.get(),
                            right_row: pitch,
                            out: scores,
                            out_row: pitch,
                            sizes: [rows, width, keys.next_multiple_of(16)],
                            add: false,
                        });
                        lanes.run(Weights {
                            scores,
                            pitch,
                            rows,
                            keys,
                            scale: shape.scale(),
                            log_sums: log_sums.get().add(head * n_queries + first),
                            inverses,
                        });
                        lanes.run(Product {
                            left: Left { at: scores, row: pitch, step: 1 },
                            right: values.get(),
                            right_row: width,
                            out: mixed,
                            out_row: width,
                            sizes: [rows, keys, width],
                            add: false,
                        });
                        lanes.run(Copy {
                            from: mixed,
                            from_row: width,
                            to: out.get().add(shape.start(head, n_queries) + first * token),
                            to_row: token,
                            rows,
                            width,
                            scale: 1.0,
                            factors: Some(inverses),
                        });
                    }
                });
            });
        });
    });
}
