//! The bf16 matrix product on AVX2 and FMA: bf16 pairs are widened to f32 in registers.

use std::arch::x86_64::{
    _mm256_and_si256, _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_set1_epi32, _mm256_slli_epi32, _mm256_storeu_ps,
};

use super::scalar::{self, MR, Scalar};
use super::tile::{Chunk, Init, Layout, NR, Out, Simd};
use crate::isa::Avx2;

/// Rows and 8-wide column groups that are summed in registers at once.
const ROWS: usize = 4;
const LANES: usize = 8;

#[target_feature(enable = "avx2,fma")]
unsafe fn block<L: Layout>(
    a: *const u32,
    chunks: &[Chunk],
    b: *const u32,
    out: &Out,
    cols: usize,
    init: Init,
) {
    // SAFETY: the caller's promise covers `out`, `a` and `b`; `sums` is a local array indexed within its bounds.
    unsafe {
        let mut sums = scalar::start(out, cols, init);
        let [row_stride, pair_stride] = L::strides(MR);
        let high = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
        for r0 in (0..MR).step_by(ROWS) {
            for c0 in (0..NR).step_by(2 * LANES) {
                let mut acc = [[_mm256_castsi256_ps(_mm256_set1_epi32(0)); 2]; ROWS];
                for (r, acc) in acc.iter_mut().enumerate() {
                    let row = sums[r0 + r].as_ptr().add(c0);
                    *acc = [_mm256_loadu_ps(row), _mm256_loadu_ps(row.add(LANES))];
                }
                let mut b = b.add(c0);
                for chunk in chunks {
                    for p in 0..chunk.pairs {
                        let b0 = _mm256_loadu_si256(b.cast());
                        let b1 = _mm256_loadu_si256(b.add(LANES).cast());
                        let lo = [b0, b1].map(|b| _mm256_castsi256_ps(_mm256_slli_epi32(b, 16)));
                        let hi = [b0, b1].map(|b| _mm256_castsi256_ps(_mm256_and_si256(b, high)));
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let left = *a.add(chunk.offset + (r0 + r) * row_stride + p * pair_stride);
                            let left = _mm256_set1_epi32(left.cast_signed());
                            let left_lo = _mm256_castsi256_ps(_mm256_slli_epi32(left, 16));
                            let left_hi = _mm256_castsi256_ps(_mm256_and_si256(left, high));
                            for half in 0..2 {
                                acc[half] = _mm256_fmadd_ps(left_lo, lo[half], acc[half]);
                                acc[half] = _mm256_fmadd_ps(left_hi, hi[half], acc[half]);
                            }
                        }
                        b = b.add(NR);
                    }
                }
                for (r, acc) in acc.iter().enumerate() {
                    let row = sums[r0 + r].as_mut_ptr().add(c0);
                    _mm256_storeu_ps(row, acc[0]);
                    _mm256_storeu_ps(row.add(LANES), acc[1]);
                }
            }
        }
        scalar::finish(&sums, out, cols);
    }
}

impl Simd for Avx2 {
    const MR: usize = MR;
    type Vectors = Self;

    fn vectors(self) -> Self {
        self
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
        // SAFETY: `self` proves the features; the rest is the caller's promise.
        unsafe { block::<L>(a, chunks, b, out, cols, init) }
    }

    unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize) {
        // SAFETY: as the caller promises.
        unsafe { Scalar.pack_row(src, len, dst, plane) }
    }

    unsafe fn pack_pair(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panels: [usize; 2],
    ) {
        // SAFETY: as the caller promises.
        unsafe { Scalar.pack_pair(lo, hi, len, dst, panels) }
    }

    unsafe fn pack_transposed(
        self,
        src: *const f32,
        stride: usize,
        len: usize,
        cols: usize,
        dst: *mut u32,
    ) {
        // SAFETY: as the caller promises.
        unsafe { Scalar.pack_transposed(src, stride, len, cols, dst) }
    }

    unsafe fn add_rows(
        self,
        src: *const f32,
        stride: usize,
        rows: usize,
        cols: usize,
        sums: &mut [f32; NR],
    ) {
        // SAFETY: as the caller promises.
        unsafe { scalar::add_rows(src, stride, rows, cols, sums) }
    }
}
