//! Portable steps of the 8-bit product.

use super::{Dots, NR, Sums};

/// Portable code.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Dots for Portable {
    const MR: usize = 4;
    const GRAIN: usize = 1;

    unsafe fn block(
        self,
        a: *const u32,
        stride: usize,
        rows: usize,
        b: *const u32,
        quads: usize,
        sums: &mut Sums,
    ) {
        for (r, sums) in sums.0.iter_mut().enumerate().take(rows) {
            *sums = [0; NR];
            for quad in 0..quads {
                // SAFETY: readable by the caller's promise.
                let (left, right) = unsafe {
                    (*a.add(r * stride + quad), std::slice::from_raw_parts(b.add(quad * NR), NR))
                };
                let left = left.to_le_bytes().map(i32::from);
                for (sum, right) in sums.iter_mut().zip(right) {
                    let right = right.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
                    for (left, right) in left.into_iter().zip(right) {
                        *sum += left * right;
                    }
                }
            }
        }
    }
}
