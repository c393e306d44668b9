//! The 8-bit product with the dot products of VNNI, on 512 and on 256 bits.

use super::{Dots, NR, Sums};
use crate::isa::{Avx2, Avx512};

/// Proof that the processor has AVX-512 VNNI beside [`Avx512`].
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni(());

impl Avx512Vnni {
    /// The token, if the processor has the features.
    pub(super) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && is_x86_feature_detected!("avx512vnni")).then_some(Self(()))
    }
}

/// Proof that the processor has AVX-VNNI beside [`Avx2`].
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni(());

impl AvxVnni {
    /// The token, if the processor has the features.
    pub(super) fn detect() -> Option<Self> {
        (Avx2::detect().is_some() && is_x86_feature_detected!("avxvnni")).then_some(Self(()))
    }
}

/// Implements [`Dots`] with the intrinsics of one instruction set: three times `$grain` rows of two vectors are summed at once.
macro_rules! dots {
    (
        $token:ty, $features:literal, $v:ident x $lanes:literal, 3 x $grain:literal rows,
        [$load:ident $store:ident $splat:ident $zero:ident $dot:ident]
    ) => {
        const _: () = {
            use std::arch::x86_64::{$dot, $load, $splat, $store, $zero};

            #[target_feature(enable = $features)]
            unsafe fn block<const ROWS: usize>(
                a: *const u32,
                stride: usize,
                b: *const u32,
                quads: usize,
                sums: &mut Sums,
            ) {
                for c0 in (0..NR).step_by(2 * $lanes) {
                    let mut acc = [[$zero(); 2]; ROWS];
                    // SAFETY: readable by the caller's promise; sums are written within the block.
                    unsafe {
                        let mut b = b.add(c0);
                        for quad in 0..quads {
                            let right = [$load(b.cast()), $load(b.add($lanes).cast())];
                            for (r, acc) in acc.iter_mut().enumerate() {
                                let left = $splat((*a.add(r * stride + quad)).cast_signed());
                                acc[0] = $dot(acc[0], left, right[0]);
                                acc[1] = $dot(acc[1], left, right[1]);
                            }
                            b = b.add(NR);
                        }
                        for (acc, sums) in acc.iter().zip(&mut sums.0) {
                            let to = sums.as_mut_ptr().add(c0);
                            $store(to.cast(), acc[0]);
                            $store(to.add($lanes).cast(), acc[1]);
                        }
                    }
                }
            }

            impl Dots for $token {
                const MR: usize = 3 * $grain;
                const GRAIN: usize = $grain;

                unsafe fn block(
                    self,
                    a: *const u32,
                    stride: usize,
                    rows: usize,
                    b: *const u32,
                    quads: usize,
                    sums: &mut Sums,
                ) {
                    // SAFETY: `self` proves the features; the rest is the caller's promise.
                    unsafe {
                        match rows.div_ceil($grain) {
                            1 => block::<$grain>(a, stride, b, quads, sums),
                            2 => block::<{ 2 * $grain }>(a, stride, b, quads, sums),
                            _ => block::<{ 3 * $grain }>(a, stride, b, quads, sums),
                        }
                    }
                }
            }
        };
    };
}

dots! {
    Avx512Vnni, "avx512f,avx512bw,avx512vnni", __m512i x 16, 3 x 4 rows,
    [_mm512_loadu_si512 _mm512_storeu_si512 _mm512_set1_epi32 _mm512_setzero_si512
     _mm512_dpbusd_epi32]
}

dots! {
    AvxVnni, "avx2,avxvnni", __m256i x 8, 3 x 2 rows,
    [_mm256_loadu_si256 _mm256_storeu_si256 _mm256_set1_epi32 _mm256_setzero_si256
     _mm256_dpbusd_avx_epi32]
}
