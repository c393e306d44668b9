//! Weights that are packed once and kept: bf16 in half the memory of f32, and nothing to pack at each product.
//!
//! ```
//! use half::bf16;
//! use hibari_kernels::epilogue::Epilogue;
//! use hibari_kernels::matmul::PackedWeight;
//!
//! // As checkpoints hold a layer of 3 inputs and 2 outputs: a row for each output.
//! let stored = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(bf16::from_f32);
//! let weight = PackedWeight::from_bf16_rows(&stored, [3, 2]);
//! assert_eq!(weight.linear(&[1.0, 0.0, 2.0], Some(&[0.5, -0.5]), Epilogue::None, 1), [7.5, 15.5]);
//! ```

use half::bf16;
use rayon::prelude::*;

use super::tile::NR;
use super::{Finish, dispatch_product, pack_weight, packed_len, rows_times};
use crate::epilogue::Epilogue;
use crate::isa::{self, Isa};
use crate::memory::filled;

/// A weight `[k, n]` in panels of bf16 pairs, the same for every instruction set.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedWeight {
    words: Vec<u32>,
    k: usize,
    n: usize,
}

impl std::fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedWeight [{}, {}]", self.k, self.n)
    }
}

impl PackedWeight {
    /// Rounds and packs a row-major `[k, n]`.
    ///
    /// # Panics
    /// if the length does not fit
    #[must_use]
    pub fn from_f32(weight: &[f32], [k, n]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), k * n, "the weight is not [{k}, {n}]");
        let mut words = vec![0; packed_len(1, k, n)];
        dispatch_product!(isa::best(), simd => {
            // SAFETY: the words are as many as a packed weight has, and the length is checked.
            unsafe { pack_weight(simd, weight, [1, k, n], words.as_mut_ptr()) }
        });
        Self { words, k, n }
    }

    /// Packs a row-major `[n, k]`, a row for each output, without any copy in f32.
    ///
    /// # Panics
    /// if the length does not fit
    #[must_use]
    pub fn from_bf16_rows(weight: &[bf16], [k, n]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), k * n, "the weight is not [{n}, {k}]");
        let pairs = k.div_ceil(2);
        let mut words = vec![0; packed_len(1, k, n)];
        words.par_chunks_mut((pairs * NR).max(1)).enumerate().for_each(|(panel, words)| {
            for (c, row) in weight.chunks(k.max(1)).skip(panel * NR).take(NR).enumerate() {
                for (p, pair) in row.chunks(2).enumerate() {
                    let high = pair.get(1).map_or(0, |value| u32::from(value.to_bits()));
                    words[p * NR + c] = u32::from(pair[0].to_bits()) | high << 16;
                }
            }
        });
        Self { words, k, n }
    }

    /// Inputs and outputs, `[k, n]`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// Memory it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.words.len() * size_of::<u32>()
    }

    /// `y = x W + b`, the bits of [`super::linear`] on the weight it was packed from, and what follows it.
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

    /// [`Self::linear`] on one instruction set.
    pub(crate) fn linear_on(
        &self,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        m: usize,
    ) -> Vec<f32> {
        let Self { words, k, n } = self;
        assert_eq!(x.len(), m * k, "x is not [{m}, {k}]");
        if let Some(bias) = bias {
            assert_eq!(bias.len(), *n, "the bias is not [{n}]");
        }
        epilogue.check([m, *n]);
        let finish = Finish { bias, epilogue, ..Finish::plain(isa) };
        dispatch_product!(isa, simd => {
            // SAFETY: the lengths are checked, the words are a packed `[k, n]`, and all of `[m, n]` is written.
            unsafe {
                filled(m * n, |y| {
                    rows_times(simd, x.as_ptr(), [m, *k, *n], words.as_ptr(), finish, y);
                })
            }
        })
    }
}
