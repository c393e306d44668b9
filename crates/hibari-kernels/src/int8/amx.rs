//! The 8-bit product on AMX.

use super::{Dots, NR, STEP, Sums};
use crate::isa::Amx;
use crate::tiles::{self, Halves, Quads, TILE, Tiles};

impl Dots for Amx {
    const MR: usize = 2 * TILE;
    const GRAIN: usize = TILE;

    unsafe fn block(
        self,
        a: *const u32,
        stride: usize,
        rows: usize,
        b: *const u32,
        quads: usize,
        sums: &mut Sums,
    ) {
        const _: () = assert!(NR == 2 * TILE && STEP == TILE);
        let mut tiles = tiles::of(self);
        let halves = Halves { low_rows: rows > TILE, right_columns: true };
        // SAFETY: readable by the caller's promise; no other code of this thread runs before `end`.
        unsafe {
            tiles.start();
            for quad in (0..quads).step_by(STEP) {
                let (a, b) = (a.add(quad), b.add(quad * NR));
                tiles::step::<_, Quads>(&mut tiles, halves, a, stride, b);
            }
            tiles::store(&mut tiles, halves, sums.0.as_mut_ptr().cast());
            tiles.end();
        }
    }
}
