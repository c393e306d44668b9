//! Attention and its gradients in plain Burn operations: other backends, head sizes without a kernel, and the oracle.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{Shape, TensorData};

/// See [`super::AttentionOps::attend`].
pub(super) fn attend<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    key_lens: Option<&[usize]>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let scores = scores::<B>(by_head::<B>(q), by_head::<B>(k), key_lens);
    let [b, n_heads, n_queries, _] = scores.shape().dims();
    let largest = B::float_max_dim(scores.clone(), 3);
    let weights = B::float_exp(B::float_sub(scores, largest.clone()));
    let sums = B::float_sum_dim(weights.clone(), 3);
    let out = B::float_matmul(B::float_div(weights, sums.clone()), by_head::<B>(v));
    let log_sums = B::float_add(B::float_log(sums), largest);
    (by_head::<B>(out), B::float_reshape(log_sums, Shape::new([b, n_heads, n_queries])))
}

/// See [`super::AttentionOps::attend_backward`].
pub(super) fn attend_backward<B: Backend>(
    inputs: [FloatTensor<B>; 3],
    [out, log_sums]: [FloatTensor<B>; 2],
    d_out: FloatTensor<B>,
    key_lens: Option<&[usize]>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [q, k, v] = inputs.map(by_head::<B>);
    let [out, d_out] = [out, d_out].map(by_head::<B>);
    let [b, n_heads, n_queries, d_head] = q.shape().dims();
    let log_sums = B::float_reshape(log_sums, Shape::new([b, n_heads, n_queries, 1]));
    let scores = scores::<B>(q.clone(), k.clone(), key_lens);
    let weights = B::float_exp(B::float_sub(scores, log_sums));
    let d_weights = B::float_matmul(d_out.clone(), B::float_swap_dims(v, 2, 3));
    let mean = B::float_sum_dim(B::float_mul(d_out.clone(), out), 3);
    let d_scores = B::float_mul(weights.clone(), B::float_sub(d_weights, mean));
    let d_scores = B::float_mul_scalar(d_scores, scale(d_head).into());
    let dq = B::float_matmul(d_scores.clone(), k);
    let dk = B::float_matmul(B::float_swap_dims(d_scores, 2, 3), q);
    let dv = B::float_matmul(B::float_swap_dims(weights, 2, 3), d_out);
    (by_head::<B>(dq), by_head::<B>(dk), by_head::<B>(dv))
}

/// Swaps the axes of tokens and heads.
fn by_head<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(tensor, 1, 2)
}

#[expect(clippy::cast_precision_loss, reason = "head sizes are small")]
fn scale(d_head: usize) -> f32 {
    1.0 / (d_head as f32).sqrt()
}

/// Scaled scores `[B, n_heads, Nq, Nk]`, minus infinity for keys that are not valid.
fn scores<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    key_lens: Option<&[usize]>,
) -> FloatTensor<B> {
    let scale = scale(q.shape()[3]);
    let q = B::float_mul_scalar(q, scale.into());
    let scores = B::float_matmul(q, B::float_swap_dims(k, 2, 3));
    let Some(lens) = key_lens else { return scores };
    let n_keys = scores.shape()[3];
    let penalty =
        |len: usize| (0..n_keys).map(move |k| if k < len { 0.0 } else { f32::NEG_INFINITY });
    let penalties: Vec<f32> = lens.iter().flat_map(|&len| penalty(len)).collect();
    let penalties = TensorData::new(penalties, [lens.len(), 1, 1, n_keys]);
    let penalties = B::float_from_data(penalties.convert_dtype(scores.dtype()), &scores.device());
    B::float_add(scores, penalties)
}
