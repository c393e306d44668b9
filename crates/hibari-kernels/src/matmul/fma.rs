//! The matrix product with fused multiply-adds of f32, on NEON, AVX2 and AVX-512: bf16 weights are widened in registers.
//!
//! The left operand stays in f32: a value of it is then read from memory and spread by the multiply-add itself, where a bf16
//! pair would take two instructions more for each row.

use std::ptr;

use super::scalar;
use super::tile::{CHUNK, Chunk, Columns, Init, Layout, NR, Out, Simd};
#[cfg(target_arch = "aarch64")]
use crate::isa::Neon;
#[cfg(target_arch = "x86_64")]
use crate::isa::{Avx2, Avx512};

/// Rows of a block.
const MR: usize = 12;
/// Words of a pair of the left operand.
const WIDE: usize = 2;

/// Implements [`Simd`] with the intrinsics of one instruction set; `$rows` rows of two vectors are summed at once.
macro_rules! products {
    (
        $token:ty, $features:literal, $($arch:ident)::+ $v:ident x $lanes:literal, $rows:literal rows,
        [$load:ident $store:ident $splat:ident $fma:ident]
        [$load_bits:ident $to_floats:ident $shift:ident $and:ident $splat_bits:ident]
    ) => {
        const _: () = {
            use $($arch)::+::{
                $and, $fma, $load, $load_bits, $shift, $splat, $splat_bits, $store, $to_floats, $v,
            };

            /// The halves of pairs, widened.
            #[target_feature(enable = $features)]
            #[inline]
            unsafe fn widened(b: *const u32) -> [$v; 2] {
                // SAFETY: readable by the caller's promise.
                let pairs = unsafe { $load_bits(b.cast()) };
                let high = $splat_bits(0xffff_0000_u32.cast_signed());
                [$to_floats($shift::<16>(pairs)), $to_floats($and(pairs, high))]
            }

            #[target_feature(enable = $features)]
            unsafe fn block<L: Layout>(
                a: *const u32,
                chunks: &[Chunk],
                b: *const u32,
                out: &Out,
                cols: usize,
                init: Init,
            ) {
                let by_row = L::strides(MR)[1] == 1;
                // Floats from one row to the next, from a value to the other of its pair, and from pair to pair.
                let [row, other, pair] =
                    if by_row { [WIDE * CHUNK, 1, 2] } else { [1, MR, 2 * MR] };
                // Whole rows start and end in place, others in a copy.
                let is_whole = cols == NR;
                let mut copy = None;
                let (mut from, mut to) = ([ptr::null(); MR], [ptr::null_mut(); MR]);
                // SAFETY: the caller's promise covers `out`, `a` and `b`; `copy` is a local array indexed within its
                // bounds.
                unsafe {
                    if !is_whole {
                        copy = Some(scalar::start(out, cols, init));
                    }
                    for (r, (from, to)) in from.iter_mut().zip(&mut to).enumerate() {
                        *to = copy.as_mut().map_or(out[r], |copy| copy[r].as_mut_ptr());
                        *from = match init {
                            _ if !is_whole => to.cast_const(),
                            Init::Zero => ptr::null(),
                            Init::Bias(bias) => bias,
                            Init::Output => to.cast_const(),
                        };
                    }
                    for r0 in (0..MR).step_by($rows) {
                        for c0 in (0..cols).step_by(2 * $lanes) {
                            let mut acc = [[$splat(0.0); 2]; $rows];
                            for (r, acc) in acc.iter_mut().enumerate() {
                                if !from[r0 + r].is_null() {
                                    let from = from[r0 + r].add(c0);
                                    *acc = [$load(from), $load(from.add($lanes))];
                                }
                            }
                            let mut b = b.add(c0);
                            for chunk in chunks {
                                let mut a = a.add(WIDE * chunk.offset).cast::<f32>().add(r0 * row);
                                for _ in 0..chunk.pairs {
                                    let [left, right] = [widened(b), widened(b.add($lanes))];
                                    for (r, acc) in acc.iter_mut().enumerate() {
                                        let value = $splat(*a.add(r * row));
                                        acc[0] = $fma(value, left[0], acc[0]);
                                        acc[1] = $fma(value, right[0], acc[1]);
                                    }
                                    for (r, acc) in acc.iter_mut().enumerate() {
                                        let value = $splat(*a.add(r * row + other));
                                        acc[0] = $fma(value, left[1], acc[0]);
                                        acc[1] = $fma(value, right[1], acc[1]);
                                    }
                                    a = a.add(pair);
                                    b = b.add(NR);
                                }
                            }
                            for (r, acc) in acc.iter().enumerate() {
                                if !to[r0 + r].is_null() {
                                    let to = to[r0 + r].add(c0);
                                    $store(to, acc[0]);
                                    $store(to.add($lanes), acc[1]);
                                }
                            }
                        }
                    }
                    if let Some(copy) = &copy {
                        scalar::finish(copy, out, cols);
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn pack_pair(
                lo: *const f32,
                hi: *const f32,
                len: usize,
                dst: *mut u32,
                panel: usize,
            ) {
                // SAFETY: as the caller promises.
                unsafe { scalar::pack_pair(lo, hi, len, dst, panel) }
            }

            #[target_feature(enable = $features)]
            unsafe fn pack_left_pair(
                lo: *const f32,
                hi: *const f32,
                len: usize,
                dst: *mut f32,
                panel: usize,
            ) {
                for c in (0..len).step_by(MR) {
                    let count = (len - c).min(MR);
                    // SAFETY: every panel begun is writable, both rows readable for `len`, by the caller's promise.
                    unsafe {
                        let to = dst.add(c / MR * panel);
                        for (from, to) in [(lo, to), (hi, to.add(MR))] {
                            if count == MR {
                                to.copy_from_nonoverlapping(from.add(c), MR);
                            } else {
                                to.copy_from_nonoverlapping(from.add(c), count);
                                to.add(count).write_bytes(0, MR - count);
                            }
                        }
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn pack_transposed(
                src: *const f32,
                stride: usize,
                len: usize,
                cols: usize,
                dst: *mut u32,
            ) {
                // SAFETY: as the caller promises.
                unsafe { scalar::pack_transposed(src, stride, len, cols, dst) }
            }

            #[target_feature(enable = $features)]
            unsafe fn add_rows(
                src: *const f32,
                stride: usize,
                rows: usize,
                cols: usize,
                sums: &mut [f32; NR],
            ) {
                // SAFETY: as the caller promises.
                unsafe { scalar::add_rows(src, stride, rows, cols, sums) }
            }

            // SAFETY (all methods): `self` proves the features; the rest is the caller's promise.
            impl Simd for $token {
                const MR: usize = MR;
                const WIDE: usize = WIDE;
                type Turned = Columns;
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
                    // SAFETY: as above.
                    unsafe { block::<L>(a, chunks, b, out, cols, init) }
                }

                unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize) {
                    let dst = dst.cast::<f32>();
                    for (chunk, first) in (0..len).step_by(2 * CHUNK).enumerate() {
                        let count = (len - first).min(2 * CHUNK);
                        // SAFETY: as above; each chunk begun has room for two floats of every pair.
                        unsafe {
                            let to = dst.add(WIDE * chunk * plane);
                            to.copy_from_nonoverlapping(src.add(first), count);
                            if count % 2 == 1 {
                                *to.add(count) = 0.0;
                            }
                        }
                    }
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
                    unsafe { pack_pair(lo, hi, len, dst, panel) }
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
                    unsafe { pack_left_pair(lo, hi, len, dst.cast(), WIDE * panel) }
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
                    unsafe { pack_transposed(src, stride, len, cols, dst) }
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
                    unsafe { add_rows(src, stride, rows, cols, sums) }
                }
            }
        };
    };
}

#[cfg(target_arch = "aarch64")]
products! {
    Neon, "neon", crate::neon Floats x 4, 12 rows,
    [load store splat fma]
    [load_bits to_floats shift and splat_bits]
}

#[cfg(target_arch = "x86_64")]
products! {
    Avx2, "avx2,fma", std::arch::x86_64 __m256 x 8, 4 rows,
    [_mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps _mm256_fmadd_ps]
    [_mm256_loadu_si256 _mm256_castsi256_ps _mm256_slli_epi32 _mm256_and_si256 _mm256_set1_epi32]
}

#[cfg(target_arch = "x86_64")]
products! {
    Avx512, "avx512f,avx512bw,avx512dq,avx512vl", std::arch::x86_64 __m512 x 16, 12 rows,
    [_mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps _mm512_fmadd_ps]
    [_mm512_loadu_si512 _mm512_castsi512_ps _mm512_slli_epi32 _mm512_and_si512 _mm512_set1_epi32]
}
