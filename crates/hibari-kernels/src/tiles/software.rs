//! What tiles do, in portable code, so that blocks can be tested on processors without them.

use super::{Hardware, TILE, Tiles};

/// The processor's tiles, or eight of 16 rows of 16 words.
pub(super) enum Either {
    Hardware(Hardware),
    Software(Box<[[[u32; TILE]; TILE]; 8]>),
}

/// What tiles hold outside `start` and `end`: values that are not numbers.
const ARBITRARY: [[[u32; TILE]; TILE]; 8] = [[[0x7fc0_7fc0; TILE]; TILE]; 8];

impl Either {
    pub(super) fn new(has_hardware: bool) -> Self {
        if has_hardware { Self::Hardware(Hardware) } else { Self::Software(Box::new(ARBITRARY)) }
    }
}

/// Adds to each sum of tile `c` what `dot` makes of the words of its row and of its column.
fn add_products(
    tiles: &mut [[[u32; TILE]; TILE]; 8],
    [c, a, b]: [u8; 3],
    dot: impl Fn(u32, u32, u32) -> u32,
) {
    let [left, right] = [a, b].map(|tile| tiles[usize::from(tile)]);
    for (sums, left) in tiles[usize::from(c)].iter_mut().zip(left) {
        for (left, right) in left.into_iter().zip(right) {
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = dot(*sum, left, right);
            }
        }
    }
}

impl Tiles for Either {
    unsafe fn start(&mut self) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.start() },
            Self::Software(tiles) => **tiles = [[[0; TILE]; TILE]; 8],
        }
    }

    unsafe fn load<const T: u8>(&mut self, from: *const u32, stride: usize) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.load::<T>(from, stride) },
            Self::Software(tiles) => {
                for (r, row) in tiles[usize::from(T)].iter_mut().enumerate() {
                    // SAFETY: the rows are readable by the caller's promise.
                    *row = unsafe { *from.byte_add(r * stride).cast() };
                }
            }
        }
    }

    unsafe fn dot_pairs<const C: u8, const A: u8, const B: u8>(&mut self) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.dot_pairs::<C, A, B>() },
            Self::Software(tiles) => add_products(tiles, [C, A, B], |sum, left, right| {
                let halves = |word: u32| [word << 16, word & 0xffff_0000].map(f32::from_bits);
                let ([l0, l1], [r0, r1]) = (halves(left), halves(right));
                (f32::from_bits(sum) + l0 * r0 + l1 * r1).to_bits()
            }),
        }
    }

    unsafe fn dot_quads<const C: u8, const A: u8, const B: u8>(&mut self) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.dot_quads::<C, A, B>() },
            Self::Software(tiles) => add_products(tiles, [C, A, B], |sum, left, right| {
                let bytes = left.to_le_bytes().into_iter().zip(right.to_le_bytes());
                let products = bytes.map(|(l, r)| i32::from(l) * i32::from(r.cast_signed()));
                sum.wrapping_add(products.sum::<i32>().cast_unsigned())
            }),
        }
    }

    unsafe fn store<const T: u8>(&mut self, to: *mut u32, stride: usize) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.store::<T>(to, stride) },
            Self::Software(tiles) => {
                for (r, row) in tiles[usize::from(T)].iter().enumerate() {
                    // SAFETY: the rows are writable by the caller's promise.
                    unsafe { *to.byte_add(r * stride).cast() = *row };
                }
            }
        }
    }

    unsafe fn end(&mut self) {
        match self {
            // SAFETY: as the caller promises.
            Self::Hardware(tiles) => unsafe { tiles.end() },
            Self::Software(tiles) => **tiles = ARBITRARY,
        }
    }
}
