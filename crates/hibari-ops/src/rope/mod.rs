//! Query and key preparation: RMS norm of each head, then rotation of pairs by position; and the rotation alone.

mod autodiff;
mod flex;
mod reference;
#[cfg(test)]
mod tests;

use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;

/// The preparation of queries and keys and its gradients as a Burn backend extension.
///
/// `x` is `[B, N, n_heads, d_head]`, `gamma` `[d_head]`, `cos` and `sin` `[B or 1, N, d_head / 2]`.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait RopeOps: Backend {
    /// The normalised and rotated heads, of the shape of `x`.
    fn norm_rope(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        eps: f32,
    ) -> FloatTensor<Self> {
        reference::norm_rope::<Self>(x, gamma, cos, sin, eps)
    }

    /// The rotated heads, of the shape of `x`.
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        reference::turn::<Self>(x, cos, sin)
    }

    /// Gradients to `x` and `gamma`.
    fn norm_rope_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        eps: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::norm_rope_backward::<Self>(x, gamma, [cos, sin], dy, eps)
    }
}

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
    let [b, n, _, d_head] = x.dims();
    assert_eq!(gamma.dims(), [d_head], "the gain does not fit heads of `{d_head}`");
    check_tables([b, n, d_head], cos.dims(), sin.dims());
    let [cos, sin] = [cos, sin].map(Tensor::into_dispatch);
    let (x, gamma) = (x.into_dispatch(), gamma.into_dispatch());
    Tensor::from_dispatch(<Dispatch as RopeOps>::norm_rope(x, gamma, cos, sin, eps))
}

/// Rotates interleaved pairs of each head by table angles: `y_2i = x_2i cos_i - x_2i+1 sin_i`, `y_2i+1 = x_2i sin_i + x_2i+1
/// cos_i`. The tables get no gradient.
///
/// # Shapes
/// - `x`: `[B, N, n_heads, d_head]`; returned unchanged in shape
/// - `cos`, `sin`: `[B or 1, N, d_head / 2]`
/// # Panics
/// if `d_head` is odd or the shapes disagree
/// # Source
/// RoFormer (arXiv:2104.09864), section 3.2.2
#[track_caller]
pub fn rope(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let [b, n, _, d_head] = x.dims();
    check_tables([b, n, d_head], cos.dims(), sin.dims());
    let [cos, sin] = [cos, sin].map(Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as RopeOps>::rotate(x.into_dispatch(), cos, sin))
}

#[track_caller]
fn check_tables([b, n, d_head]: [usize; 3], cos: [usize; 3], sin: [usize; 3]) {
    assert_eq!(d_head % 2, 0, "`{d_head}` is not a head size of pairs");
    let [b_table, n_table, half] = cos;
    assert!(b_table == b || b_table == 1, "tables of `{b_table}` items for a batch of `{b}`");
    assert_eq!([n_table, half], [n, d_head / 2], "the tables do not fit the tokens and heads");
    assert_eq!(cos, sin, "the tables differ in shape");
}
