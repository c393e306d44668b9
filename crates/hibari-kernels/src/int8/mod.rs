//! The product of a dense layer in 8-bit integers: weights with a scale for each output, activations with one for each row.
//!
//! A row of `x` is stored as `u = round(x / s) + 128` with `s = max |x| / 127`, a column of the weight as
//! `w = round(W / t)` with `t = max |W| / 127`; then `y = s t (sum(u w) - 128 sum(w)) + b`. The sums are exact, so every
//! instruction set gives the same bits, at every thread count.
//!
//! # Source
//! Dettmers et al., LLM.int8() (arXiv:2208.07339), section 2.1, vector-wise quantisation, without its outliers

#[cfg(target_arch = "x86_64")]
mod amx;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vnni;

use half::bf16;
use rayon::prelude::*;

pub(crate) use self::portable::Portable;
use crate::epilogue::Epilogue;
use crate::isa::{self, Isa};
use crate::memory::{Shared, filled, prefetch_to_write, with_scratch};
use crate::vector::{folded, for_each_isa};

/// Columns of a panel of the weight, and of a block.
pub(crate) const NR: usize = 32;
/// Most rows of a block.
const MR_MAX: usize = 32;
/// Quads (four values along the contracted axis, in one word) that a row is completed to.
const STEP: usize = 16;
/// Most rows of a task: whole blocks on every instruction set.
const ROWS: usize = 96;
/// Tasks of one product, or a multiple: threads end together.
const TASKS: usize = 16;
/// The largest magnitude of a stored value.
pub(crate) const LARGEST: f32 = 127.0;
/// Four zeros as a left operand holds them; what also turns its bytes into those of a right operand, and back.
const ZEROS: u32 = 0x8080_8080;

/// Sums of a block.
#[repr(align(64))]
pub(crate) struct Sums(pub(crate) [[i32; NR]; MR_MAX]);

impl Sums {
    pub(crate) const ZERO: Self = Self([[0; NR]; MR_MAX]);
}

/// The inner step on an instruction set. A value of the type proves that the processor has it.
pub(crate) trait Dots: Copy + Send + Sync {
    /// Most rows of a block, at most [`MR_MAX`].
    const MR: usize;
    /// Rows that a block is completed to; [`Self::MR`] is a multiple.
    const GRAIN: usize;

    /// Writes the sums of products of `rows` rows of `quads` unsigned quads, `stride` words apart, and a panel.
    ///
    /// # Safety
    /// `rows` is at most [`Self::MR`]; `a` must be readable for as many, completed to [`Self::GRAIN`], and `b` for
    /// `quads * NR` words; `quads` is a multiple of [`STEP`].
    unsafe fn block(
        self,
        a: *const u32,
        stride: usize,
        rows: usize,
        b: *const u32,
        quads: usize,
        sums: &mut Sums,
    );
}

/// The inner steps, one for each kind of instruction.
pub(crate) enum AnyDots {
    #[cfg(target_arch = "x86_64")]
    Amx(isa::Amx),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(vnni::Avx512Vnni),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(vnni::AvxVnni),
    Portable,
}

impl AnyDots {
    /// Those of an instruction set, or of the next lower one that has 8-bit products.
    pub(crate) fn of(isa: Isa) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let (Isa::Amx, Some(amx)) = (isa, isa::Amx::detect()) {
                return Self::Amx(amx);
            }
            if let (true, Some(vnni)) = (isa >= Isa::Avx512, vnni::Avx512Vnni::detect()) {
                return Self::Avx512Vnni(vnni);
            }
            if let (true, Some(vnni)) = (isa >= Isa::Avx2, vnni::AvxVnni::detect()) {
                return Self::AvxVnni(vnni);
            }
        }
        let _ = isa;
        Self::Portable
    }
}

/// Whether there is an instruction for 8-bit products.
pub(crate) fn is_fast(isa: Isa) -> bool {
    !matches!(AnyDots::of(isa), AnyDots::Portable)
}

/// Runs `$body` with `$dots` bound to the inner steps on `$isa`.
macro_rules! dispatch_dots {
    ($isa:expr, $dots:ident => $body:expr) => {
        match $crate::int8::AnyDots::of($isa) {
            #[cfg(target_arch = "x86_64")]
            $crate::int8::AnyDots::Amx($dots) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::int8::AnyDots::Avx512Vnni($dots) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::int8::AnyDots::AvxVnni($dots) => $body,
            $crate::int8::AnyDots::Portable => {
                let $dots = $crate::int8::Portable;
                $body
            }
        }
    };
}
pub(crate) use dispatch_dots;

/// A weight `[k, n]` of 8-bit integers, the same for every instruction set.
#[derive(Clone, PartialEq)]
pub struct Int8Weight {
    /// Panels of 32 columns; in each, for each quad, a word of each column.
    words: Vec<u32>,
    /// A scale for each column, and 128 times the sum of its values.
    scales: Vec<f32>,
    offsets: Vec<i32>,
    k: usize,
    n: usize,
}

impl std::fmt::Debug for Int8Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Int8Weight [{}, {}]", self.k, self.n)
    }
}

