//! Tokens that share a row of modulation, and sums over them.

use rayon::prelude::*;

use super::rows_of_task;

/// Which row of modulation each token of a batch has: activations are `[batch, tokens, width]`, modulations
/// `[batch, count, width]`.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// Sequences in the batch.
    pub batch: usize,
    /// The group of each token, the same in every sequence.
    pub of_token: &'a [u32],
    /// Number of groups, above every entry of `of_token`.
    pub count: usize,
    /// Values of a token.
    pub width: usize,
}

/// Tokens of one group, at most the rows of a task.
struct Piece {
    group: usize,
    tokens: Vec<u32>,
}

impl Groups<'_> {
    /// Asserts that activations and modulations have the right lengths and that the groups exist.
    #[track_caller]
    pub(crate) fn check(&self, activations: &[&[f32]], modulations: &[&[f32]]) {
        let Self { batch, of_token, count, width } = *self;
        let tokens = of_token.len();
        for len in activations.iter().map(|x| x.len()) {
            assert_eq!(len, batch * tokens * width, "not [{batch}, {tokens}, {width}]");
        }
        for len in modulations.iter().map(|x| x.len()) {
            assert_eq!(len, batch * count * width, "not [{batch}, {count}, {width}]");
        }
        let in_range = of_token.iter().all(|&group| (group as usize) < count);
        assert!(in_range, "a group is not below {count}");
    }

    /// The modulation that belongs to a row of activations.
    #[inline(always)]
    pub(crate) fn modulation<'m>(&self, rows: &'m [f32], row: usize) -> &'m [f32] {
        let tokens = self.of_token.len();
        let group = self.of_token[row % tokens] as usize;
        &rows[(row / tokens * self.count + group) * self.width..][..self.width]
    }

    /// `K` sums over the tokens of each group, `[batch, count, width]` each.
    ///
    /// `f(first, tokens, sums)` visits the rows `first + token`, which are of one group, and adds to `K` rows of sums. Each
    /// row is visited once.
    pub(super) fn sum<const K: usize>(
        &self,
        f: impl Fn(usize, &[u32], [&mut [f32]; K]) + Sync,
    ) -> [Vec<f32>; K] {
        let Self { batch, of_token, count, width } = *self;
        let pieces = self.pieces();
        let len = K * width;
        let mut totals: [Vec<f32>; K] = std::array::from_fn(|_| vec![0.0; batch * count * width]);
        if len == 0 || pieces.is_empty() {
            return totals;
        }
        let mut parts = vec![0.0; batch * pieces.len() * len];
        parts.par_chunks_mut(len).enumerate().for_each(|(task, sums)| {
            let first = task / pieces.len() * of_token.len();
            let tokens = &pieces[task % pieces.len()].tokens;
            let mut sums = sums.chunks_mut(width);
            let sums = std::array::from_fn(|_| sums.next().expect("K rows of sums"));
            f(first, tokens, sums);
        });
        for (k, totals) in totals.iter_mut().enumerate() {
            let sequences = totals.par_chunks_mut(count * width);
            sequences.zip(parts.par_chunks(pieces.len() * len)).for_each(|(totals, parts)| {
                for (piece, part) in pieces.iter().zip(parts.chunks(len)) {
                    let totals = &mut totals[piece.group * width..][..width];
                    for (total, part) in totals.iter_mut().zip(&part[k * width..]) {
                        *total += part;
                    }
                }
            });
        }
        totals
    }

    /// The tokens of one sequence, by group, in their order.
    fn pieces(&self) -> Vec<Piece> {
        let mut by_group = vec![Vec::new(); self.count];
        for (token, &group) in (0..).zip(self.of_token) {
            by_group[group as usize].push(token);
        }
        let rows = rows_of_task(self.width);
        let pieces = by_group.iter().enumerate().flat_map(|(group, tokens)| {
            tokens.chunks(rows).map(move |tokens| Piece { group, tokens: tokens.to_vec() })
        });
        pieces.collect()
    }
}
