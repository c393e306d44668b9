//! What is done to rows of a product while they are still in the cache, with the bits that a pass of its own would give.

use std::ops::Range;

use crate::activation::gelu_tanh_of;
use crate::isa::Isa;
use crate::memory::prefetch;
use crate::norm::Groups;
use crate::vector::for_each_isa;

/// What follows a product `y` of `[m, n]`.
#[derive(Clone, Copy, Debug, Default)]
pub enum Epilogue<'a> {
    /// Nothing.
    #[default]
    None,
    /// [`crate::activation::gelu_tanh`].
    GeluTanh,
    /// `x + y`, of an `x` of the same shape.
    Add(&'a [f32]),
    /// [`crate::norm::gated_residual`]: `x + gate * y`.
    AddGated {
        /// Of the shape of `y`.
        x: &'a [f32],
        /// `[batch, count, n]`.
        gate: &'a [f32],
        /// Which gate each row takes.
        groups: Groups<'a>,
    },
}

impl Epilogue<'_> {
    /// Asserts that it fits a product.
    #[track_caller]
    pub(crate) fn check(&self, [m, n]: [usize; 2]) {
        match self {
            Self::None | Self::GeluTanh => {}
            Self::Add(x) => assert_eq!(x.len(), m * n, "what is added is not [{m}, {n}]"),
            Self::AddGated { x, gate, groups } => {
                assert_eq!([x.len(), groups.width], [m * n, n], "what is added is not [{m}, {n}]");
                groups.check(&[x], &[gate]);
            }
        }
    }

    /// Asks for what [`Self::apply`] will read for these columns and rows: it lies in as many places as there are rows.
    pub(crate) fn prefetch(self, n: usize, rows: Range<usize>, cols: Range<usize>) {
        if let Self::Add(x) | Self::AddGated { x, .. } = self {
            for row in rows {
                prefetch(&x[row * n..][cols.clone()]);
            }
        }
    }

    /// Applies it to the columns `cols` of the rows `rows` of `y`, `[.., n]`.
    ///
    /// # Safety
    /// `y` must be readable and writable for these and nothing else; it must have been checked for the shape.
    pub(crate) unsafe fn apply(
        self,
        isa: Isa,
        y: *mut f32,
        n: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        if !matches!(self, Self::None) {
            apply_on(isa, self, y, n, rows, cols);
        }
    }
}

for_each_isa! {
    /// As for [`Epilogue::apply`].
    fn apply_on(
        epilogue: Epilogue<'_>,
        y: *mut f32,
        n: usize,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        for row in rows {
            let at = row * n + cols.start;
            // SAFETY: the caller's promise.
            let y = unsafe { std::slice::from_raw_parts_mut(y.add(at), cols.len()) };
            match epilogue {
                Epilogue::None => {}
                Epilogue::GeluTanh => change(y, [], |y, []| gelu_tanh_of(y)),
                Epilogue::Add(x) => change(y, [&x[at..]], |y, [x]| x + y),
                Epilogue::AddGated { x, gate, groups } => {
                    let gate = &groups.modulation(gate, row)[cols.start..];
                    change(y, [&x[at..], gate], |y, [x, gate]| x + gate * y);
                }
            }
        }
    }
}

/// Replaces each value by `f` of it and the values at its place in `inputs`; in pieces of one length, which become vectors.
#[inline(always)]
fn change<const N: usize>(y: &mut [f32], inputs: [&[f32]; N], f: impl Fn(f32, [f32; N]) -> f32) {
    const PIECE: usize = 16;
    let inputs = inputs.map(|input| &input[..y.len()]);
    let pieces = inputs.map(|input| input.as_chunks::<PIECE>());
    let (whole, rest) = y.as_chunks_mut::<PIECE>();
    for (idx, y) in whole.iter_mut().enumerate() {
        let at = pieces.map(|(whole, _)| &whole[idx]);
        // A copy: the compiler need not know that the inputs are elsewhere.
        let mut piece = *y;
        for (lane, value) in piece.iter_mut().enumerate() {
            *value = f(*value, at.map(|at| at[lane]));
        }
        *y = piece;
    }
    for (idx, y) in rest.iter_mut().enumerate() {
        *y = f(*y, pieces.map(|(_, rest)| rest[idx]));
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::Epilogue;
    use crate::activation::gelu_tanh;
    use crate::int8::Int8Weight;
    use crate::isa::Isa;
    use crate::matmul::PackedWeight;
    use crate::norm::{Groups, gated_residual};
    use crate::testing::values;

    #[test]
    fn it_gives_the_bits_of_a_pass_of_its_own() {
        for [m, k, n] in [[1, 5, 3], [70, 33, 45], [110, 4200, 64]] {
            let (x, y) = (values(1, m * n), values(2, m * k));
            let (bias, gate) = (values(3, n), values(4, 2 * n));
            let rows: Vec<bf16> = values(5, k * n).into_iter().map(bf16::from_f32).collect();
            let of_token: Vec<u32> = (0..m).map(|row| u32::from(row % 3 == 0)).collect();
            let groups = Groups { batch: 1, of_token: &of_token, count: 2, width: n };
            let bf16 = PackedWeight::from_bf16_rows(&rows, [k, n]);
            let int8 = Int8Weight::from_bf16_rows(&rows, [k, n]);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                for is_int8 in [false, true] {
                    let run = |epilogue| match is_int8 {
                        true => int8.linear_on(isa, &y, Some(&bias), epilogue, m),
                        false => bf16.linear_on(isa, &y, Some(&bias), epilogue, m),
                    };
                    let what = format!("{isa:?} [{m}, {k}, {n}], int8 {is_int8}");
                    let plain = run(Epilogue::None);
                    assert!(run(Epilogue::GeluTanh) == gelu_tanh(&plain), "gelu {what}");
                    let sum: Vec<f32> = x.iter().zip(&plain).map(|(x, y)| x + y).collect();
                    assert!(run(Epilogue::Add(&x)) == sum, "add {what}");
                    let gated = Epilogue::AddGated { x: &x, gate: &gate, groups };
                    let expected = gated_residual(&x, &plain, &gate, groups);
                    assert!(run(gated) == expected, "gated {what}");
                }
            }
        }
    }
}