/// Quads of a row of `k` values, and words from one row of activations to the next: an odd number of cache lines.
pub(crate) fn layout(k: usize) -> [usize; 2] {
    let quads = k.div_ceil(4).next_multiple_of(STEP);
    [quads, if (quads / STEP).is_multiple_of(2) { quads + STEP } else { quads }]
}

impl Int8Weight {
    /// Quantises and packs a row-major `[n, k]`, a row for each output, as checkpoints hold it.
    ///
    /// # Panics
    /// if the length does not fit
    #[must_use]
    pub fn from_bf16_rows(weight: &[bf16], [k, n]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), k * n, "the weight is not [{n}, {k}]");
        let isa = isa::best();
        let [quads, _] = layout(k);
        let columns = n.next_multiple_of(NR);
        let mut words = vec![0; quads * columns];
        let (mut scales, mut offsets) = (vec![0.0; columns], vec![0; columns]);
        let panels = words.par_chunks_mut((quads * NR).max(1));
        let outputs = scales.par_chunks_mut(NR).zip(offsets.par_chunks_mut(NR));
        panels.zip(outputs).enumerate().for_each(|(panel, (words, (scales, offsets)))| {
            let (mut values, mut row) = (vec![0.0; k], vec![0; k.div_ceil(4)]);
            let rows = weight.chunks(k.max(1)).skip(panel * NR).take(NR);
            for (col, (scale, from)) in scales.iter_mut().zip(rows).enumerate() {
                for (value, from) in values.iter_mut().zip(from) {
                    *value = from.to_f32();
                }
                *scale = quantise(isa, &values, &mut row);
                place(&row, words, col);
            }
            dispatch_dots!(isa, dots => sum_columns(dots, words, quads, offsets));
        });
        scales.truncate(n);
        offsets.truncate(n);
        Self { words, scales, offsets, k, n }
    }

    /// Inputs and outputs, `[k, n]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// Memory it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.words.len() + self.scales.len() + self.offsets.len()) * size_of::<u32>()
    }

    /// `y = x W + b`, and what follows it.
    ///
    /// # Shapes
    /// - `x`: `[m, k]`; `bias`: `[n]`; returned: `[m, n]`
    /// # Panics
    /// if a length does not fit
    #[must_use]
    pub fn linear(
        &self,
        x: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        m: usize,
    ) -> Vec<f32> {
        self.linear_on(isa::best(), x, bias, epilogue, m)
    }

    /// [`Self::linear`] on one instruction set, or the next lower one that has 8-bit products.
    pub(crate) fn linear_on(
        &self,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        m: usize,
    ) -> Vec<f32> {
        assert_eq!(x.len(), m * self.k, "x is not [{m}, {}]", self.k);
        epilogue.check([m, self.n]);
        if let Some(bias) = bias {
            assert_eq!(bias.len(), self.n, "the bias is not [{}]", self.n);
        }
        dispatch_dots!(isa, dots => self.linear_by(dots, isa, x, bias, epilogue, m))
    }

    fn linear_by<D: Dots>(
        &self,
        dots: D,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        m: usize,
    ) -> Vec<f32> {
        let (k, n) = (self.k, self.n);
        let [quads, stride] = layout(k);
        let zeros = [0.0; NR];
        let tasks = m.div_ceil(ROWS).max(1).next_multiple_of(TASKS);
        let rows_max = m.div_ceil(tasks).next_multiple_of(D::GRAIN).max(D::MR);
        let write = |y: *mut f32| {
            let y = Shared::new(y);
            (0..m.div_ceil(rows_max)).into_par_iter().for_each(|task| {
                let first = task * rows_max;
                let rows = (m - first).min(rows_max);
                let padded = rows.next_multiple_of(D::GRAIN);
                with_scratch(padded * stride, |left| {
                    // SAFETY: the scratch has this many words; zeros are valid.
                    let left = unsafe {
                        left.write_bytes(0, padded * stride);
                        std::slice::from_raw_parts_mut(left, padded * stride)
                    };
                    let mut row_scales = [0.0; ROWS];
                    for r in 0..rows {
                        let row = &x[(first + r) * k..][..k];
                        row_scales[r] = quantise(isa, row, &mut left[r * stride..][..quads]);
                    }
                    let mut sums = Sums::ZERO;
                    for (panel, words) in self.words.chunks_exact(quads * NR).enumerate() {
                        let col = panel * NR;
                        let cols = (n - col).min(NR);
                        let columns = Columns {
                            scales: &self.scales[col..][..cols],
                            offsets: &self.offsets[col..][..cols],
                            bias: bias.map_or(&zeros[..cols], |bias| &bias[col..][..cols]),
                        };
                        epilogue.prefetch(n, first..first + rows, col..col + cols);
                        for r0 in (0..rows).step_by(D::MR) {
                            let count = (rows - r0).min(D::MR);
                            // SAFETY: the scratch holds whole blocks of rows, the panel all quads; each task writes its
                            // own rows of `y`.
                            unsafe {
                                let to = y.get().add((first + r0) * n + col);
                                for r in 0..count {
                                    prefetch_to_write(to.add(r * n), cols);
                                }
                                let a = left.as_ptr().add(r0 * stride);
                                dots.block(a, stride, count, words.as_ptr(), quads, &mut sums);
                                let len = (count - 1) * n + cols;
                                let to = std::slice::from_raw_parts_mut(to, len);
                                finish(isa, &sums, &row_scales[r0..][..count], columns, to, n);
                            }
                        }
                        // SAFETY: these rows of the panel are written.
                        unsafe {
                            let rows = first..first + rows;
                            epilogue.apply(isa, y.get(), n, rows, col..col + cols);
                        }
                    }
                });
            });
        };
        // SAFETY: every row and every panel is written.
        unsafe { filled(m * n, write) }
    }
}

