//! Scaled dot-product attention over heads stored side by side, with a valid prefix of keys for each item.

use burn::tensor::{Bool, Tensor, TensorData, activation};

/// Attends from each query to the valid keys of its item.
///
/// `softmax(q k' / sqrt(d_head)) v` for each item and head.
///
/// # Shapes
/// - `q`: `[B, Nq, n_heads, d_head]`; returned unchanged in shape
/// - `k`, `v`: `[B, Nk, n_heads, d_head]`
/// - `key_lens`: the first `key_lens[b]` keys of item `b` are valid; all without it
/// # Panics
/// if the shapes disagree, or a key length is zero or above `Nk`
/// # Source
/// Vaswani et al. (arXiv:1706.03762), section 3.2.1
#[track_caller]
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    key_lens: Option<&[usize]>,
) -> Tensor<4> {
    let [b, n_queries, n_heads, d_head] = q.dims();
    let n_keys = k.dims()[1];
    assert_eq!(k.dims(), [b, n_keys, n_heads, d_head], "keys do not fit queries `{:?}`", q.dims());
    assert_eq!(v.dims(), k.dims(), "values and keys differ in shape");
    if let Some(lens) = key_lens {
        assert_eq!(lens.len(), b, "one key length for each of the `{b}` items");
        let in_range = lens.iter().all(|len| (1..=n_keys).contains(len));
        assert!(in_range, "key lengths `{lens:?}` are not in `1..={n_keys}`");
    }
    #[expect(clippy::cast_precision_loss, reason = "head sizes are small")]
    let scale = 1.0 / (d_head as f32).sqrt();
    let (q, k, v) = (q.swap_dims(1, 2), k.swap_dims(1, 2), v.swap_dims(1, 2));
    let mut scores = (q * scale).matmul(k.swap_dims(2, 3));
    if let Some(lens) = key_lens {
        let hidden: Vec<bool> =
            lens.iter().flat_map(|&len| (0..n_keys).map(move |key| key >= len)).collect();
        let hidden = TensorData::new(hidden, [b, 1, 1, n_keys]);
        let hidden = Tensor::<4, Bool>::from_data(hidden, &scores.device());
        scores =
            scores.mask_fill(hidden.expand([b, n_heads, n_queries, n_keys]), f32::NEG_INFINITY);
    }
    activation::softmax(scores, 3).matmul(v).swap_dims(1, 2)
}
