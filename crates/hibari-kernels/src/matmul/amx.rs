//! The bf16 matrix product on AMX: blocks of 32 x 32 sums in four tiles of 16 x 16, fed by two tiles of each operand.
//!
//! A tile of a right operand is 16 pairs of a panel as they stand; one of a left operand 16 rows of 16 pairs.

#[cfg(test)]
mod software;

use std::arch::asm;
use std::arch::x86_64::{
    _mm512_add_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::avx512::{self, LANES, mask, transpose};
use super::tile::{Chunk, Init, Layout, MR_MAX, NR, Out, Simd};
use crate::isa::{Amx, Avx512};

/// Rows of a block: two tiles.
const MR: usize = 32;
const _: () = assert!(MR <= MR_MAX && NR == 2 * TILE);
/// Rows of a tile, pairs of a row of it, and sums of a row of it.
const TILE: usize = 16;

/// The eight tiles of a core, or something that does as they do. Tiles 0 to 3 hold sums, 4 and 5 are of the left operand, 6
/// and 7 of the right one; all have 16 rows of 64 bytes.
///
/// # Safety
/// Of all methods: between `start` and `end` of a thread nothing else uses its tiles.
trait Tiles {
    /// Takes the tiles and sets them to zero.
    unsafe fn start(&mut self);

    /// Loads tile `T` from rows `stride` bytes apart, which must be readable.
    unsafe fn load<const T: u8>(&mut self, from: *const u32, stride: usize);

    /// Adds the products of the bf16 pairs of tiles `A` and `B` to the f32 sums of tile `C`.
    unsafe fn dot<const C: u8, const A: u8, const B: u8>(&mut self);

    /// Stores tile `T` to rows `stride` bytes apart, which must be writable.
    unsafe fn store<const T: u8>(&mut self, to: *mut f32, stride: usize);

    /// Lets go of the tiles.
    unsafe fn end(&mut self);
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
    unsafe fn dot<const C: u8, const A: u8, const B: u8>(&mut self) {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("tdpbf16ps tmm{c}, tmm{a}, tmm{b}", c = const C, a = const A, b = const B,
                options(nostack, nomem));
        }
    }

    #[inline(always)]
    unsafe fn store<const T: u8>(&mut self, to: *mut f32, stride: usize) {
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

/// Words on cache lines.
#[repr(C, align(64))]
struct Lines<const N: usize>([u32; N]);

/// Which halves of a block are wanted.
#[derive(Clone, Copy)]
struct Halves {
    low_rows: bool,
    right_columns: bool,
}

/// One step: 16 pairs of the left operand at `a`, rows `row` words apart, and of the right one at `b`.
///
/// # Safety
/// As for [`Tiles`]; the operands must be readable.
#[inline(always)]
unsafe fn step<T: Tiles>(tiles: &mut T, halves: Halves, a: *const u32, row: usize, b: *const u32) {
    let (row, panel) = (row * size_of::<u32>(), NR * size_of::<u32>());
    // SAFETY: as the caller promises.
    unsafe {
        tiles.load::<6>(b, panel);
        tiles.load::<4>(a, row);
        tiles.dot::<0, 4, 6>();
        if halves.right_columns {
            tiles.load::<7>(b.add(TILE), panel);
            tiles.dot::<1, 4, 7>();
        }
        if halves.low_rows {
            tiles.load::<5>(a.byte_add(TILE * row), row);
            tiles.dot::<2, 5, 6>();
            if halves.right_columns {
                tiles.dot::<3, 5, 7>();
            }
        }
    }
}

/// Copies `pairs` pairs of 32 rows of a left operand, a multiple of neither layout's steps, to rows of 16; the rest is zero.
///
/// # Safety
/// `a` must be readable for the pairs of all rows.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
#[inline]
unsafe fn gather<L: Layout>(a: *const u32, pairs: usize, to: &mut Lines<{ MR * TILE }>) {
    let [row, pair] = L::strides(MR);
    // SAFETY: what is masked is not read; the rest is readable by the caller's promise, and written within `to`.
    unsafe {
        if pair == 1 {
            for r in 0..MR {
                let values = _mm512_maskz_loadu_epi32(mask(pairs), a.add(r * row).cast());
                _mm512_storeu_si512(to.0.as_mut_ptr().add(r * TILE).cast(), values);
            }
            return;
        }
        for first in (0..MR).step_by(TILE) {
            let mut columns = [_mm512_setzero_si512(); TILE];
            for (p, column) in columns.iter_mut().enumerate().take(pairs) {
                *column = _mm512_loadu_si512(a.add(p * pair + first).cast());
            }
            for (r, values) in transpose(columns).iter().enumerate() {
                _mm512_storeu_si512(to.0.as_mut_ptr().add((first + r) * TILE).cast(), *values);
            }
        }
    }
}

/// A block on tiles; arguments and safety as for [`Simd::block`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn block<T: Tiles, L: Layout>(
    tiles: &mut T,
    a: *const u32,
    chunks: &[Chunk],
    b: *const u32,
    out: &Out,
    cols: usize,
    init: Init,
) {
    let halves =
        Halves { low_rows: out[TILE..].iter().any(|to| !to.is_null()), right_columns: cols > TILE };
    let [row, pair] = L::strides(MR);
    let mut left = Lines([0; MR * TILE]);
    let mut b = b;
    // SAFETY: the chunks of `a` and as many pairs of `b` are readable by the caller's promise; no other code of this thread
    // runs before `end`. A last step that is not whole reads copies that zeros complete.
    unsafe {
        tiles.start();
        for chunk in chunks {
            let a = a.add(chunk.offset);
            let whole = chunk.pairs / TILE * TILE;
            for p in (0..whole).step_by(TILE) {
                if pair == 1 {
                    step(tiles, halves, a.add(p), row, b);
                } else {
                    gather::<L>(a.add(p * pair), TILE, &mut left);
                    step(tiles, halves, left.0.as_ptr(), TILE, b);
                }
                b = b.add(TILE * NR);
            }
            let rest = chunk.pairs - whole;
            if rest > 0 {
                let mut right = Lines([0; TILE * NR]);
                right.0.as_mut_ptr().copy_from_nonoverlapping(b, rest * NR);
                gather::<L>(a.add(whole * pair), rest, &mut left);
                step(tiles, halves, left.0.as_ptr(), TILE, right.0.as_ptr());
                b = b.add(rest * NR);
            }
        }
        let mut sums = std::mem::MaybeUninit::<Lines<{ MR * NR }>>::uninit();
        let sums = sums.as_mut_ptr().cast::<f32>();
        let stride = NR * size_of::<f32>();
        tiles.store::<0>(sums, stride);
        if halves.right_columns {
            tiles.store::<1>(sums.add(TILE), stride);
        }
        if halves.low_rows {
            tiles.store::<2>(sums.add(TILE * NR), stride);
            if halves.right_columns {
                tiles.store::<3>(sums.add(TILE * NR + TILE), stride);
            }
        }
        tiles.end();
        for (half, first) in [0, LANES].into_iter().enumerate() {
            if half == 1 && !halves.right_columns {
                break;
            }
            let mask = mask(cols - first);
            let bias = match init {
                Init::Bias(bias) => _mm512_maskz_loadu_ps(mask, bias.add(first)),
                Init::Zero | Init::Output => _mm512_setzero_ps(),
            };
            for (r, &to) in out.iter().enumerate() {
                if to.is_null() {
                    continue;
                }
                let to = to.add(first);
                let start = match init {
                    Init::Output => _mm512_maskz_loadu_ps(mask, to),
                    Init::Zero | Init::Bias(_) => bias,
                };
                let sum = _mm512_loadu_ps(sums.add(r * NR + first));
                _mm512_mask_storeu_ps(to, mask, _mm512_add_ps(sum, start));
            }
        }
    }
}

// SAFETY (all methods): `self` proves the features; the rest is the caller's promise.
impl Simd for Amx {
    const MR: usize = MR;
    const WIDE: usize = 1;
    type Vectors = Avx512;

    fn vectors(self) -> Avx512 {
        self.rounding().vectors()
    }

    unsafe fn block<L: Layout>(
        self,
        a: *const u32,
        chunks: &[Chunk],
        b: *const u32,
        out: &Out,
        cols: usize,
        init: Init,
    ) {
        #[cfg(test)]
        if !Self::is_granted() {
            // SAFETY: as above.
            return unsafe {
                block::<_, L>(&mut software::Software::new(), a, chunks, b, out, cols, init)
            };
        }
        // SAFETY: as above.
        unsafe { block::<_, L>(&mut Hardware, a, chunks, b, out, cols, init) }
    }

    unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize) {
        // SAFETY: as above.
        unsafe { self.rounding().pack_row(src, len, dst, plane) }
    }

    unsafe fn pack_pair(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panel: usize,
    ) {
        // SAFETY: as above.
        unsafe { self.rounding().pack_pair(lo, hi, len, dst, panel) }
    }

    unsafe fn pack_left_pair(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panel: usize,
    ) {
        // SAFETY: as above.
        unsafe { avx512::pack_pair(lo, hi, len, dst, [MR, panel]) }
    }

    unsafe fn pack_transposed(
        self,
        src: *const f32,
        stride: usize,
        len: usize,
        cols: usize,
        dst: *mut u32,
    ) {
        // SAFETY: as above.
        unsafe { self.rounding().pack_transposed(src, stride, len, cols, dst) }
    }

    unsafe fn add_rows(
        self,
        src: *const f32,
        stride: usize,
        rows: usize,
        cols: usize,
        sums: &mut [f32; NR],
    ) {
        // SAFETY: as above.
        unsafe { self.rounding().add_rows(src, stride, rows, cols, sums) }
    }
}
