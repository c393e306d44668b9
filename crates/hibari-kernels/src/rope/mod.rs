//! Query and key preparation, forward and backward: RMS norm of each head, then rotation of pairs by position, in one pass;
//! and the rotation alone, for models that have another norm before it.
//!
//! Tokens are independent; the gradient to the gain is summed in parts of [`PART`] tokens, added in order, so results do
//! not depend on the thread count.

mod rows;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::rows::{Back, Part, Turn};
use crate::isa::{self, Isa};
use crate::lanes::Lanes;
use crate::matmul::dispatch;
use crate::memory::{Shared, filled, with_scratch};

/// Tokens of a task.
const PART: usize = 64;
/// Head sizes are multiples of it.
const GRAIN: usize = 16;

/// The sizes of a batch of heads and of the tables of their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Items of the batch.
    pub batch: usize,
    /// Items of the tables: as many, or one for all.
    pub tables: usize,
    /// Tokens of an item.
    pub n_tokens: usize,
    /// Heads of a token.
    pub n_heads: usize,
    /// Size of a head; a multiple of 16.
    pub d_head: usize,
}

impl Shape {
    /// Whether the kernels have code for it.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.d_head > 0 && self.d_head.is_multiple_of(GRAIN)
    }

    /// Floats of the heads.
    fn len(&self) -> usize {
        self.batch * self.n_tokens * self.n_heads * self.d_head
    }

    /// Tasks of [`PART`] tokens.
    fn parts(&self) -> usize {
        (self.batch * self.n_tokens).div_ceil(PART)
    }

    #[track_caller]
    fn check(&self, inputs: Inputs<'_>) {
        assert_eq!(inputs.gamma.len(), self.d_head, "the gain does not fit {self:?}");
        self.check_heads(inputs);
    }

    /// All but the gain.
    #[track_caller]
    fn check_heads(&self, inputs: Inputs<'_>) {
        assert!(self.is_supported(), "no kernel for {self:?}");
        assert!(self.tables == self.batch || self.tables == 1, "tables of {self:?}");
        let table = self.tables * self.n_tokens * self.d_head / 2;
        assert_eq!(inputs.x.len(), self.len(), "heads do not fit {self:?}");
        assert_eq!(inputs.cos.len(), table, "the cosines do not fit {self:?}");
        assert_eq!(inputs.sin.len(), table, "the sines do not fit {self:?}");
    }
}

/// What the preparation reads.
///
/// # Shapes
/// - `x`: `[batch, n_tokens, n_heads, d_head]`; `gamma`: `[d_head]`
/// - `cos`, `sin`: `[tables, n_tokens, d_head / 2]`
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Heads.
    pub x: &'a [f32],
    /// The gain of the norm.
    pub gamma: &'a [f32],
    /// Cosines of the angles of pairs.
    pub cos: &'a [f32],
    /// Sines of the angles of pairs.
    pub sin: &'a [f32],
    /// What is added to the mean square.
    pub eps: f32,
}

/// Normalises each head by its root mean square and rotates interleaved pairs.
///
/// `u = gamma * x / sqrt(mean(x^2) + eps)`, then `y_2i = u_2i cos_i - u_2i+1 sin_i`, `y_2i+1 = u_2i sin_i + u_2i+1 cos_i`.
/// Returned in the shape of `x`.
///
/// # Panics
/// if a length does not fit or the shape is not supported
/// # Source
/// RoFormer (arXiv:2104.09864), section 3.2.2; query and key norm: ViT-22B (arXiv:2302.05442), section 2
#[must_use]
pub fn qk_norm_rope(inputs: Inputs<'_>, shape: Shape) -> Vec<f32> {
    shape.check(inputs);
    // SAFETY: the lengths are checked, and `turn_into` writes all of `y`.
    unsafe { filled(shape.len(), |y| turn_into::<true>(isa::best(), inputs, shape, y)) }
}

