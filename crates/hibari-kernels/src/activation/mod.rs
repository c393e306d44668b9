//! Pointwise activations with their gradients: SiLU, the gate of SwiGLU, and GELU in its form with a hyperbolic tangent.

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::isa::{self, Isa};
use crate::memory::written;
use crate::vector::{exp, for_each_isa};

/// Values that one task works on.
const CHUNK: usize = 8 * 1024;

/// `x * sigmoid(x)`.
#[must_use]
pub fn silu(x: &[f32]) -> Vec<f32> {
    silu_on(isa::best(), x)
}

/// Gradient of [`silu`], `dy * s * (1 + x * (1 - s))` with `s = sigmoid(x)`.
///
/// # Panics
/// if the lengths differ
#[must_use]
pub fn silu_backward(x: &[f32], dy: &[f32]) -> Vec<f32> {
    silu_backward_on(isa::best(), x, dy)
}

/// `silu(a) * b`.
///
/// # Panics
/// if the lengths differ
/// # Source
/// Shazeer, "GLU variants improve transformer" (arXiv:2002.05202), section 2
#[must_use]
pub fn swiglu(a: &[f32], b: &[f32]) -> Vec<f32> {
    swiglu_on(isa::best(), a, b)
}

/// Gradients of [`swiglu`] to `a` and `b`.
///
/// # Panics
/// if the lengths differ
#[must_use]
pub fn swiglu_backward(a: &[f32], b: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    swiglu_backward_on(isa::best(), a, b, dy)
}

/// The Gaussian error linear unit with a hyperbolic tangent: `x (1 + tanh y) / 2` with `y = sqrt(2 / pi) (x + 0.044715 x^3)`,
/// which is `x * sigmoid(2 y)`.
///
/// # Source
/// Hendrycks and Gimpel, "Gaussian error linear units" (arXiv:1606.08415), section 2
#[must_use]
pub fn gelu_tanh(x: &[f32]) -> Vec<f32> {
    gelu_on(isa::best(), x)
}

/// Gradient of [`gelu_tanh`].
///
/// # Panics
/// if the lengths differ
#[must_use]
pub fn gelu_tanh_backward(x: &[f32], dy: &[f32]) -> Vec<f32> {
    gelu_backward_on(isa::best(), x, dy)
}

/// What `chunk` makes of each chunk of `x`.
fn mapped(x: &[f32], chunk: impl Fn(&[f32], &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    // SAFETY: the chunks cover the output, and each is written whole.
    unsafe {
        written(x.len(), |y| {
            let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
            chunks.for_each(|(y, x)| chunk(x, y));
        })
    }
}

/// What `chunk` makes of each chunk of `a` and `b`, which have one length.
fn zipped(
    a: &[f32],
    b: &[f32],
    chunk: impl Fn(&[f32], &[f32], &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    // SAFETY: as in `mapped`.
    unsafe {
        written(a.len(), |y| {
            let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
            let chunks = y.par_chunks_mut(CHUNK).zip(inputs);
            chunks.for_each(|(y, (a, b))| chunk(a, b, y));
        })
    }
}

fn silu_on(isa: Isa, x: &[f32]) -> Vec<f32> {
    mapped(x, |x, y| silu_chunk(isa, x, y))
}

fn silu_backward_on(isa: Isa, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), dy.len(), "x and dy differ in length");
    zipped(x, dy, |x, dy, dx| silu_backward_chunk(isa, x, dy, dx))
}

fn gelu_on(isa: Isa, x: &[f32]) -> Vec<f32> {
    mapped(x, |x, y| gelu_chunk(isa, x, y))
}

fn gelu_backward_on(isa: Isa, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), dy.len(), "x and dy differ in length");
    zipped(x, dy, |x, dy, dx| gelu_backward_chunk(isa, x, dy, dx))
}

fn swiglu_on(isa: Isa, a: &[f32], b: &[f32]) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "gate and value differ in length");
    zipped(a, b, |a, b, y| swiglu_chunk(isa, a, b, y))
}

fn swiglu_backward_on(isa: Isa, a: &[f32], b: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    assert_eq!([a.len(), b.len()], [dy.len(); 2], "gate, value and dy differ in length");
    let mut db = Vec::new();
    // SAFETY: as in `mapped`, for both outputs.
    let da = unsafe {
        written(a.len(), |da| {
            db = written(b.len(), |db| {
                let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).zip(dy.par_chunks(CHUNK));
                let outputs = da.par_chunks_mut(CHUNK).zip(db.par_chunks_mut(CHUNK));
                outputs.zip(inputs).for_each(|((da, db), ((a, b), dy))| {
                    swiglu_backward_chunk(isa, a, b, dy, da, db);
                });
            });
        })
    };
    (da, db)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The derivative of SiLU at `x`, given `sigmoid(x)`.
#[inline(always)]
fn slope(x: f32, sigmoid: f32) -> f32 {
    sigmoid * (1.0 + x * (1.0 - sigmoid))
}

for_each_isa! {
    fn silu_chunk(x: &[f32], y: &mut [MaybeUninit<f32>]) {
        for (y, &x) in y.iter_mut().zip(x) {
            y.write(x * sigmoid(x));
        }
    }
}

for_each_isa! {
    fn silu_backward_chunk(x: &[f32], dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            dx.write(dy * slope(x, sigmoid(x)));
        }
    }
}

/// `2 sqrt(2 / pi)`.
const GELU_SLOPE: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;
const GELU_CUBE: f32 = 0.044_715;

/// [`gelu_tanh`] of a value.
#[inline(always)]
pub(crate) fn gelu_tanh_of(x: f32) -> f32 {
    x * sigmoid(GELU_SLOPE * x * (1.0 + GELU_CUBE * x * x))
}

for_each_isa! {
    fn gelu_chunk(x: &[f32], y: &mut [MaybeUninit<f32>]) {
        for (y, &x) in y.iter_mut().zip(x) {
            y.write(gelu_tanh_of(x));
        }
    }
}

for_each_isa! {
    fn gelu_backward_chunk(x: &[f32], dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let s = sigmoid(GELU_SLOPE * x * (1.0 + GELU_CUBE * x * x));
            let inner = GELU_SLOPE * x * (1.0 + 3.0 * GELU_CUBE * x * x);
            dx.write(dy * s * (1.0 + (1.0 - s) * inner));
        }
    }
}

for_each_isa! {
    fn swiglu_chunk(a: &[f32], b: &[f32], y: &mut [MaybeUninit<f32>]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            y.write(a * sigmoid(a) * b);
        }
    }
}

for_each_isa! {
    fn swiglu_backward_chunk(
        a: &[f32],
        b: &[f32],
        dy: &[f32],
        da: &mut [MaybeUninit<f32>],
        db: &mut [MaybeUninit<f32>],
    ) {
        let inputs = a.iter().zip(b).zip(dy);
        for ((da, db), ((&a, &b), &dy)) in da.iter_mut().zip(db).zip(inputs) {
            let s = sigmoid(a);
            da.write(dy * b * slope(a, s));
            db.write(dy * a * s);
        }
    }
}
