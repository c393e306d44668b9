//! Layer norm without gain and bias, plain or modulated by group.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{Groups, moments, rows_of_task};
use crate::isa::{self, Isa};
use crate::memory::{Shared, filled, written};
use crate::vector::{for_each_isa, sums};

/// `(x - mean(x)) / sqrt(var(x) + eps)` for each row, biased variance.
///
/// # Shapes
/// - `x`: rows of `width`; returned alike
/// # Panics
/// if the length is not a multiple of the width
/// # Source
/// Ba et al., "Layer normalization" (arXiv:1607.06450), section 3
#[must_use]
pub fn layer_norm(x: &[f32], width: usize, eps: f32) -> Vec<f32> {
    layer_norm_on(isa::best(), x, width, eps)
}

/// Gradient of [`layer_norm`].
///
/// `dx = (dy - mean(dy) - z * mean(dy * z)) / sqrt(var(x) + eps)` with `z` the normalised row.
///
/// # Shapes
/// - `x`, `dy`: rows of `width`; returned alike
/// # Panics
/// if a length does not fit
#[must_use]
pub fn layer_norm_backward(x: &[f32], dy: &[f32], width: usize, eps: f32) -> Vec<f32> {
    layer_norm_backward_on(isa::best(), x, dy, width, eps)
}

/// `LN(x) * (1 + scale) + shift`, with a scale and a shift for each group of tokens.
///
/// # Shapes
/// - `x`: `[batch, tokens, width]`; returned alike
/// - `scale`, `shift`: `[batch, count, width]`
/// # Panics
/// if a length does not fit or a group does not exist
/// # Source
/// DiT (arXiv:2212.09748), section 3.2, `adaLN`
#[must_use]
pub fn modulated_layer_norm(
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    groups: Groups<'_>,
    eps: f32,
) -> Vec<f32> {
    modulated_on(isa::best(), x, scale, shift, groups, eps)
}

/// Gradients of [`modulated_layer_norm`] to `x`, `scale` and `shift`.
///
/// # Shapes
/// - `x`, `dy`: `[batch, tokens, width]`; `scale`: `[batch, count, width]`
/// # Panics
/// if a length does not fit or a group does not exist
#[must_use]
pub fn modulated_layer_norm_backward(
    x: &[f32],
    scale: &[f32],
    dy: &[f32],
    groups: Groups<'_>,
    eps: f32,
) -> [Vec<f32>; 3] {
    modulated_backward_on(isa::best(), x, scale, dy, groups, eps)
}

pub(super) fn layer_norm_on(isa: Isa, x: &[f32], width: usize, eps: f32) -> Vec<f32> {
    assert!(x.len().is_multiple_of(width), "no rows of {width} in {} values", x.len());
    let chunk = rows_of_task(width) * width.max(1);
    // SAFETY: the chunks cover the output, and each is written whole.
    unsafe {
        written(x.len(), |y| {
            let chunks = y.par_chunks_mut(chunk).zip(x.par_chunks(chunk));
            chunks.for_each(|(y, x)| layer_norm_rows(isa, x, y, width, eps));
        })
    }
}

pub(super) fn layer_norm_backward_on(
    isa: Isa,
    x: &[f32],
    dy: &[f32],
    width: usize,
    eps: f32,
) -> Vec<f32> {
    assert_eq!(x.len(), dy.len(), "x and dy differ in length");
    assert!(x.len().is_multiple_of(width), "no rows of {width} in {} values", x.len());
    let chunk = rows_of_task(width) * width.max(1);
    // SAFETY: as in `layer_norm_on`.
    unsafe {
        written(x.len(), |dx| {
            let inputs = x.par_chunks(chunk).zip(dy.par_chunks(chunk));
            dx.par_chunks_mut(chunk).zip(inputs).for_each(|(dx, (x, dy))| {
                layer_norm_backward_rows(isa, x, dy, dx, width, eps);
            });
        })
    }
}

pub(super) fn modulated_on(
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    groups: Groups<'_>,
    eps: f32,
) -> Vec<f32> {
    groups.check(&[x], &[scale, shift]);
    let rows = rows_of_task(groups.width);
    let chunk = rows * groups.width.max(1);
    // SAFETY: as in `layer_norm_on`.
    unsafe {
        written(x.len(), |y| {
            let chunks = y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).enumerate();
            chunks.for_each(|(task, (y, x))| {
                modulated_rows(isa, x, scale, shift, y, groups, task * rows, eps);
            });
        })
    }
}

