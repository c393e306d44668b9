//! Attention with products of bf16: blocks of queries against tiles of keys, on the steps of [`Simd`].

mod backward;
mod forward;

pub(super) use self::backward::attend_backward;
pub(super) use self::forward::attend;

use crate::matmul::tile::{CHUNK, Chunk, Init, Layout, MR_MAX, NR, Out, Simd};
use crate::matmul::{panel_stride, set_rows};
use crate::memory::Shared;

/// Queries of a block: whole blocks of a product on every instruction set.
const QUERIES: usize = 96;
/// Pairs from one chunk of packed rows of a block to the next.
const PLANE: usize = QUERIES * CHUNK;

/// Words of packed rows of `values` for each query of a block.
const fn rows_len<S: Simd>(values: usize) -> usize {
    S::WIDE * values.div_ceil(2).div_ceil(CHUNK) * PLANE
}

/// Packs `rows` rows of `values`, `stride` apart, as a left operand.
///
/// # Safety
/// The rows must be readable, `to` writable for [`rows_len`].
unsafe fn pack_rows<S: Simd>(
    simd: S,
    from: *const f32,
    stride: usize,
    [rows, values]: [usize; 2],
    to: *mut u32,
) {
    for row in 0..rows {
        // SAFETY: as the caller promises.
        unsafe {
            simd.pack_row(from.add(row * stride), values, to.add(S::WIDE * row * CHUNK), PLANE);
        }
    }
}

/// A right operand: panels of columns, and words from one to the next.
#[derive(Clone, Copy)]
struct Panels {
    at: Shared<u32>,
    stride: usize,
}

impl Panels {
    fn new(at: *mut u32, stride: usize) -> Self {
        Self { at: Shared::new(at), stride }
    }

    /// Words from one panel to the next, and of all, for rows of a head of an item with so many `tokens`.
    fn sizes_of_rows(tokens: usize, width: usize) -> [usize; 2] {
        let stride = panel_stride(NR, tokens.div_ceil(2));
        [stride, width.div_ceil(NR) * stride]
    }

    /// The same for turned rows.
    fn sizes_of_columns(tokens: usize, width: usize) -> [usize; 2] {
        let stride = width / 2 * NR;
        [stride, tokens.div_ceil(NR) * stride]
    }

    /// Packs `tokens` rows of `width` values, `stride` apart: `[tokens, width]`.
    ///
    /// # Safety
    /// The rows must be readable, the panels writable.
    unsafe fn pack_rows<S: Simd>(
        self,
        simd: S,
        from: *const f32,
        stride: usize,
        [tokens, width]: [usize; 2],
        zeros: &[f32],
    ) {
        for (pair, first) in (0..tokens).step_by(2).enumerate() {
            // SAFETY: as the caller promises; `zeros` are as long as a row.
            unsafe {
                let low = from.add(first * stride);
                let high = if first + 1 < tokens { low.add(stride) } else { zeros.as_ptr() };
                simd.pack_pair(low, high, width, self.at.get().add(pair * NR), self.stride);
            }
        }
    }

    /// Packs the rows turned: `[width, tokens]`.
    ///
    /// # Safety
    /// As for [`Self::pack_rows`].
    unsafe fn pack_columns<S: Simd>(
        self,
        simd: S,
        from: *const f32,
        stride: usize,
        [tokens, width]: [usize; 2],
    ) {
        for (panel, first) in (0..tokens).step_by(NR).enumerate() {
            // SAFETY: as the caller promises.
            unsafe {
                let to = self.at.get().add(panel * self.stride);
                let cols = (tokens - first).min(NR);
                simd.pack_transposed(from.add(first * stride), stride, width, cols, to);
            }
        }
    }

    /// The panels from `panel` on, and in each the pairs from `pair` on.
    fn from(self, panel: usize, pair: usize) -> Self {
        Self::new(self.at.get().wrapping_add(panel * self.stride + pair * NR), self.stride)
    }
}

/// A left operand: its chunks, and words from one block of rows to the next.
#[derive(Clone, Copy)]
struct Left<'a> {
    at: *const u32,
    chunks: &'a [Chunk],
    block: usize,
}

/// Writes to `rows` rows of `cols` floats, `pitch` apart, the product of a left operand and panels, or adds it.
///
/// # Safety
/// The operands must be packed for this, and `out` be writable.
unsafe fn product<S: Simd, L: Layout>(
    simd: S,
    left: Left<'_>,
    right: Panels,
    out: *mut f32,
    pitch: usize,
    [rows, cols]: [usize; 2],
    init: Init,
) {
    let mut to: Out = [std::ptr::null_mut(); MR_MAX];
    for (panel, col) in (0..cols).step_by(NR).enumerate() {
        for (block, row) in (0..rows).step_by(S::MR).enumerate() {
            // SAFETY: as the caller promises.
            unsafe {
                set_rows::<S>(&mut to, out.add(row * pitch + col), pitch, rows - row);
                let a = left.at.add(block * left.block);
                let b = right.at.get().add(panel * right.stride);
                simd.block::<L>(a, left.chunks, b, &to, (cols - col).min(NR), init);
            }
        }
    }
}
