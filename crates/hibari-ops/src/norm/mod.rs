//! Normalisation over the last axis, with the modulation and gating of a diffusion transformer.

mod autodiff;
mod flex;
mod reference;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

/// Norms over the last axis and their gradients as a Burn backend extension.
///
/// `x`, `y` and their gradients are `[B, N, D]`, modulations `[B, G, D]`, and `groups` is the modulation of each of the
/// `N` tokens. The plain norms take any rank. The names differ from Burn's own `layer_norm`.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait NormOps: Backend {
    /// `LN(x)` without gain and bias.
    fn plain_norm(x: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        reference::plain_norm::<Self>(x, eps)
    }

    /// Gradient of [`NormOps::plain_norm`].
    fn plain_norm_backward(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        reference::plain_norm_backward::<Self>(x, dy, eps)
    }

    /// `LN(x) * (1 + scale) + shift`.
    fn modulated_norm(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: &[u32],
        eps: f32,
    ) -> FloatTensor<Self> {
        reference::modulated_norm::<Self>(x, scale, shift, groups, eps)
    }

    /// Gradients of [`NormOps::modulated_norm`] to `x`, `scale` and `shift`.
    fn modulated_norm_backward(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        groups: &[u32],
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        reference::modulated_norm_backward::<Self>(x, scale, dy, groups, eps)
    }

    /// `x + gate * y`.
    fn gated_add(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        groups: &[u32],
    ) -> FloatTensor<Self> {
        reference::gated_add::<Self>(x, y, gate, groups)
    }

    /// Gradients of [`NormOps::gated_add`] to `y` and `gate`; that to `x` is `dout`.
    fn gated_add_backward(
        y: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        dout: FloatTensor<Self>,
        groups: &[u32],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::gated_add_backward::<Self>(y, gate, dout, groups)
    }

    /// `gamma * x / sqrt(mean(x^2) + eps)` with `gamma` `[D]`.
    fn root_norm(x: FloatTensor<Self>, gamma: FloatTensor<Self>, eps: f32) -> FloatTensor<Self> {
        reference::root_norm::<Self>(x, gamma, eps)
    }

    /// Gradients of [`NormOps::root_norm`] to `x` and `gamma`.
    fn root_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::root_norm_backward::<Self>(x, gamma, dy, eps)
    }
}

/// Normalises the last axis to zero mean and unit variance, without gain or bias.
///
/// `(x - mean(x)) / sqrt(var(x) + eps)`, biased variance.
///
/// # Shapes
/// - `x`: `[.., D]`; returned unchanged in shape
/// # Source
/// Ba et al., "Layer normalization" (arXiv:1607.06450), section 3
pub fn layer_norm<const D: usize>(x: Tensor<D>, eps: f32) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as NormOps>::plain_norm(x.into_dispatch(), eps))
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
    let [x, scale, shift] = [x, scale, shift].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as NormOps>::modulated_norm(x, scale, shift, groups, eps))
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
    let [x, y, gate] = [x, y, gate].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as NormOps>::gated_add(x, y, gate, groups))
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
    let (x, gamma) = (x.into_dispatch(), gamma.into_dispatch());
    Tensor::from_dispatch(<Dispatch as NormOps>::root_norm(x, gamma, eps))
}

#[track_caller]
fn check_groups(x: [usize; 3], modulation: [usize; 3], groups: &[u32]) {
    assert_eq!(groups.len(), x[1], "one group for each of the `{}` tokens", x[1]);
    assert_eq!([modulation[0], modulation[2]], [x[0], x[2]], "the modulation does not fit `{x:?}`");
    let n_groups = modulation[1];
    let in_range = groups.iter().all(|&group| (group as usize) < n_groups);
    assert!(in_range, "a group is not below `{n_groups}`");
}
