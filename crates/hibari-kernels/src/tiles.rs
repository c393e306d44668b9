//! The tiles of AMX: blocks of 32 x 32 sums in four of them, fed by two of each operand.
//!
//! A tile of a right operand is 16 steps of a panel of 32 columns as they stand; one of a left operand 16 rows of 16 words. A
//! word is a pair of bf16 values or a quad of 8-bit integers that are neighbours along the contracted axis.

#[cfg(test)]
mod software;

use std::arch::asm;

use crate::isa::Amx;

/// Rows of a tile, and words of a row of it.
pub(crate) const TILE: usize = 16;
/// Words from one row of a panel, and of a block of sums, to the next.
const PANEL: usize = 2 * TILE;

/// The eight tiles of a core, or something that does as they do. Tiles 0 to 3 hold sums, 4 and 5 are of the left operand, 6
/// and 7 of the right one; all have 16 rows of 64 bytes.
///
/// # Safety
/// Of all methods: between `start` and `end` of a thread nothing else uses its tiles.
pub(crate) trait Tiles {
    /// Takes the tiles and sets them to zero.
    unsafe fn start(&mut self);

    /// Loads tile `T` from rows `stride` bytes apart, which must be readable.
    unsafe fn load<const T: u8>(&mut self, from: *const u32, stride: usize);

    /// Adds the products of the bf16 pairs of tiles `A` and `B` to the f32 sums of tile `C`.
    unsafe fn dot_pairs<const C: u8, const A: u8, const B: u8>(&mut self);

    /// Adds the products of the unsigned quads of tile `A` and the signed ones of `B` to the integer sums of tile `C`.
    unsafe fn dot_quads<const C: u8, const A: u8, const B: u8>(&mut self);

    /// Stores tile `T` to rows `stride` bytes apart, which must be writable.
    unsafe fn store<const T: u8>(&mut self, to: *mut u32, stride: usize);

    /// Lets go of the tiles.
    unsafe fn end(&mut self);
}

/// The tiles that the token stands for.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn of(_amx: Amx) -> impl Tiles {
    Hardware
}
#[cfg(test)]
pub(crate) fn of(_amx: Amx) -> impl Tiles {
    software::Either::new(Amx::is_granted())
}

/// What the words of both operands are.
pub(crate) trait Words {
    /// Adds the products of tiles `A` and `B` to tile `C`.
    ///
    /// # Safety
    /// As for [`Tiles`].
    unsafe fn dot<T: Tiles, const C: u8, const A: u8, const B: u8>(tiles: &mut T);
}

/// Pairs of bf16 values.
pub(crate) struct Pairs;
impl Words for Pairs {
    #[inline(always)]
    unsafe fn dot<T: Tiles, const C: u8, const A: u8, const B: u8>(tiles: &mut T) {
        // SAFETY: as the caller promises.
        unsafe { tiles.dot_pairs::<C, A, B>() }
    }
}

/// Quads of 8-bit integers.
pub(crate) struct Quads;
impl Words for Quads {
    #[inline(always)]
    unsafe fn dot<T: Tiles, const C: u8, const A: u8, const B: u8>(tiles: &mut T) {
        // SAFETY: as the caller promises.
        unsafe { tiles.dot_quads::<C, A, B>() }
    }
}

/// Which halves of a block are wanted beside the first.
#[derive(Clone, Copy)]
pub(crate) struct Halves {
    pub(crate) low_rows: bool,
    pub(crate) right_columns: bool,
}

/// Adds 16 words of the left operand at `a`, its rows `row` words apart, times those of the right one at `b`.
///
/// # Safety
/// As for [`Tiles`]; the operands must be readable.
#[inline(always)]
pub(crate) unsafe fn step<T: Tiles, W: Words>(
    tiles: &mut T,
    halves: Halves,
    a: *const u32,
    row: usize,
    b: *const u32,
) {
    let (row, panel) = (row * size_of::<u32>(), PANEL * size_of::<u32>());
    // SAFETY: as the caller promises.
    unsafe {
        tiles.load::<6>(b, panel);
        tiles.load::<4>(a, row);
        W::dot::<T, 0, 4, 6>(tiles);
        if halves.right_columns {
            tiles.load::<7>(b.add(TILE), panel);
            W::dot::<T, 1, 4, 7>(tiles);
        }
        if halves.low_rows {
            tiles.load::<5>(a.byte_add(TILE * row), row);
            W::dot::<T, 2, 5, 6>(tiles);
            if halves.right_columns {
                W::dot::<T, 3, 5, 7>(tiles);
            }
        }
    }
}

/// Stores the sums to rows of 32 words.
///
/// # Safety
/// As for [`Tiles`]; `to` must be writable for 32 rows.
#[inline(always)]
pub(crate) unsafe fn store<T: Tiles>(tiles: &mut T, halves: Halves, to: *mut u32) {
    let stride = PANEL * size_of::<u32>();
    // SAFETY: as the caller promises.
    unsafe {
        tiles.store::<0>(to, stride);
        if halves.right_columns {
            tiles.store::<1>(to.add(TILE), stride);
        }
        if halves.low_rows {
            tiles.store::<2>(to.add(TILE * PANEL), stride);
            if halves.right_columns {
                tiles.store::<3>(to.add(TILE * PANEL + TILE), stride);
            }
        }
    }
}

/// The processor's own.
struct Hardware;

#[repr(C, align(64))]
struct Config([u8; 64]);

/// Palette 1, with 16 rows of 64 bytes for each of the eight tiles.
static CONFIG: Config = {
    let mut config = [0; 64];
    config[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        config[16 + 2 * tile] = 64;
        config[48 + tile] = 16;
        tile += 1;
    }
    Config(config)
};

// The compiler itself never touches tiles, so none needs to be declared as changed; memory is.
impl Tiles for Hardware {
    #[inline(always)]
    unsafe fn start(&mut self) {
        // SAFETY: the configuration is 64 valid bytes; loading it sets all tiles to zero.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack)) };
    }

    #[inline(always)]
    unsafe fn load<const T: u8>(&mut self, from: *const u32, stride: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("tileloadd tmm{t}, [{from} + {stride} * 1]", t = const T, from = in(reg) from,
                stride = in(reg) stride, options(nostack, readonly));
        }
    }

    #[inline(always)]
    unsafe fn dot_pairs<const C: u8, const A: u8, const B: u8>(&mut self) {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("tdpbf16ps tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B,
                options(nostack, nomem));
        }
    }

    #[inline(always)]
    unsafe fn dot_quads<const C: u8, const A: u8, const B: u8>(&mut self) {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("tdpbusd tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B,
                options(nostack, nomem));
        }
    }

    #[inline(always)]
    unsafe fn store<const T: u8>(&mut self, to: *mut u32, stride: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("tilestored [{to} + {stride} * 1], tmm{t}", t = const T, to = in(reg) to,
                stride = in(reg) stride, options(nostack));
        }
    }

    #[inline(always)]
    unsafe fn end(&mut self) {
        // SAFETY: as the caller promises.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
