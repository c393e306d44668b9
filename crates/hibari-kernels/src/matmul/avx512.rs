//! The bf16 matrix product on AVX-512 BF16: `vdpbf16ps` with 24 sums of 16 floats in registers.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_shuffle_i32x4,
    _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::mem::transmute;

use super::scalar;
use super::tile::{CHUNK, Chunk, Columns, Init, Layout, NR, Out, Simd};
use crate::isa::{Avx512, Avx512Bf16};

/// Rows of a block: two registers of sums each.
const MR: usize = 12;
pub(super) const LANES: usize = 16;

/// The word order that interleaves the two halves of a register.
static INTERLEAVE: [u16; 32] = {
    let mut order = [0_u16; 32];
    let mut i = 0_u16;
    while i < 16 {
        order[2 * i as usize] = i;
        order[2 * i as usize + 1] = 16 + i;
        i += 1;
    }
    order
};

/// The mask of the first `count` of 16 lanes.
pub(super) fn mask(count: usize) -> u16 {
    if count >= LANES { u16::MAX } else { (1 << count) - 1 }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn block<L: Layout>(
    a: *const u32,
    chunks: &[Chunk],
    b: *const u32,
    out: &Out,
    cols: usize,
    init: Init,
) {
    let masks = [mask(cols), mask(cols.saturating_sub(LANES))];
    let mut acc = [[_mm512_setzero_ps(); 2]; MR];
    // SAFETY: masked lanes are not read; the rest is readable by the caller's promise.
    unsafe {
        match init {
            Init::Zero => {}
            Init::Bias(bias) => {
                let row = [
                    _mm512_maskz_loadu_ps(masks[0], bias),
                    _mm512_maskz_loadu_ps(masks[1], bias.wrapping_add(LANES)),
                ];
                acc = [row; MR];
            }
            Init::Output => {
                for (acc, &from) in acc.iter_mut().zip(out) {
                    if !from.is_null() {
                        acc[0] = _mm512_maskz_loadu_ps(masks[0], from);
                        acc[1] = _mm512_maskz_loadu_ps(masks[1], from.wrapping_add(LANES));
                    }
                }
            }
        }
    }
    let [row_stride, pair_stride] = L::strides(MR);
    let mut b = b;
    for chunk in chunks {
        // SAFETY: the chunks of `a` and as many pairs of `b` are readable by the caller's promise. The vectors are
        // plain bits, so the integer and the bf16 view of a register are the same.
        unsafe {
            let mut a = a.add(chunk.offset);
            for _ in 0..chunk.pairs {
                let b0: __m512bh = transmute(_mm512_loadu_si512(b.cast()));
                let b1: __m512bh = transmute(_mm512_loadu_si512(b.add(LANES).cast()));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let left: __m512bh =
                        transmute(_mm512_set1_epi32((*a.add(r * row_stride)).cast_signed()));
                    acc[0] = _mm512_dpbf16_ps(acc[0], left, b0);
                    acc[1] = _mm512_dpbf16_ps(acc[1], left, b1);
                }
                a = a.add(pair_stride);
                b = b.add(NR);
            }
        }
    }
    for (acc, &to) in acc.iter().zip(out) {
        if !to.is_null() {
            // SAFETY: masked lanes are not written; the rest is writable by the caller's promise.
            unsafe {
                _mm512_mask_storeu_ps(to, masks[0], acc[0]);
                _mm512_mask_storeu_ps(to.wrapping_add(LANES), masks[1], acc[1]);
            }
        }
    }
}