/// Gradients to `x` and `gamma`.
///
/// With `du` the gradient `dy` rotated back and `n = x / r`, `r` the root mean square: `dgamma = sum(du n)` over tokens and
/// heads, `dx = (gamma du - n mean(gamma du n)) / r`.
///
/// # Panics
/// if a length does not fit or the shape is not supported
#[must_use]
pub fn qk_norm_rope_backward(inputs: Inputs<'_>, dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    shape.check(inputs);
    assert_eq!(dy.len(), shape.len(), "gradients do not fit {shape:?}");
    let mut dgamma = vec![0.0; shape.d_head];
    // SAFETY: the lengths are checked, and `turn_back_into` writes all of `dx`.
    let dx = unsafe {
        filled(shape.len(), |dx| {
            turn_back_into(isa::best(), inputs, dy, shape, dx, &mut dgamma);
        })
    };
    (dx, dgamma)
}

/// Rotates interleaved pairs of each head: `y_2i = x_2i cos_i - x_2i+1 sin_i`, `y_2i+1 = x_2i sin_i + x_2i+1 cos_i`. The
/// gradient to `x` is the rotation of the one to `y` by the negative sines.
///
/// # Shapes
/// - `x`: `[batch, n_tokens, n_heads, d_head]`; returned in it
/// - `cos`, `sin`: `[tables, n_tokens, d_head / 2]`
/// # Panics
/// if a length does not fit or the shape is not supported
#[must_use]
pub fn rope(x: &[f32], cos: &[f32], sin: &[f32], shape: Shape) -> Vec<f32> {
    let inputs = Inputs { x, gamma: &[], cos, sin, eps: 0.0 };
    shape.check_heads(inputs);
    // SAFETY: the lengths are checked, and `turn_into` writes all of `y`.
    unsafe { filled(shape.len(), |y| turn_into::<false>(isa::best(), inputs, shape, y)) }
}

/// [`qk_norm_rope`], or [`rope`], on one instruction set.
///
/// # Safety
/// The inputs must fit the shape, the gain only for the former; `y` must be writable for `x`.
unsafe fn turn_into<const NORMED: bool>(isa: Isa, inputs: Inputs<'_>, shape: Shape, y: *mut f32) {
    let y = Shared::new(y);
    dispatch!(isa, lanes => (0..shape.parts()).into_par_iter().for_each(|idx| {
        let part = Part::new(inputs, shape, idx);
        with_scratch(part.table_len(), |table| {
            // SAFETY: each part writes its own rows; the rest is the caller's promise.
            unsafe { lanes.run(Turn::<NORMED> { part, table: table.cast(), y: y.get() }) };
        });
    }));
}

/// [`qk_norm_rope_backward`] on one instruction set.
///
/// # Safety
/// The inputs and `dy` must fit the shape, `dx` be writable for `x`.
unsafe fn turn_back_into(
    isa: Isa,
    inputs: Inputs<'_>,
    dy: &[f32],
    shape: Shape,
    dx: *mut f32,
    dgamma: &mut [f32],
) {
    let dx = Shared::new(dx);
    let width = shape.d_head;
    let mut sums = vec![0.0; shape.parts() * width];
    dispatch!(isa, lanes => sums.par_chunks_mut(width).enumerate().for_each(|(idx, sums)| {
        let part = Part::new(inputs, shape, idx);
        with_scratch(part.table_len(), |table| {
            let (table, dgamma) = (table.cast(), sums.as_mut_ptr());
            // SAFETY: each part writes its own rows and sums; the rest is the caller's promise.
            unsafe { lanes.run(Back { part, table, dy: dy.as_ptr(), dx: dx.get(), dgamma }) };
        });
    }));
    dgamma.fill(0.0);
    for part in sums.chunks(width) {
        for (total, value) in dgamma.iter_mut().zip(part) {
            *total += value;
        }
    }
}
