//! The bf16 matrix product on AMX: blocks of 32 x 32 sums.

use std::arch::x86_64::{
    _mm512_add_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_epi32, _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::avx512::{self, LANES, mask, transpose};
use super::tile::{CHUNK, Chunk, Init, Layout, MR_MAX, NR, Out, Rows, Simd};
use crate::isa::{Amx, Avx512};
use crate::tiles::{self, Halves, Pairs, TILE, Tiles};

/// Rows of a block: two tiles.
const MR: usize = 2 * TILE;
const _: () = assert!(MR <= MR_MAX && NR == 2 * TILE);

/// Words on cache lines.
#[repr(C, align(64))]
struct Lines<const N: usize>([u32; N]);

/// Copies up to 16 pairs of each of 32 rows of a left operand to rows of 16; missing ones are zero.
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
                    tiles::step::<_, Pairs>(tiles, halves, a.add(p), row, b);
                } else {
                    gather::<L>(a.add(p * pair), TILE, &mut left);
                    tiles::step::<_, Pairs>(tiles, halves, left.0.as_ptr(), TILE, b);
                }
                b = b.add(TILE * NR);
            }
            let rest = chunk.pairs - whole;
            if rest > 0 {
                let mut right = Lines([0; TILE * NR]);
                right.0.as_mut_ptr().copy_from_nonoverlapping(b, rest * NR);
                gather::<L>(a.add(whole * pair), rest, &mut left);
                tiles::step::<_, Pairs>(tiles, halves, left.0.as_ptr(), TILE, right.0.as_ptr());
                b = b.add(rest * NR);
            }
        }
        let mut sums = std::mem::MaybeUninit::<Lines<{ MR * NR }>>::uninit();
        let sums = sums.as_mut_ptr().cast::<f32>();
        tiles::store(tiles, halves, sums.cast());
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

/// Transposes 32 x 32 words in place.
///
/// # Safety
/// `group` must be readable and writable for them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn turn(group: *mut u32) {
    const _: () = assert!(CHUNK == MR);
    // SAFETY: the quarters are within the words of the group.
    unsafe {
        let load = |row: usize, col: usize| {
            let mut rows = [_mm512_setzero_si512(); TILE];
            for (r, values) in rows.iter_mut().enumerate() {
                *values = _mm512_loadu_si512(group.add((row + r) * MR + col).cast());
            }
            transpose(rows)
        };
        let quarters = [(0, 0), (0, TILE), (TILE, 0), (TILE, TILE)];
        let turned = quarters.map(|(row, col)| load(row, col));
        for ((row, col), values) in quarters.into_iter().zip(turned) {
            for (r, values) in values.iter().enumerate() {
                _mm512_storeu_si512(group.add((col + r) * MR + row).cast(), *values);
            }
        }
    }
}

// SAFETY (all methods): `self` proves the features; the rest is the caller's promise.
impl Simd for Amx {
    const MR: usize = MR;
    const WIDE: usize = 1;
    type Turned = Rows;
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
        // SAFETY: as above.
        unsafe { block::<_, L>(&mut tiles::of(self), a, chunks, b, out, cols, init) }
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

    unsafe fn turn(self, group: *mut u32) {
        // SAFETY: as above.
        unsafe { turn(group) }
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
