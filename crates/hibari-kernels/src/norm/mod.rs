//! Normalisation of rows, with the modulation and gating of a diffusion transformer; forward and backward.
//!
//! A backward pass takes the input again and recomputes its statistics, which are in the first-level cache then. Sums over
//! rows are taken in pieces of a fixed length, added in order.

mod groups;
mod layer;
mod residual;
mod rms;
#[cfg(test)]
mod tests;

pub use self::groups::Groups;
pub use self::layer::{
    layer_norm, layer_norm_backward, modulated_layer_norm, modulated_layer_norm_backward,
};
pub use self::residual::{gated_residual, gated_residual_backward};
pub use self::rms::{rms_norm, rms_norm_backward};
use crate::vector::sum;

/// Values that one task works on: the rows of a few operands stay in the second-level cache.
const TASK_VALUES: usize = 16 * 1024;

/// Rows of `width` values that one task works on.
fn rows_of_task(width: usize) -> usize {
    (TASK_VALUES / width.max(1)).max(1)
}

/// Mean of a row and the reciprocal of its standard deviation.
#[inline(always)]
fn moments(x: &[f32], eps: f32) -> [f32; 2] {
    let len = x.len() as f32;
    let mean = sum(x, |x| x) / len;
    let variance = sum(x, |x| (x - mean) * (x - mean)) / len;
    [mean, 1.0 / (variance + eps).sqrt()]
}
