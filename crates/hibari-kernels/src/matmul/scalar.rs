//! Portable steps of the bf16 matrix product. The loops over columns vectorise; this is also the oracle's arithmetic.

use super::tile::{CHUNK, Chunk, Columns, Init, Layout, NR, Out, Simd};

/// Rows of a block.
pub(super) const MR: usize = 12;

/// Portable code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

/// Rounds to bf16, to nearest even, in steps that vectorise; a NaN stays one.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
    if is_nan { bits >> 16 | 0x40 } else { nearest }
}

#[inline(always)]
fn pair(lo: f32, hi: f32) -> u32 {
    rounded(lo) | rounded(hi) << 16
}

fn low(pair: u32) -> f32 {
    f32::from_bits(pair << 16)
}

fn high(pair: u32) -> f32 {
    f32::from_bits(pair & 0xffff_0000)
}

/// The sums a block starts from.
///
/// # Safety
/// As for [`Simd::block`].
pub(super) unsafe fn start(out: &Out, cols: usize, init: Init) -> [[f32; NR]; MR] {
    let mut sums = [[0.0; NR]; MR];
    for (row, &from) in sums.iter_mut().zip(out) {
        let from = match init {
            Init::Zero => continue,
            Init::Bias(bias) => bias,
            Init::Output if from.is_null() => continue,
            Init::Output => from.cast_const(),
        };
        // SAFETY: readable for `cols` by the caller's promise.
        let from = unsafe { std::slice::from_raw_parts(from, cols) };
        row[..cols].copy_from_slice(from);
    }
    sums
}

/// Stores a block.
///
/// # Safety
/// As for [`Simd::block`].
pub(super) unsafe fn finish(sums: &[[f32; NR]; MR], out: &Out, cols: usize) {
    for (row, &to) in sums.iter().zip(out) {
        if !to.is_null() {
            // SAFETY: writable for `cols` by the caller's promise; the sums are a local array.
            unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), to, cols) };
        }
    }
}

impl Simd for Scalar {
    const MR: usize = MR;
    const WIDE: usize = 1;
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
        // SAFETY: the caller's promise covers every access below.
        unsafe {
            let mut sums = start(out, cols, init);
            let [row_stride, pair_stride] = L::strides(MR);
            let mut b = b;
            for chunk in chunks {
                for p in 0..chunk.pairs {
                    let right = std::slice::from_raw_parts(b, NR);
                    for (r, row) in sums.iter_mut().enumerate() {
                        let left = *a.add(chunk.offset + r * row_stride + p * pair_stride);
                        let (lo, hi) = (low(left), high(left));
                        for (sum, &right) in row.iter_mut().zip(right) {
                            *sum += lo * low(right) + hi * high(right);
                        }
                    }
                    b = b.add(NR);
                }
            }
            finish(&sums, out, cols);
        }
    }

    unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize) {
        // SAFETY: readable for `len` by the caller's promise.
        let src = unsafe { std::slice::from_raw_parts(src, len) };
        for (p, values) in src.chunks(2).enumerate() {
            let packed = pair(values[0], values.get(1).copied().unwrap_or(0.0));
            // SAFETY: every chunk begun is writable by the caller's promise.
            unsafe { *dst.add(p / CHUNK * plane + p % CHUNK) = packed };
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
        // SAFETY: as the caller promises.
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
        // SAFETY: readable for `len` by the caller's promise.
        let (lo, hi) =
            unsafe { (std::slice::from_raw_parts(lo, len), std::slice::from_raw_parts(hi, len)) };
        for c in 0..len.next_multiple_of(MR) {
            let packed = if c < len { pair(lo[c], hi[c]) } else { 0 };
            // SAFETY: every panel begun is writable by the caller's promise.
            unsafe { *dst.add(c / MR * panel + c % MR) = packed };
        }
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
        // SAFETY: as the caller promises.
        unsafe { add_rows(src, stride, rows, cols, sums) };
    }
}

/// [`Simd::add_rows`], to be compiled for each instruction set.
///
/// # Safety
/// As for [`Simd::add_rows`].
#[inline(always)]
pub(super) unsafe fn add_rows(
    src: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
    sums: &mut [f32; NR],
) {
    for r in 0..rows {
        // SAFETY: readable by the caller's promise.
        let row = unsafe { std::slice::from_raw_parts(src.add(r * stride), cols) };
        if let Ok(row) = <&[f32; NR]>::try_from(row) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        } else {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

/// [`Simd::pack_pair`], to be compiled for each instruction set.
///
/// # Safety
/// As for [`Simd::pack_pair`].
#[inline(always)]
pub(super) unsafe fn pack_pair(
    lo: *const f32,
    hi: *const f32,
    len: usize,
    dst: *mut u32,
    panel: usize,
) {
    // SAFETY: readable for `len` by the caller's promise.
    let (lo, hi) =
        unsafe { (std::slice::from_raw_parts(lo, len), std::slice::from_raw_parts(hi, len)) };
    let panels = lo.chunks(NR).zip(hi.chunks(NR)).enumerate();
    for (idx, (lo, hi)) in panels {
        // SAFETY: every panel begun is writable by the caller's promise.
        let to = unsafe { &mut *dst.add(idx * panel).cast::<[u32; NR]>() };
        for ((to, &lo), &hi) in to.iter_mut().zip(lo).zip(hi) {
            *to = pair(lo, hi);
        }
        to[lo.len()..].fill(0);
    }
}

/// [`Simd::pack_transposed`], to be compiled for each instruction set.
///
/// # Safety
/// As for [`Simd::pack_transposed`].
#[inline(always)]
pub(super) unsafe fn pack_transposed(
    src: *const f32,
    stride: usize,
    len: usize,
    cols: usize,
    dst: *mut u32,
) {
    for c in 0..NR {
        for p in 0..len.div_ceil(2) {
            // SAFETY: rows below `cols` are readable for `len`, the panel writable, by the caller's promise.
            unsafe {
                let value =
                    |k: usize| if c < cols && k < len { *src.add(c * stride + k) } else { 0.0 };
                *dst.add(p * NR + c) = pair(value(2 * p), value(2 * p + 1));
            }
        }
    }
}
