//! Normalisation over the last axis, with the modulation and gating of a diffusion transformer.

use burn::tensor::{Int, Tensor, TensorData};

/// Normalises the last axis to zero mean and unit variance, without gain or bias.
///
/// `(x - mean(x)) / sqrt(var(x) + eps)`, biased variance.
///
/// # Shapes
/// - `x`: `[.., D]`; returned unchanged in shape
/// # Source
/// Ba et al., "Layer normalization" (arXiv:1607.06450), section 3
pub fn layer_norm<const D: usize>(x: Tensor<D>, eps: f32) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    centred / (variance + eps).sqrt()
}

/// Layer norm with a scale and a shift for each group of tokens.
///
/// `LN(x_n) * (1 + scale_g) + shift_g` with `g = groups[n]`.
///
/// # Shapes
/// - `x`: `[B, N, D]`; returned unchanged in shape
/// - `scale`, `shift`: `[B, G, D]`
/// - `groups`: `N` indices below `G`
/// # Panics
/// if the shapes disagree or a group does not exist
/// # Source
/// DiT (arXiv:2212.09748), section 3.2, `adaLN`; one modulation for each group of tokens
#[track_caller]
pub fn modulated_layer_norm(
    x: Tensor<3>,
    scale: Tensor<3>,
    shift: Tensor<3>,
    groups: &[u32],
    eps: f32,
) -> Tensor<3> {
    check_groups(x.dims(), scale.dims(), groups);
    assert_eq!(scale.dims(), shift.dims(), "scale and shift differ in shape");
    let (scale, shift) = (spread(scale, groups), spread(shift, groups));
    layer_norm(x, eps) * (scale + 1.0) + shift
}

/// A residual branch with a gate for each group of tokens.
///
/// `x_n + gate_g * y_n` with `g = groups[n]`.
///
/// # Shapes
/// - `x`, `y`: `[B, N, D]`; returned unchanged in shape
/// - `gate`: `[B, G, D]`
/// - `groups`: `N` indices below `G`
/// # Panics
/// if the shapes disagree or a group does not exist
/// # Source
/// DiT (arXiv:2212.09748), section 3.2, `adaLN-Zero`
#[track_caller]
pub fn gated_residual(x: Tensor<3>, y: Tensor<3>, gate: Tensor<3>, groups: &[u32]) -> Tensor<3> {
    check_groups(x.dims(), gate.dims(), groups);
    assert_eq!(x.dims(), y.dims(), "the branch and its input differ in shape");
    x + spread(gate, groups) * y
}

/// Divides the last axis by its root mean square and multiplies by a gain.
///
/// `gamma * x / sqrt(mean(x^2) + eps)`
///
/// # Shapes
/// - `x`: `[.., D]`; returned unchanged in shape
/// - `gamma`: `[D]`
/// # Panics
/// if the shapes disagree
/// # Source
/// Zhang and Sennrich, "Root mean square layer normalization" (arXiv:1910.07467), section 3
#[track_caller]
pub fn rms_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, eps: f32) -> Tensor<D> {
    let width = x.dims()[D - 1];
    assert_eq!(gamma.dims(), [width], "the gain does not fit rows of `{width}`");
    let mut dims = [1; D];
    dims[D - 1] = width;
    let mean_square = x.clone().square().mean_dim(D - 1);
    x / (mean_square + eps).sqrt() * gamma.reshape(dims)
}

#[track_caller]
fn check_groups(x: [usize; 3], modulation: [usize; 3], groups: &[u32]) {
    assert_eq!(groups.len(), x[1], "one group for each of the `{}` tokens", x[1]);
    assert_eq!([modulation[0], modulation[2]], [x[0], x[2]], "the modulation does not fit `{x:?}`");
    let n_groups = modulation[1];
    let in_range = groups.iter().all(|&group| (group as usize) < n_groups);
    assert!(in_range, "a group is not below `{n_groups}`");
}

/// Repeats `[B, G, D]` to `[B, N, D]`.
fn spread(modulation: Tensor<3>, groups: &[u32]) -> Tensor<3> {
    let idx: Vec<i64> = groups.iter().map(|&group| i64::from(group)).collect();
    let device = modulation.device();
    modulation.select(1, Tensor::<1, Int>::from_data(TensorData::from(idx.as_slice()), &device))
}