/// Writes a quantised row as a column of a panel, which is zero there.
pub(crate) fn place(row: &[u32], panel: &mut [u32], col: usize) {
    for (to, word) in panel.iter_mut().skip(col).step_by(NR).zip(row) {
        *to = word ^ ZEROS;
    }
}

/// What sums of products with the columns of panels are too large by: what a row of zeros would give.
pub(crate) fn sum_columns<D: Dots>(dots: D, panels: &[u32], quads: usize, offsets: &mut [i32]) {
    let zeros = vec![ZEROS; D::GRAIN * quads];
    let mut sums = Sums::ZERO;
    let panels = panels.chunks_exact((quads * NR).max(1));
    for (panel, offsets) in panels.zip(offsets.chunks_exact_mut(NR)) {
        // SAFETY: `zeros` has the rows of a block, the panel all quads.
        unsafe { dots.block(zeros.as_ptr(), quads, 1, panel.as_ptr(), quads, &mut sums) };
        offsets.copy_from_slice(&sums.0[0]);
    }
}

/// What a block's columns are scaled by and added to.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) scales: &'a [f32],
    pub(crate) offsets: &'a [i32],
    pub(crate) bias: &'a [f32],
}

for_each_isa! {
    /// Stores a row as unsigned quads and returns its scale; one that is not finite makes the scale NaN.
    pub(crate) fn quantise(x: &[f32], to: &mut [u32]) -> f32 {
        const LANES: usize = 16;
        let mut largest = [0.0_f32; LANES];
        let mut wrong = [0.0_f32; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        let mut tail = [0.0; LANES];
        tail[..rest.len()].copy_from_slice(rest);
        for values in whole.iter().chain([&tail]) {
            for lane in 0..LANES {
                let size = values[lane].abs();
                largest[lane] = if size > largest[lane] { size } else { largest[lane] };
                wrong[lane] += values[lane] * 0.0;
            }
        }
        let largest = folded(largest, |a, b| if a > b { a } else { b });
        // Zero where all values are finite.
        let wrong = folded(wrong, |a, b| a + b);
        if wrong.is_nan() || largest <= 0.0 {
            to.fill(ZEROS);
            return wrong;
        }
        let inverse = LARGEST / largest;
        let store = |values: &[f32; 4]| {
            let mut bytes = [0; 4];
            for (byte, value) in bytes.iter_mut().zip(values) {
                // SAFETY: the value is finite and no larger than `largest`, so this is within 1..256.
                let stored: i32 = unsafe { (value * inverse + 128.5).to_int_unchecked() };
                *byte = stored as u8;
            }
            u32::from_le_bytes(bytes)
        };
        let (whole, rest) = x.as_chunks::<4>();
        for (to, values) in to.iter_mut().zip(whole) {
            *to = store(values);
        }
        if !rest.is_empty() {
            let mut last = [0.0; 4];
            last[..rest.len()].copy_from_slice(rest);
            to[whole.len()] = store(&last);
        }
        largest / LARGEST
    }
}

for_each_isa! {
    /// Scales sums and writes them to rows of `to`, `stride` apart.
    pub(crate) fn finish(
        sums: &Sums,
        rows: &[f32],
        columns: Columns<'_>,
        to: &mut [f32],
        stride: usize,
    ) {
        let Columns { scales, offsets, bias } = columns;
        // Of a known length the loop over columns is a few vectors.
        if let (Some(scales), Some(offsets), Some(bias)) =
            (scales.as_array::<NR>(), offsets.as_array::<NR>(), bias.as_array::<NR>())
        {
            finish_by(sums, rows, Columns { scales, offsets, bias }, to, stride);
        } else {
            finish_by(sums, rows, columns, to, stride);
        }
    }
}

#[inline(always)]
fn finish_by(sums: &Sums, rows: &[f32], columns: Columns<'_>, to: &mut [f32], stride: usize) {
    let Columns { scales, offsets, bias } = columns;
    for ((sums, row_scale), to) in sums.0.iter().zip(rows).zip(to.chunks_mut(stride)) {
        let columns = scales.iter().zip(offsets).zip(bias);
        let values = to[..scales.len()].iter_mut().zip(sums);
        for ((to, sum), ((scale, offset), bias)) in values.zip(columns) {
            *to = (sum - offset) as f32 * (row_scale * scale) + bias;
        }
    }
}
