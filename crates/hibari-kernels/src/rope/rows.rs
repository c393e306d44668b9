//! The preparation of some tokens, and its backward pass, on vectors.

use super::{Inputs, PART, Shape};
use crate::lanes::{self, Lanes, Task};

/// Some consecutive tokens of a batch.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    inputs: Inputs<'a>,
    shape: Shape,
    first: usize,
    count: usize,
}

impl<'a> Part<'a> {
    /// Part `idx` of [`Shape::parts`].
    pub(super) fn new(inputs: Inputs<'a>, shape: Shape, idx: usize) -> Self {
        let first = idx * PART;
        let count = (shape.batch * shape.n_tokens - first).min(PART);
        Self { inputs, shape, first, count }
    }

    /// Floats of a token's table: cosines, then sines with their signs, one for each place of a head.
    pub(super) fn table_len(&self) -> usize {
        2 * self.shape.d_head
    }

    /// Writes the table of a token: `y = u cos + swapped(u) sin` turns pairs by their angles times `direction`.
    ///
    /// # Safety
    /// `table` must be writable for [`Part::table_len`].
    #[inline(always)]
    unsafe fn spread(&self, token: usize, direction: f32, table: *mut f32) {
        let half = self.shape.d_head / 2;
        let row = token % (self.shape.tables * self.shape.n_tokens) * half;
        let (cos, sin) = (&self.inputs.cos[row..][..half], &self.inputs.sin[row..][..half]);
        // SAFETY: as the caller promises.
        let table = unsafe { std::slice::from_raw_parts_mut(table, 4 * half) };
        let (cosines, sines) = table.split_at_mut(2 * half);
        for i in 0..half {
            cosines[2 * i] = cos[i];
            cosines[2 * i + 1] = cos[i];
            sines[2 * i] = -direction * sin[i];
            sines[2 * i + 1] = direction * sin[i];
        }
    }

    /// Where the heads of a token start.
    #[inline(always)]
    fn heads(&self, token: usize) -> impl Iterator<Item = usize> {
        let Shape { n_heads, d_head, .. } = self.shape;
        (0..n_heads).map(move |head| (token * n_heads + head) * d_head)
    }

    /// One over the root mean square of the head at `x`.
    ///
    /// # Safety
    /// `x` must be readable for a head.
    #[inline(always)]
    unsafe fn inverse<L: Lanes>(&self, lanes: L, x: *const f32) -> f32 {
        let mut squares = lanes.splat(0.0);
        for d in (0..self.shape.d_head).step_by(L::N) {
            // SAFETY: as the caller promises.
            let x = unsafe { lanes.load(x.add(d)) };
            squares = lanes.mul_add(x, x, squares);
        }
        let mean = lanes::sum(lanes, squares) / self.shape.d_head as f32;
        1.0 / (mean + self.inputs.eps).sqrt()
    }
}

/// The forward pass of a part, or only its rotation: writes its rows of `y`, which is as long as `x`; `table` is scratch.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a, const NORMED: bool> {
    pub(super) part: Part<'a>,
    pub(super) table: *mut f32,
    pub(super) y: *mut f32,
}

impl<const NORMED: bool> Task for Turn<'_, NORMED> {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let Self { part, table, y } = self;
        let width = part.shape.d_head;
        let (x, gamma) = (part.inputs.x.as_ptr(), part.inputs.gamma.as_ptr());
        for token in part.first..part.first + part.count {
            // SAFETY: the heads of the part exist in `x` and `y`, the table is as long as needed.
            unsafe {
                part.spread(token, 1.0, table);
                for head in part.heads(token) {
                    let inverse = if NORMED { part.inverse(lanes, x.add(head)) } else { 1.0 };
                    let inverse = lanes.splat(inverse);
                    for d in (0..width).step_by(L::N) {
                        let mut u = lanes.load(x.add(head + d));
                        if NORMED {
                            u = lanes.mul(u, lanes.mul(lanes.load(gamma.add(d)), inverse));
                        }
                        let turned = turn(lanes, u, table.add(d), width);
                        lanes.store(y.add(head + d), turned);
                    }
                }
            }
        }
    }
}

/// The backward pass of a part: writes its rows of `dx` and adds to `dgamma`. `dy` and `dx` are as long as `x`, `table` is
/// scratch.
#[derive(Clone, Copy)]
pub(super) struct Back<'a> {
    pub(super) part: Part<'a>,
    pub(super) table: *mut f32,
    pub(super) dy: *const f32,
    pub(super) dx: *mut f32,
    pub(super) dgamma: *mut f32,
}

impl Task for Back<'_> {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let Self { part, table, dy, dx, dgamma } = self;
        let width = part.shape.d_head;
        let (x, gamma) = (part.inputs.x.as_ptr(), part.inputs.gamma.as_ptr());
        for token in part.first..part.first + part.count {
            // SAFETY: the heads of the part exist in `x`, `dy` and `dx`, the table is as long as needed.
            unsafe {
                part.spread(token, -1.0, table);
                for head in part.heads(token) {
                    let inverse = part.inverse(lanes, x.add(head));
                    let scale = lanes.splat(inverse);
                    let mut dot = lanes.splat(0.0);
                    for d in (0..width).step_by(L::N) {
                        let du = turn(lanes, lanes.load(dy.add(head + d)), table.add(d), width);
                        let normal = lanes.mul(lanes.load(x.add(head + d)), scale);
                        let sum = lanes.load(dgamma.add(d));
                        lanes.store(dgamma.add(d), lanes.mul_add(du, normal, sum));
                        let dn = lanes.mul(du, lanes.load(gamma.add(d)));
                        dot = lanes.mul_add(dn, normal, dot);
                        lanes.store(dx.add(head + d), dn);
                    }
                    let mean = lanes.splat(-lanes::sum(lanes, dot) / width as f32);
                    for d in (0..width).step_by(L::N) {
                        let normal = lanes.mul(lanes.load(x.add(head + d)), scale);
                        let across = lanes.mul_add(normal, mean, lanes.load(dx.add(head + d)));
                        lanes.store(dx.add(head + d), lanes.mul(across, scale));
                    }
                }
            }
        }
    }
}

/// Turns the pairs of `u`; sines are `width` after cosines.
///
/// # Safety
/// `table` must be readable for a vector at both.
#[inline(always)]
unsafe fn turn<L: Lanes>(lanes: L, u: L::V, table: *const f32, width: usize) -> L::V {
    // SAFETY: as the caller promises.
    let (cos, sin) = unsafe { (lanes.load(table), lanes.load(table.add(width))) };
    lanes.mul_add(lanes.swap_pairs(u), sin, lanes.mul(u, cos))
}
