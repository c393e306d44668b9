//! The inner steps of a bf16 matrix product, per instruction set: packing, and one block of the result.
//!
//! Packed data are `u32` pairs: two bf16 values that are neighbours along the contracted axis, the first in the low half. An
//! instruction set may keep the left operand in f32 instead; its pairs then take two words, and places in it count pairs.
//! The left operand of a block is read through [`Chunk`]s, in one of two layouts: `Rows` (each row has 32 consecutive pairs,
//! rows follow each other) or `Columns` (each pair has the rows of the block side by side). The right operand is a panel: for
//! each pair 32 columns side by side.

use crate::lanes::Lanes;

/// Most rows of a block.
pub(crate) const MR_MAX: usize = 32;
/// Columns of a block and of a panel of the right operand.
pub(crate) const NR: usize = 32;
/// Pairs of one chunk of the `Rows` layout.
pub(crate) const CHUNK: usize = 32;

/// A run of pairs of the left operand: where it starts from the block's base, in pairs, and how many follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) offset: usize,
    pub(crate) pairs: usize,
}

/// What a block's sums start from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
    Zero,
    /// A row of biases, at the block's first column.
    Bias(*const f32),
    /// What the output holds.
    Output,
}

/// How the left operand of a block is laid out.
pub(crate) trait Layout {
    /// Distances from one row to the next and from one pair to the next, in blocks of `rows` rows.
    fn strides(rows: usize) -> [usize; 2];
}

/// Rows of [`CHUNK`] consecutive pairs.
pub(crate) struct Rows;
impl Layout for Rows {
    #[inline(always)]
    fn strides(_rows: usize) -> [usize; 2] {
        [CHUNK, 1]
    }
}

/// The rows of a block side by side for each pair.
pub(crate) struct Columns;
impl Layout for Columns {
    #[inline(always)]
    fn strides(rows: usize) -> [usize; 2] {
        [1, rows]
    }
}

/// Where the rows of a block go; null for rows that are not wanted.
pub(crate) type Out = [*mut f32; MR_MAX];

/// The steps an instruction set provides. A value of the type proves that the processor has it.
///
/// # Safety
/// All methods read and write through raw pointers as their documentation says.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Rows of a block, at most [`MR_MAX`].
    const MR: usize;

    /// Words that a pair of the left operand takes: one, or two where it stays in f32.
    const WIDE: usize;

    /// How [`Self::turn`] leaves the left operand of a weight gradient.
    type Turned: Layout;

    /// The vector instructions that go with it.
    type Vectors: Lanes;

    /// Proof that the processor has them.
    fn vectors(self) -> Self::Vectors;

    /// Computes a block of up to [`Self::MR`] x `cols` sums over all `chunks`.
    ///
    /// # Safety
    /// `a` must be readable at every chunk for all [`Self::MR`] rows, `b` for all pairs of the chunks times [`NR`], each
    /// non-null pointer among the first [`Self::MR`] of `out` for `cols <= NR` floats, and a bias likewise.
    unsafe fn block<L: Layout>(
        self,
        a: *const u32,
        chunks: &[Chunk],
        b: *const u32,
        out: &Out,
        cols: usize,
        init: Init,
    );

    /// Writes a row of `len` floats of a left operand as chunks of [`CHUNK`] pairs, `plane` pairs apart; an odd tail is
    /// completed with zero.
    ///
    /// # Safety
    /// `src` must be readable for `len`, `dst` writable for every chunk begun.
    unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize);

    /// Rounds two rows of `len` floats of a right operand to bf16 and interleaves them into panels of [`NR`] columns,
    /// `panel` words apart; the last one is completed with zeros.
    ///
    /// # Safety
    /// `lo` and `hi` must be readable for `len`, `dst` writable for [`NR`] at every panel begun.
    unsafe fn pack_pair(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panel: usize,
    );

    /// The same for a left operand in the `Columns` layout: panels of [`Self::MR`] rows of it, `panel` pairs apart.
    ///
    /// # Safety
    /// `lo` and `hi` must be readable for `len`, `dst` writable for [`Self::MR`] pairs at every panel begun.
    unsafe fn pack_left_pair(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panel: usize,
    );

    /// Brings [`CHUNK`] pairs of a panel from [`Self::pack_left_pair`] into the layout [`Self::Turned`], in place.
    ///
    /// # Safety
    /// `group` must be readable and writable for [`CHUNK`] pairs of [`Self::MR`] rows.
    unsafe fn turn(self, _group: *mut u32) {}

    /// Packs the transpose of `cols <= NR` rows of `len` floats, `stride` apart, as one panel; missing columns and an odd
    /// tail are zero.
    ///
    /// # Safety
    /// `src` must be readable for these rows, `dst` writable for `len.div_ceil(2) * NR`.
    unsafe fn pack_transposed(
        self,
        src: *const f32,
        stride: usize,
        len: usize,
        cols: usize,
        dst: *mut u32,
    );

    /// Adds `rows` rows of `cols <= NR` floats, `stride` apart, to `sums`.
    ///
    /// # Safety
    /// `src` must be readable for these rows.
    unsafe fn add_rows(
        self,
        src: *const f32,
        stride: usize,
        rows: usize,
        cols: usize,
        sums: &mut [f32; NR],
    );
}
