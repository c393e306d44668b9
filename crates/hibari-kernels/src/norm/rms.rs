//! Root-mean-square norm with a gain.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::rows_of_task;
use crate::isa::{self, Isa};
use crate::memory::written;
use crate::vector::{for_each_isa, sum, sums};

/// `gamma * x / sqrt(mean(x^2) + eps)` for each row.
///
/// # Shapes
/// - `x`: rows as long as `gamma`; returned alike
/// # Panics
/// if the length of `x` is not a multiple of that of `gamma`
/// # Source
/// Zhang and Sennrich, "Root mean square layer normalization" (arXiv:1910.07467), section 3
#[must_use]
pub fn rms_norm(x: &[f32], gamma: &[f32], eps: f32) -> Vec<f32> {
    rms_norm_on(isa::best(), x, gamma, eps)
}

/// Gradients of [`rms_norm`] to `x` and `gamma`.
///
/// `dx = (g - z * mean(g * z)) / sqrt(mean(x^2) + eps)` with `g = dy * gamma` and `z` the row divided by its root.
///
/// # Shapes
/// - `x`, `dy`: rows as long as `gamma`
/// # Panics
/// if a length does not fit
#[must_use]
pub fn rms_norm_backward(x: &[f32], gamma: &[f32], dy: &[f32], eps: f32) -> [Vec<f32>; 2] {
    rms_norm_backward_on(isa::best(), x, gamma, dy, eps)
}

pub(super) fn rms_norm_on(isa: Isa, x: &[f32], gamma: &[f32], eps: f32) -> Vec<f32> {
    let width = gamma.len();
    assert!(x.len().is_multiple_of(width), "no rows of {width} in {} values", x.len());
    let chunk = rows_of_task(width) * width.max(1);
    // SAFETY: the chunks cover the output, and each is written whole.
    unsafe {
        written(x.len(), |y| {
            let chunks = y.par_chunks_mut(chunk).zip(x.par_chunks(chunk));
            chunks.for_each(|(y, x)| rms_rows(isa, x, gamma, y, eps));
        })
    }
}

pub(super) fn rms_norm_backward_on(
    isa: Isa,
    x: &[f32],
    gamma: &[f32],
    dy: &[f32],
    eps: f32,
) -> [Vec<f32>; 2] {
    let width = gamma.len();
    assert_eq!(x.len(), dy.len(), "x and dy differ in length");
    assert!(x.len().is_multiple_of(width), "no rows of {width} in {} values", x.len());
    let chunk = rows_of_task(width) * width.max(1);
    let mut parts = vec![0.0; x.len().div_ceil(chunk) * width];
    let fill = |dx: &mut [MaybeUninit<f32>]| {
        let inputs = x.par_chunks(chunk).zip(dy.par_chunks(chunk));
        let outputs = dx.par_chunks_mut(chunk).zip(parts.par_chunks_mut(width.max(1)));
        outputs.zip(inputs).for_each(|((dx, dgamma), (x, dy))| {
            rms_backward_rows(isa, x, gamma, dy, dx, dgamma, eps);
        });
    };
    // SAFETY: as in `rms_norm_on`.
    let dx = unsafe { written(x.len(), fill) };
    let mut dgamma = vec![0.0; width];
    for part in parts.chunks(width.max(1)) {
        for (total, part) in dgamma.iter_mut().zip(part) {
            *total += part;
        }
    }
    [dx, dgamma]
}

/// The reciprocal of a row's root mean square.
#[inline(always)]
fn factor(x: &[f32], eps: f32) -> f32 {
    1.0 / (sum(x, |x| x * x) / x.len() as f32 + eps).sqrt()
}

for_each_isa! {
    fn rms_rows(x: &[f32], gamma: &[f32], y: &mut [MaybeUninit<f32>], eps: f32) {
        let width = gamma.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let factor = factor(x, eps);
            for ((y, &x), &gamma) in y.iter_mut().zip(x).zip(gamma) {
                y.write(x * factor * gamma);
            }
        }
    }
}

for_each_isa! {
    fn rms_backward_rows(
        x: &[f32],
        gamma: &[f32],
        dy: &[f32],
        dx: &mut [MaybeUninit<f32>],
        dgamma: &mut [f32],
        eps: f32,
    ) {
        let width = gamma.len();
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let factor = factor(x, eps);
            let [product] = sums([x, dy, gamma], |[x, dy, gamma]| [dy * gamma * x]);
            let slope = product * factor * factor / width as f32;
            let inputs = x.iter().zip(dy).zip(gamma);
            let outputs = dx.iter_mut().zip(dgamma.iter_mut());
            for ((dx, dgamma), ((&x, &dy), &gamma)) in outputs.zip(inputs) {
                dx.write((dy * gamma - x * slope) * factor);
                *dgamma += dy * x * factor;
            }
        }
    }
}
