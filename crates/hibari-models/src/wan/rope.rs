//! Positions of tokens: queries and keys are rotated by their frame, row and column.
//!
//! Source: Su et al., "RoFormer" (arXiv:2104.09864); Wan2.1 `wan/modules/model.py`, `rope_apply`

use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::rope::rope;

const THETA: f64 = 1e4;

/// The rotation of each token and pair of values.
#[derive(Clone, Debug)]
pub(super) struct Rotations {
    /// `[1, N, d_head / 2]`
    cos: Tensor<3>,
    /// `[1, N, d_head / 2]`
    sin: Tensor<3>,
}

impl Rotations {
    /// The rotations of the tokens of `[frames, rows, columns]`, in this order.
    ///
    /// # Panics
    /// if `d_head` is odd
    #[track_caller]
    pub(super) fn new(grid: [usize; 3], d_head: usize, device: &Device) -> Self {
        let angles = angles(grid, d_head);
        let dims = [1, grid.iter().product(), d_head / 2];
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| of(angle) as f32).collect();
            Tensor::from_data(TensorData::new(values, dims), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Rotates the pairs `(x_2i, x_2i+1)` of each head by angle `i` of the token.
    ///
    /// # Shapes
    /// `[B, N, n_heads, d_head]`, unchanged
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        rope(x, self.cos.clone(), self.sin.clone())
    }
}

/// Angles `[N, d_head / 2]` in radians: of the frame, then of the row, then of the column.
///
/// Row and column have `d_head / 6` pairs each, the frame has the rest. Pair `i` of an axis of `n` values turns by
/// `theta^(-2i/n)` for each position.
#[track_caller]
fn angles([frames, rows, columns]: [usize; 3], d_head: usize) -> Vec<f64> {
    assert!(d_head.is_multiple_of(2), "`{d_head}` is not a head size of pairs");
    let side = 2 * (d_head / 6);
    let axis = |width: usize, position: usize| {
        (0..width / 2)
            .map(move |pair| position as f64 * THETA.powf(-2.0 * pair as f64 / width as f64))
    };
    let mut angles = Vec::with_capacity(frames * rows * columns * d_head / 2);
    for frame in 0..frames {
        for row in 0..rows {
            for column in 0..columns {
                angles.extend(axis(d_head - 2 * side, frame));
                angles.extend(axis(side, row));
                angles.extend(axis(side, column));
            }
        }
    }
    angles
}

#[cfg(test)]
mod tests {
    #[test]
    fn angles_are_those_of_the_authors() {
        let angles = super::angles([2, 3, 4], 128);
        let token = &angles[(12 + 2 * 4 + 3) * 64..];
        let expected =
            [(0, 0.540_302), (2, 0.791_258), (44, -0.416_147), (46, 0.277_223), (86, -0.989_992)];
        for (value, cos) in expected {
            assert!((token[value / 2].cos() - cos).abs() < 1e-6, "value {value}");
        }
    }
}