/// Rounds two registers to bf16; `lo` fills the low half.
#[target_feature(enable = "avx512f,avx512bf16")]
fn round(lo: __m512, hi: __m512) -> __m512i {
    // SAFETY: both are 64 plain bytes.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(hi, lo)) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_row(src: *const f32, len: usize, dst: *mut u32, plane: usize) {
    let mut k = 0;
    while k < len {
        let left = len - k;
        let pair_idx = k / 2;
        // SAFETY: masked lanes are neither read nor written; the rest is the caller's promise.
        unsafe {
            let to = dst.add(pair_idx / CHUNK * plane + pair_idx % CHUNK);
            if left >= 2 * LANES {
                let packed =
                    round(_mm512_loadu_ps(src.add(k)), _mm512_loadu_ps(src.add(k + LANES)));
                _mm512_storeu_si512(to.cast(), packed);
            } else {
                let lo = _mm512_maskz_loadu_ps(mask(left), src.add(k));
                let hi = _mm512_maskz_loadu_ps(
                    mask(left.saturating_sub(LANES)),
                    src.wrapping_add(k + LANES),
                );
                _mm512_mask_storeu_epi32(to.cast(), mask(left.div_ceil(2)), round(lo, hi));
            }
        }
        k += 2 * LANES;
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn pack_pair(
    lo: *const f32,
    hi: *const f32,
    len: usize,
    dst: *mut u32,
    [width, panel]: [usize; 2],
) {
    // SAFETY: masked lanes are neither read nor written; the rest is the caller's promise.
    unsafe {
        let order = _mm512_loadu_si512(INTERLEAVE.as_ptr().cast());
        let mut to = dst;
        let mut c = 0;
        while c < len {
            let mut at = 0;
            while at < width {
                let load = mask((width - at).min(len.saturating_sub(c + at)));
                let low = _mm512_maskz_loadu_ps(load, lo.wrapping_add(c + at));
                let high = _mm512_maskz_loadu_ps(load, hi.wrapping_add(c + at));
                let packed = _mm512_permutexvar_epi16(order, round(low, high));
                _mm512_mask_storeu_epi32(to.add(at).cast(), mask(width - at), packed);
                at += LANES;
            }
            c += width;
            to = to.wrapping_add(panel);
        }
    }
}

/// Transposes 16 x 16 words.
#[target_feature(enable = "avx512f")]
pub(crate) fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut t = rows;
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut u = t;
    for i in 0..4 {
        let i = 4 * i;
        u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    let mut columns = u;
    for j in 0..4 {
        let even = _mm512_shuffle_i32x4(u[j], u[4 + j], 0x88);
        let odd = _mm512_shuffle_i32x4(u[j], u[4 + j], 0xdd);
        let even2 = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0x88);
        let odd2 = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0xdd);
        columns[j] = _mm512_shuffle_i32x4(even, even2, 0x88);
        columns[4 + j] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
        columns[8 + j] = _mm512_shuffle_i32x4(even, even2, 0xdd);
        columns[12 + j] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
    }
    columns
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pack_transposed(src: *const f32, stride: usize, len: usize, cols: usize, dst: *mut u32) {
    for k in (0..len).step_by(2 * LANES) {
        let masks = [mask(len - k), mask((len - k).saturating_sub(LANES))];
        for c0 in (0..NR).step_by(LANES) {
            let mut rows = [round(_mm512_setzero_ps(), _mm512_setzero_ps()); LANES];
            for (c, row) in rows.iter_mut().enumerate().take(cols.saturating_sub(c0)) {
                // SAFETY: masked lanes are not read; the rows below `cols` are readable by the caller's promise.
                unsafe {
                    let from = src.add((c0 + c) * stride + k);
                    let lo = _mm512_maskz_loadu_ps(masks[0], from);
                    let hi = _mm512_maskz_loadu_ps(masks[1], from.wrapping_add(LANES));
                    *row = round(lo, hi);
                }
            }
            let pairs = (len - k).div_ceil(2).min(LANES);
            for (p, column) in transpose(rows).iter().enumerate().take(pairs) {
                // SAFETY: the panel is writable for every pair of `len` by the caller's promise.
                unsafe { _mm512_storeu_si512(dst.add((k / 2 + p) * NR + c0).cast(), *column) };
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn add_rows(src: *const f32, stride: usize, rows: usize, cols: usize, sums: &mut [f32; NR]) {
    // SAFETY: as the caller promises.
    unsafe { scalar::add_rows(src, stride, rows, cols, sums) }
}

// SAFETY (all methods): `self` proves the features; the rest is the caller's promise.
impl Simd for Avx512Bf16 {
    const MR: usize = MR;
    const WIDE: usize = 1;
    type Turned = Columns;
    type Vectors = Avx512;

    fn vectors(self) -> Avx512 {
        Self::vectors(self)
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
        // SAFETY: as above.
        unsafe { pack_row(src, len, dst, plane) }
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
        unsafe { pack_pair(lo, hi, len, dst, [NR, panel]) }
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
        unsafe { pack_pair(lo, hi, len, dst, [MR, panel]) }
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
