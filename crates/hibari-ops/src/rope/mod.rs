//! Query and key preparation: RMS norm of each head, then rotation of pairs by position.

use burn::tensor::Tensor;

/// Normalises each head by its root mean square and rotates interleaved pairs by table angles.
///
/// `u = gamma * x / sqrt(mean(x^2) + eps)`, then `y_2i = u_2i cos_i - u_2i+1 sin_i`, `y_2i+1 = u_2i sin_i + u_2i+1 cos_i`.
/// The tables get no gradient.
///
/// # Shapes
/// - `x`: `[B, N, n_heads, d_head]`; returned unchanged in shape
/// - `gamma`: `[d_head]`
/// - `cos`, `sin`: `[B or 1, N, d_head / 2]`
/// # Panics
/// if `d_head` is odd or the shapes disagree
/// # Source
/// RoFormer (arXiv:2104.09864), section 3.2.2; query and key norm: ViT-22B (arXiv:2302.05442), section 2
#[track_caller]
pub fn qk_norm_rope(
    x: Tensor<4>,
    gamma: Tensor<1>,
    cos: Tensor<3>,
    sin: Tensor<3>,
    eps: f32,
) -> Tensor<4> {
    let [b, n, n_heads, d_head] = x.dims();
    assert_eq!(d_head % 2, 0, "`{d_head}` is not a head size of pairs");
    assert_eq!(gamma.dims(), [d_head], "the gain does not fit heads of `{d_head}`");
    let [b_table, n_table, half] = cos.dims();
    assert!(b_table == b || b_table == 1, "tables of `{b_table}` items for a batch of `{b}`");
    assert_eq!([n_table, half], [n, d_head / 2], "the tables do not fit the tokens and heads");
    assert_eq!(cos.dims(), sin.dims(), "the tables differ in shape");
    let mean_square = x.clone().square().mean_dim(3);
    let u = x / (mean_square + eps).sqrt() * gamma.reshape([1, 1, 1, d_head]);
    let u: Tensor<5> = u.reshape([b, n, n_heads, half, 2]);
    let even = u.clone().narrow(4, 0, 1);
    let odd = u.narrow(4, 1, 1);
    let cos: Tensor<5> = cos.detach().reshape([b_table, n, 1, half, 1]);
    let sin: Tensor<5> = sin.detach().reshape([b_table, n, 1, half, 1]);
    let first = even.clone() * cos.clone() - odd.clone() * sin.clone();
    let second = even * sin + odd * cos;
    Tensor::cat(vec![first, second], 4).reshape([b, n, n_heads, d_head])
}
