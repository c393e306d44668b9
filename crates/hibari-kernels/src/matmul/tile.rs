//! The inner steps of a bf16 matrix product, per instruction set: packing, and one 12 x 32 block of the result.
//!
//! Packed data are `u32` pairs: two bf16 values that are neighbours along the contracted axis, the first in the low half.
//! The left operand of a block is read through [`Chunk`]s, in one of two layouts: `Rows` (each of the 12 rows has 32
//! consecutive pairs, rows follow each other) or `Columns` (each pair has its 12 rows side by side). The right operand is a
//! panel: for each pair 32 columns side by side.

/// Rows of a block.
pub(crate) const MR: usize = 12;
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
    /// Pairs from one row to the next.
    const ROW: usize;
    /// Distance from one pair to the next.
    const PAIR: usize;
}

/// Rows of [`CHUNK`] consecutive pairs.
pub(crate) struct Rows;
impl Layout for Rows {
    const ROW: usize = CHUNK;
    const PAIR: usize = 1;
}

/// [`MR`] rows side by side for each pair.
pub(crate) struct Columns;
impl Layout for Columns {
    const ROW: usize = 1;
    const PAIR: usize = MR;
}

/// The steps an instruction set provides. A value of the type proves that the processor has it.
///
/// # Safety
/// All methods read and write through raw pointers as their documentation says.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Computes a block of up to [`MR`] x `cols` sums over all `chunks`.
    ///
    /// # Safety
    /// `a` must be readable at every chunk for all [`MR`] rows, `b` for all pairs of the chunks times [`NR`], each
    /// non-null pointer of `out` for `cols <= NR` floats, and a bias likewise.
    unsafe fn block<L: Layout>(
        self,
        a: *const u32,
        chunks: &[Chunk],
        b: *const u32,
        out: &[*mut f32; MR],
        cols: usize,
        init: Init,
    );

    /// Rounds a row of `len` floats to bf16 and writes its pairs in chunks of [`CHUNK`], `plane` apart; an odd tail is
    /// completed with zero.
    ///
    /// # Safety
    /// `src` must be readable for `len`, `dst` writable for every chunk begun.
    unsafe fn pack_row(self, src: *const f32, len: usize, dst: *mut u32, plane: usize);

    /// Rounds two rows of `len` floats to bf16 and interleaves them into panels of `W` columns, `panel` apart; the last
    /// panel is completed with zeros.
    ///
    /// # Safety
    /// `lo` and `hi` must be readable for `len`, `dst` writable for `W` at every panel begun.
    unsafe fn pack_pair<const W: usize>(
        self,
        lo: *const f32,
        hi: *const f32,
        len: usize,
        dst: *mut u32,
        panel: usize,
    );

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
