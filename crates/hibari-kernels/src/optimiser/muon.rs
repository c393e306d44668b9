//! Muon: momentum made orthogonal by a Newton-Schulz iteration on bf16 products.

use super::{blend, sum_of_squares};
use crate::matmul;

/// Coefficients of the iteration, `p(s) = a s + b s^3 + c s^5` on each singular value `s`.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
/// Iterations of a step.
const STEPS: usize = 5;

/// What one step of Muon depends on.
#[derive(Clone, Copy, Debug)]
pub struct Muon {
    /// Learning rate of this step; on the scale of AdamW's.
    pub rate: f32,
    /// Decay of the momentum; 0.95 in the source.
    pub momentum: f32,
    /// Whether the step looks ahead by the newest gradient.
    pub nesterov: bool,
    /// Decoupled weight decay, multiplied by the rate.
    pub weight_decay: f32,
    /// Factor on the gradient, such as that of clipping.
    pub grad_scale: f32,
}

/// Moves a matrix `[rows, cols]` by one step; `momentum` is zero before the first step.
///
/// `p -= rate * (weight_decay * p + 0.2 * sqrt(max(rows, cols)) * orthogonal(momentum))`: the factor gives the update the
/// root mean square that AdamW's has.
///
/// # Panics
/// if a length does not fit
/// # Source
/// K. Jordan, "Muon" (2024), and Liu et al., "Muon is scalable for LLM training" (arXiv:2502.16982), section 2.2
pub fn muon(
    param: &mut [f32],
    grad: &[f32],
    momentum: &mut [f32],
    [rows, cols]: [usize; 2],
    settings: Muon,
) {
    let Muon { rate, momentum: beta, nesterov, weight_decay, grad_scale } = settings;
    let lengths = [param.len(), grad.len(), momentum.len()];
    assert_eq!(lengths, [rows * cols; 3], "an operand is not [{rows}, {cols}]");
    blend(momentum, beta, grad, (1.0 - beta) * grad_scale);
    let mut update = momentum.to_vec();
    if nesterov {
        blend(&mut update, beta, grad, (1.0 - beta) * grad_scale);
    }
    newton_schulz(&mut update, [rows, cols], STEPS);
    let scale = 0.2 * (rows.max(cols) as f32).sqrt();
    blend(param, 1.0 - rate * weight_decay, &update, -rate * scale);
}

/// Drives the singular values of a matrix `[rows, cols]` towards 1, roughly: after five steps those that were not tiny
/// beside the largest lie between the extremes of the polynomial, 0.68 and 1.20, but for the rounding to bf16.
///
/// A matrix of zeros stays as it is.
///
/// # Panics
/// if the length does not fit
/// # Source
/// K. Jordan, "Muon" (2024), `zeropower_via_newtonschulz5`
pub fn newton_schulz(x: &mut [f32], [rows, cols]: [usize; 2], steps: usize) {
    assert_eq!(x.len(), rows * cols, "the matrix is not [{rows}, {cols}]");
    let norm = sum_of_squares(x).sqrt();
    if norm == 0.0 {
        return;
    }
    let scale = (1.0 / norm) as f32;
    x.iter_mut().for_each(|value| *value *= scale);
    if rows <= cols {
        return iterate(x, [rows, cols], steps);
    }
    // The iteration of the transpose is the transpose of the iteration, and its Gram matrix is the smaller one.
    let mut turned = transposed(x, [rows, cols]);
    iterate(&mut turned, [cols, rows], steps);
    x.copy_from_slice(&transposed(&turned, [cols, rows]));
}

/// The iteration on a matrix that is no taller than wide.
fn iterate(x: &mut [f32], [rows, cols]: [usize; 2], steps: usize) {
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..steps {
        let mut gram = matmul::gram(x, [rows, cols]);
        // As it is symmetric, its square is its own Gram matrix.
        let square = matmul::gram(&gram, [rows, rows]);
        blend(&mut gram, b, &square, c);
        let product = matmul::linear(&gram, x, None, [rows, rows, cols]);
        blend(x, a, &product, 1.0);
    }
}

fn transposed(x: &[f32], [rows, cols]: [usize; 2]) -> Vec<f32> {
    const BLOCK: usize = 16;
    let mut turned = vec![0.0; x.len()];
    for row0 in (0..rows).step_by(BLOCK) {
        for col in 0..cols {
            for row in row0..(row0 + BLOCK).min(rows) {
                turned[col * rows + row] = x[row * cols + col];
            }
        }
    }
    turned
}
