//! What tiles do, in portable code, so that blocks can be tested on processors without them.

use super::{TILE, Tiles};

/// Eight tiles of 16 rows of 16 words.
pub(super) struct Software([[[u32; TILE]; TILE]; 8]);

impl Software {
    /// Tiles with arbitrary contents.
    pub(super) fn new() -> Self {
        Self([[[0x7fc0_7fc0; TILE]; TILE]; 8])
    }
}

impl Tiles for Software {
    unsafe fn start(&mut self) {
        self.0 = [[[0; TILE]; TILE]; 8];
    }

    unsafe fn load<const T: u8>(&mut self, from: *const u32, stride: usize) {
        for (r, row) in self.0[usize::from(T)].iter_mut().enumerate() {
            // SAFETY: the rows are readable by the caller's promise.
            *row = unsafe { *from.byte_add(r * stride).cast() };
        }
    }

    unsafe fn dot<const C: u8, const A: u8, const B: u8>(&mut self) {
        let [left, right] = [A, B].map(|tile| self.0[usize::from(tile)]);
        for (sums, left) in self.0[usize::from(C)].iter_mut().zip(left) {
            for (left, right) in left.into_iter().zip(right) {
                for (sum, right) in sums.iter_mut().zip(right) {
                    let half = |word: u32| [word << 16, word & 0xffff_0000].map(f32::from_bits);
                    let ([l0, l1], [r0, r1]) = (half(left), half(right));
                    *sum = (f32::from_bits(*sum) + l0 * r0 + l1 * r1).to_bits();
                }
            }
        }
    }

    unsafe fn store<const T: u8>(&mut self, to: *mut f32, stride: usize) {
        for (r, row) in self.0[usize::from(T)].iter().enumerate() {
            // SAFETY: the rows are writable by the caller's promise.
            unsafe { *to.byte_add(r * stride).cast() = row.map(f32::from_bits) };
        }
    }

    unsafe fn end(&mut self) {
        *self = Self::new();
    }
}
