//! Fast attention and its gradients against plain Burn operations.

use burn::tensor::{Device, Tensor, activation};

use super::attention;
use crate::Products;
use crate::testing::{assert_close, random};

/// Error bounds of f32 arithmetic, and of operands in bf16.
const F32_TIGHT: f64 = 1e-5;
const BF16_BOUND: f64 = 8e-3;

/// Attention to all keys by the definition.
fn plain(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let scale = (q.dims()[3] as f32).sqrt();
    let [q, k, v] = [q, k, v].map(|tensor| tensor.swap_dims(1, 2));
    let scores = q.matmul(k.swap_dims(2, 3)) / scale;
    activation::softmax(scores, 3).matmul(v).swap_dims(1, 2)
}

/// Compares values and gradients; `key_lens` are `[keys, keys]` for the plain body to agree.
fn check(
    [n_queries, n_keys, n_heads, d_head]: [usize; 4],
    products: Products,
    bound: f64,
    device: &Device,
) {
    let what = |name| format!("{name} {n_queries} to {n_keys}, {n_heads} heads of {d_head}");
    let q = random::<4>(1, [2, n_queries, n_heads, d_head], device).require_grad();
    let k = random::<4>(2, [2, n_keys, n_heads, d_head], device).require_grad();
    let v = random::<4>(3, [2, n_keys, n_heads, d_head], device).require_grad();
    let pull = random::<4>(4, [2, n_queries, n_heads, d_head], device);
    // The first item sees a part of the keys, so the plain body sees each item by itself.
    let lens = [n_keys * 3 / 4, n_keys];
    let out = attention(q.clone(), k.clone(), v.clone(), Some(&lens), products);
    let expected = Tensor::cat(
        lens.iter()
            .enumerate()
            .map(|(item, &len)| {
                let [k, v] =
                    [&k, &v].map(|tensor| tensor.clone().narrow(0, item, 1).narrow(1, 0, len));
                plain(q.clone().narrow(0, item, 1), k, v)
            })
            .collect(),
        0,
    );
    let grads = (out.clone() * pull.clone()).sum().backward();
    let expected_grads = (expected.clone() * pull).sum().backward();
    assert_close(&what("out"), out, expected, bound);
    for (name, tensor) in [("dq", q), ("dk", k), ("dv", v)] {
        let (grad, expected) = (tensor.grad(&grads), tensor.grad(&expected_grads));
        assert_close(&what(name), grad.unwrap(), expected.unwrap(), bound);
    }
}

#[test]
fn values_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    for sizes in [[60, 44, 3, 32], [7, 100, 2, 64]] {
        check(sizes, Products::Exact, F32_TIGHT, &device);
        check(sizes, Products::Bf16, BF16_BOUND, &device);
    }
}

#[test]
fn a_head_size_without_a_kernel_runs_the_reference() {
    check([9, 13, 2, 20], Products::Bf16, F32_TIGHT, &Device::default().autodiff());
}

#[test]
fn strided_inputs_and_no_key_lengths() {
    let device = Device::default();
    let qkv = random::<5>(1, [2, 3, 21, 2, 16], &device).swap_dims(1, 2);
    let part = |idx| qkv.clone().narrow(2, idx, 1).squeeze_dim::<4>(2);
    let out = attention(part(0), part(1), part(2), None, Products::Exact);
    assert_close("out", out, plain(part(0), part(1), part(2)), F32_TIGHT);
}