pub(super) fn modulated_backward_on(
    isa: Isa,
    x: &[f32],
    scale: &[f32],
    dy: &[f32],
    groups: Groups<'_>,
    eps: f32,
) -> [Vec<f32>; 3] {
    groups.check(&[x, dy], &[scale]);
    let mut sums = None;
    let fill = |dx: *mut f32| {
        let dx = Shared::new(dx);
        sums = Some(groups.sum(|first, tokens, [dscale, dshift]| {
            modulated_backward_rows(
                isa, x, scale, dy, dx, groups, first, tokens, dscale, dshift, eps,
            );
        }));
    };
    // SAFETY: each row of `dx` is written, by the visit to its token.
    let dx = unsafe { filled(x.len(), fill) };
    let [dscale, dshift] = sums.expect("set by the closure");
    [dx, dscale, dshift]
}

for_each_isa! {
    fn layer_norm_rows(x: &[f32], y: &mut [MaybeUninit<f32>], width: usize, eps: f32) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let [mean, factor] = moments(x, eps);
            for (y, &x) in y.iter_mut().zip(x) {
                y.write((x - mean) * factor);
            }
        }
    }
}

for_each_isa! {
    fn layer_norm_backward_rows(
        x: &[f32],
        dy: &[f32],
        dx: &mut [MaybeUninit<f32>],
        width: usize,
        eps: f32,
    ) {
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let [mean, factor] = moments(x, eps);
            let [sum, product] = sums([x, dy], |[x, dy]| [dy, dy * (x - mean)]);
            let (offset, slope) = (sum / width as f32, product * factor * factor / width as f32);
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                dx.write((dy - offset - (x - mean) * slope) * factor);
            }
        }
    }
}

for_each_isa! {
    fn modulated_rows(
        x: &[f32],
        scale: &[f32],
        shift: &[f32],
        y: &mut [MaybeUninit<f32>],
        groups: Groups<'_>,
        first: usize,
        eps: f32,
    ) {
        let width = groups.width;
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for (row, (x, y)) in (first..).zip(rows) {
            let [mean, factor] = moments(x, eps);
            let modulation = groups.modulation(scale, row).iter().zip(groups.modulation(shift, row));
            for ((y, &x), (&scale, &shift)) in y.iter_mut().zip(x).zip(modulation) {
                y.write((x - mean) * factor * (1.0 + scale) + shift);
            }
        }
    }
}

for_each_isa! {
    /// Writes the rows of `dx` at `first` plus a token, and adds to the two sums.
    fn modulated_backward_rows(
        x: &[f32],
        scale: &[f32],
        dy: &[f32],
        dx: Shared<f32>,
        groups: Groups<'_>,
        first: usize,
        tokens: &[u32],
        dscale: &mut [f32],
        dshift: &mut [f32],
        eps: f32,
    ) {
        let width = groups.width;
        for &token in tokens {
            let row = first + token as usize;
            let scale = groups.modulation(scale, row);
            let (x, dy) = (&x[row * width..][..width], &dy[row * width..][..width]);
            // SAFETY: `x` has this row, `dx` is as long, and each row has one visit.
            let dx = unsafe {
                let row = dx.get().add(row * width).cast::<MaybeUninit<f32>>();
                std::slice::from_raw_parts_mut(row, width)
            };
            let [mean, factor] = moments(x, eps);
            let [sum, product] = sums([x, dy, scale], |[x, dy, scale]| {
                let pull = dy * (1.0 + scale);
                [pull, pull * (x - mean)]
            });
            let (offset, slope) = (sum / width as f32, product * factor * factor / width as f32);
            let inputs = x.iter().zip(dy).zip(scale);
            let sums = dscale.iter_mut().zip(dshift.iter_mut());
            for ((dx, ((&x, &dy), &scale)), (dscale, dshift)) in dx.iter_mut().zip(inputs).zip(sums) {
                let centred = x - mean;
                dx.write((dy * (1.0 + scale) - offset - centred * slope) * factor);
                *dscale += dy * centred * factor;
                *dshift += dy;
            }
        }
    }
}
