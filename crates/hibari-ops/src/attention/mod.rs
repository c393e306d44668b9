//! Scaled dot-product attention over heads stored side by side, with a valid prefix of keys for each item.

mod autodiff;
mod flex;
mod reference;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

use crate::Products;

/// Attention and its gradients as a Burn backend extension.
///
/// `q` is `[B, Nq, n_heads, d_head]`; `k` and `v` are `[B, Nk, n_heads, d_head]`; the first `key_lens[b]` keys of item `b`
/// are valid, all without it. What operands of products are is left to a backend; the default keeps its own.
#[expect(clippy::too_many_arguments, reason = "a tensor each, as the extension wants them")]
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait AttentionOps: Backend {
    /// The mixed values, of the shape of `q`, and the logarithm of each query's sum of exponentiated scores,
    /// `[B, n_heads, Nq]`, which gets no gradient.
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        key_lens: Option<&[usize]>,
        _products: Products,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::attend::<Self>(q, k, v, key_lens)
    }

    /// Gradients to `q`, `k` and `v` from what [`AttentionOps::attend`] returned and the gradient to its first result.
    fn attend_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        out: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        d_out: FloatTensor<Self>,
        key_lens: Option<&[usize]>,
        _products: Products,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        reference::attend_backward::<Self>([q, k, v], [out, log_sums], d_out, key_lens)
    }
}

/// Attends from each query to the valid keys of its item.
///
/// `softmax(q k' / sqrt(d_head)) v` for each item and head.
///
/// # Shapes
/// - `q`: `[B, Nq, n_heads, d_head]`; returned unchanged in shape
/// - `k`, `v`: `[B, Nk, n_heads, d_head]`
/// - `key_lens`: the first `key_lens[b]` keys of item `b` are valid; all without it
/// - `products`: what the operands are on the CPU
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
    products: Products,
) -> Tensor<4> {
    let [b, _, n_heads, d_head] = q.dims();
    let n_keys = k.dims()[1];
    assert_eq!(k.dims(), [b, n_keys, n_heads, d_head], "keys do not fit queries `{:?}`", q.dims());
    assert_eq!(v.dims(), k.dims(), "values and keys differ in shape");
    if let Some(lens) = key_lens {
        assert_eq!(lens.len(), b, "one key length for each of the `{b}` items");
        let in_range = lens.iter().all(|len| (1..=n_keys).contains(len));
        assert!(in_range, "key lengths `{lens:?}` are not in `1..={n_keys}`");
    }
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    let (out, _) = <Dispatch as AttentionOps>::attend(q, k, v, key_lens, products);
    Tensor::from_dispatch(out)
}
