//! The norms and their gradients in plain Burn operations: the oracle of the fast path.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{FloatDType, IndexingUpdateOp, Shape, TensorData};

/// `LN(x)`.
pub(super) fn plain_norm<B: Backend>(x: FloatTensor<B>, eps: f32) -> FloatTensor<B> {
    normalised::<B>(x, true, eps).0
}

/// Gradient of [`plain_norm`].
pub(super) fn plain_norm_backward<B: Backend>(
    x: FloatTensor<B>,
    dy: FloatTensor<B>,
    eps: f32,
) -> FloatTensor<B> {
    let (z, root) = normalised::<B>(x, true, eps);
    let dy = B::float_sub(dy.clone(), mean::<B>(dy));
    pull::<B>(z, root, dy)
}

/// `LN(x) * (1 + scale) + shift`.
pub(super) fn modulated_norm<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    groups: &[u32],
    eps: f32,
) -> FloatTensor<B> {
    let gain = B::float_add_scalar(spread::<B>(scale, groups), 1.0.into());
    B::float_add(B::float_mul(plain_norm::<B>(x, eps), gain), spread::<B>(shift, groups))
}

/// Gradients of [`modulated_norm`] to `x`, `scale` and `shift`.
pub(super) fn modulated_norm_backward<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    dy: FloatTensor<B>,
    groups: &[u32],
    eps: f32,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let modulations = scale.shape();
    let z = plain_norm::<B>(x.clone(), eps);
    let dscale = gather::<B>(B::float_mul(dy.clone(), z), groups, modulations.clone());
    let dshift = gather::<B>(dy.clone(), groups, modulations);
    let gain = B::float_add_scalar(spread::<B>(scale, groups), 1.0.into());
    (plain_norm_backward::<B>(x, B::float_mul(dy, gain), eps), dscale, dshift)
}

/// `x + gate * y`.
pub(super) fn gated_add<B: Backend>(
    x: FloatTensor<B>,
    y: FloatTensor<B>,
    gate: FloatTensor<B>,
    groups: &[u32],
) -> FloatTensor<B> {
    B::float_add(x, B::float_mul(spread::<B>(gate, groups), y))
}

/// Gradients of [`gated_add`] to `y` and `gate`.
pub(super) fn gated_add_backward<B: Backend>(
    y: FloatTensor<B>,
    gate: FloatTensor<B>,
    dout: FloatTensor<B>,
    groups: &[u32],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let dgate = gather::<B>(B::float_mul(dout.clone(), y), groups, gate.shape());
    (B::float_mul(spread::<B>(gate, groups), dout), dgate)
}

/// `gamma * x / sqrt(mean(x^2) + eps)`.
pub(super) fn root_norm<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    eps: f32,
) -> FloatTensor<B> {
    let gamma = as_row::<B>(gamma, x.rank());
    B::float_mul(normalised::<B>(x, false, eps).0, gamma)
}

/// Gradients of [`root_norm`] to `x` and `gamma`.
pub(super) fn root_norm_backward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    dy: FloatTensor<B>,
    eps: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (rank, width) = (x.rank(), gamma.shape());
    let (z, root) = normalised::<B>(x, false, eps);
    let leading: Vec<usize> = (0..rank - 1).collect();
    let dgamma = B::float_sum_dims(B::float_mul(dy.clone(), z.clone()), &leading);
    let dy = B::float_mul(dy, as_row::<B>(gamma, rank));
    (pull::<B>(z, root, dy), B::float_reshape(dgamma, width))
}

/// The mean of the last axis, which stays with length 1.
fn mean<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let axis = x.rank() - 1;
    B::float_mean_dim(x, axis)
}

/// The rows divided by their root mean square, after their mean is taken away if `centred`; and that root.
fn normalised<B: Backend>(
    x: FloatTensor<B>,
    centred: bool,
    eps: f32,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let x = if centred { B::float_sub(x.clone(), mean::<B>(x)) } else { x };
    let mean_square = mean::<B>(B::float_mul(x.clone(), x.clone()));
    let root = B::float_sqrt(B::float_add_scalar(mean_square, eps.into()));
    (B::float_div(x, root.clone()), root)
}

/// The gradient before the division by `root`, where `z` came out of it.
fn pull<B: Backend>(z: FloatTensor<B>, root: FloatTensor<B>, dz: FloatTensor<B>) -> FloatTensor<B> {
    let slope = mean::<B>(B::float_mul(dz.clone(), z.clone()));
    B::float_div(B::float_sub(dz, B::float_mul(z, slope)), root)
}

/// `[D]` to `[1, .., D]`.
fn as_row<B: Backend>(gamma: FloatTensor<B>, rank: usize) -> FloatTensor<B> {
    let mut dims = vec![1; rank];
    dims[rank - 1] = gamma.shape()[0];
    B::float_reshape(gamma, Shape::from(dims))
}

/// `[B, G, D]` to `[B, N, D]`: each token gets the modulation of its group.
fn spread<B: Backend>(modulation: FloatTensor<B>, groups: &[u32]) -> FloatTensor<B> {
    let [b, n_groups, width] = modulation.shape().dims();
    if let Some(len) = equal_runs(groups, n_groups) {
        let rows = B::float_reshape(modulation, Shape::new([b, n_groups, 1, width]));
        let rows = B::float_expand(rows, Shape::new([b, n_groups, len, width]));
        return B::float_reshape(rows, Shape::new([b, groups.len(), width]));
    }
    let idx = B::int_from_data(indices(groups), &modulation.device());
    B::float_select(modulation, 1, idx)
}

/// `[B, N, D]` to `[B, G, D]`: the sums over the tokens of each group.
fn gather<B: Backend>(tokens: FloatTensor<B>, groups: &[u32], shape: Shape) -> FloatTensor<B> {
    let [b, n_groups, width] = shape.dims();
    if let Some(len) = equal_runs(groups, n_groups) {
        let runs = B::float_reshape(tokens, Shape::new([b, n_groups, len, width]));
        return B::float_reshape(B::float_sum_dim(runs, 2), shape);
    }
    let device = tokens.device();
    let idx = B::int_from_data(indices(groups), &device);
    let zeros = B::float_zeros(shape, &device, FloatDType::from(tokens.dtype()));
    B::float_select_assign(zeros, 1, idx, tokens, IndexingUpdateOp::Add)
}

/// The tokens of each group, if all groups have as many and lie one after the other.
fn equal_runs(groups: &[u32], n_groups: usize) -> Option<usize> {
    let len = groups.len() / n_groups;
    let is_so = len * n_groups == groups.len()
        && groups.iter().enumerate().all(|(token, &group)| group as usize == token / len);
    is_so.then_some(len)
}

fn indices(groups: &[u32]) -> TensorData {
    let idx: Vec<i32> = groups.iter().map(|&group| group as i32).collect();
    TensorData::from(idx.as_slice())
}
