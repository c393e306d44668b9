//! A residual branch with a gate for each group of tokens.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{Groups, rows_of_task};
use crate::isa::{self, Isa};
use crate::memory::{Shared, filled, written};
use crate::vector::for_each_isa;

/// `x + gate * y`.
///
/// # Shapes
/// - `x`, `y`: `[batch, tokens, width]`; returned alike
/// - `gate`: `[batch, count, width]`
/// # Panics
/// if a length does not fit or a group does not exist
/// # Source
/// DiT (arXiv:2212.09748), section 3.2, `adaLN-Zero`
#[must_use]
pub fn gated_residual(x: &[f32], y: &[f32], gate: &[f32], groups: Groups<'_>) -> Vec<f32> {
    gated_residual_on(isa::best(), x, y, gate, groups)
}

/// Gradients of [`gated_residual`] to `y` and `gate`; that to `x` is `dout` itself.
///
/// # Shapes
/// - `y`, `dout`: `[batch, tokens, width]`; `gate`: `[batch, count, width]`
/// # Panics
/// if a length does not fit or a group does not exist
#[must_use]
pub fn gated_residual_backward(
    y: &[f32],
    gate: &[f32],
    dout: &[f32],
    groups: Groups<'_>,
) -> [Vec<f32>; 2] {
    gated_residual_backward_on(isa::best(), y, gate, dout, groups)
}

pub(super) fn gated_residual_on(
    isa: Isa,
    x: &[f32],
    y: &[f32],
    gate: &[f32],
    groups: Groups<'_>,
) -> Vec<f32> {
    groups.check(&[x, y], &[gate]);
    let rows = rows_of_task(groups.width);
    let chunk = rows * groups.width.max(1);
    // SAFETY: the chunks cover the output, and each is written whole.
    unsafe {
        written(x.len(), |out| {
            let inputs = x.par_chunks(chunk).zip(y.par_chunks(chunk));
            out.par_chunks_mut(chunk).zip(inputs).enumerate().for_each(|(task, (out, (x, y)))| {
                gated_rows(isa, x, y, gate, out, groups, task * rows);
            });
        })
    }
}

pub(super) fn gated_residual_backward_on(
    isa: Isa,
    y: &[f32],
    gate: &[f32],
    dout: &[f32],
    groups: Groups<'_>,
) -> [Vec<f32>; 2] {
    groups.check(&[y, dout], &[gate]);
    let mut dgate = Vec::new();
    let fill = |dy: *mut f32| {
        let dy = Shared::new(dy);
        [dgate] = groups.sum(|first, tokens, [dgate]| {
            gated_backward_rows(isa, y, gate, dout, dy, groups, first, tokens, dgate);
        });
    };
    // SAFETY: each row of `dy` is written, by the visit to its token.
    let dy = unsafe { filled(y.len(), fill) };
    [dy, dgate]
}

for_each_isa! {
    fn gated_rows(
        x: &[f32],
        y: &[f32],
        gate: &[f32],
        out: &mut [MaybeUninit<f32>],
        groups: Groups<'_>,
        first: usize,
    ) {
        let width = groups.width;
        let inputs = x.chunks_exact(width).zip(y.chunks_exact(width));
        for (row, (out, (x, y))) in (first..).zip(out.chunks_exact_mut(width).zip(inputs)) {
            let gate = groups.modulation(gate, row);
            for (((out, &x), &y), &gate) in out.iter_mut().zip(x).zip(y).zip(gate) {
                out.write(x + gate * y);
            }
        }
    }
}

for_each_isa! {
    /// Writes the rows of `dy` at `first` plus a token, and adds to the sum.
    fn gated_backward_rows(
        y: &[f32],
        gate: &[f32],
        dout: &[f32],
        dy: Shared<f32>,
        groups: Groups<'_>,
        first: usize,
        tokens: &[u32],
        dgate: &mut [f32],
    ) {
        let width = groups.width;
        for &token in tokens {
            let row = first + token as usize;
            let gate = groups.modulation(gate, row);
            let (y, dout) = (&y[row * width..][..width], &dout[row * width..][..width]);
            // SAFETY: `y` has this row, `dy` is as long, and each row has one visit.
            let dy = unsafe {
                let row = dy.get().add(row * width).cast::<MaybeUninit<f32>>();
                std::slice::from_raw_parts_mut(row, width)
            };
            let inputs = y.iter().zip(dout).zip(gate);
            let outputs = dy.iter_mut().zip(dgate.iter_mut());
            for ((dy, dgate), ((&y, &dout), &gate)) in outputs.zip(inputs) {
                dy.write(gate * dout);
                *dgate += dout * y;
            }
        }
    }
}
