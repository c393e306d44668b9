//! The f32 matrix product of small operands that attention is made of, in tiles that stay in registers.

use crate::lanes::{Lanes, Task};

/// Rows of a tile.
pub(super) const ROWS: usize = 6;
/// Depth of a pass, so that its piece of the right operand stays in the first-level cache.
const DEPTH: usize = 96;

/// A left operand: where it starts, and the distances between its rows and along its depth.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) at: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

/// `out = left right`, or `out += left right` with `add`.
///
/// `left` must be readable for `[rows, depth]`, `right` for `[depth, cols]` with rows `right_row` apart, `out` writable for
/// `[rows, cols]` with rows `out_row` apart and `rows` rounded up to [`ROWS`]; what the rows added by that hold is arbitrary.
/// `cols` is a multiple of [`Lanes::N`].
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) left: Left,
    pub(super) right: *const f32,
    pub(super) right_row: usize,
    pub(super) out: *mut f32,
    pub(super) out_row: usize,
    pub(super) sizes: [usize; 3],
    pub(super) add: bool,
}

impl Task for Product {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let [rows, depth, cols] = self.sizes;
        for first in (0..depth).step_by(DEPTH) {
            let pass = (depth - first).min(DEPTH);
            let add = self.add || first > 0;
            let mut col = 0;
            while col < cols {
                let wide = ((cols - col) / L::N).min(L::WIDE);
                for row in (0..rows).step_by(ROWS) {
                    // SAFETY: the tile is within the operands, and rows past the last repeat it.
                    unsafe {
                        match wide {
                            4 => self.tile::<L, 4>(lanes, row, [first, pass], col, add),
                            3 => self.tile::<L, 3>(lanes, row, [first, pass], col, add),
                            2 => self.tile::<L, 2>(lanes, row, [first, pass], col, add),
                            _ => self.tile::<L, 1>(lanes, row, [first, pass], col, add),
                        }
                    }
                }
                col += wide * L::N;
            }
        }
    }
}

impl Product {
    /// One tile of `ROWS` rows and `W` vectors over a pass.
    ///
    /// # Safety
    /// As for the task.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const W: usize>(
        self,
        lanes: L,
        row: usize,
        [first, pass]: [usize; 2],
        col: usize,
        add: bool,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let out = self.out.add(row * self.out_row + col);
            let mut right = self.right.add(first * self.right_row + col);
            let mut left = [self.left.at; ROWS];
            for (r, left) in left.iter_mut().enumerate() {
                let row = (row + r).min(self.sizes[0] - 1);
                *left = left.add(row * self.left.row + first * self.left.step);
            }
            let mut sums = [[lanes.splat(0.0); W]; ROWS];
            if add {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = lanes.load(out.add(r * self.out_row + c * L::N));
                    }
                }
            }
            for d in 0..pass {
                let mut line = [lanes.splat(0.0); W];
                for (c, part) in line.iter_mut().enumerate() {
                    *part = lanes.load(right.add(c * L::N));
                }
                for (sums, left) in sums.iter_mut().zip(left) {
                    let value = lanes.splat(*left.add(d * self.left.step));
                    for (sum, part) in sums.iter_mut().zip(line) {
                        *sum = lanes.mul_add(value, part, *sum);
                    }
                }
                right = right.wrapping_add(self.right_row);
            }
            for (r, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    lanes.store(out.add(r * self.out_row + c * L::N), *sum);
                }
            }
        }
    }
}

/// Copies the transpose of `rows` rows of `cols` floats, `stride` apart, to rows of `pitch`; columns are completed with
/// zeros up to a multiple of 16. `cols` is a multiple of 16.
#[derive(Clone, Copy)]
pub(super) struct Transpose {
    pub(super) from: *const f32,
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) to: *mut f32,
    pub(super) pitch: usize,
}

impl Task for Transpose {
    #[inline(always)]
    unsafe fn on<L: Lanes>(self, lanes: L) {
        let Self { from, stride, rows, cols, to, pitch } = self;
        for row in (0..rows.next_multiple_of(16)).step_by(L::N) {
            for col in (0..cols).step_by(L::N) {
                // SAFETY: the rows that exist are readable, `to` is writable for `[cols, rows rounded up]`.
                unsafe {
                    let exist = rows.saturating_sub(row).min(L::N);
                    let from = from.wrapping_add(row * stride + col);
                    lanes.transpose(from, stride, exist, to.add(col * pitch + row), pitch);
                }
            }
        }
    }
}
