//! The fast preparation and its gradients against plain Burn operations.

use burn::tensor::{Device, Tensor};

use super::{qk_norm_rope, rope};
use crate::testing::{assert_close, random};

/// Error bound of f32 arithmetic.
const F32_TIGHT: f64 = 1e-5;
const EPS: f32 = 1e-5;

/// The preparation by the definition.
fn plain(x: Tensor<4>, gamma: Tensor<1>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let d_head = x.dims()[3];
    let root = (x.clone().square().mean_dim(3) + EPS).sqrt();
    plain_rotation(x / root * gamma.reshape([1, 1, 1, d_head]), cos, sin)
}

fn plain_rotation(u: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let [b, n, n_heads, d_head] = u.dims();
    let half = d_head / 2;
    let u: Tensor<5> = u.reshape([b, n, n_heads, half, 2]);
    let [even, odd] = [0, 1].map(|idx| u.clone().narrow(4, idx, 1));
    let [cos, sin]: [Tensor<5>; 2] = [cos, sin].map(|table| {
        let items = table.dims()[0];
        table.reshape([items, n, 1, half, 1])
    });
    let first = even.clone() * cos.clone() - odd.clone() * sin.clone();
    let second = even * sin + odd * cos;
    Tensor::cat(vec![first, second], 4).reshape([b, n, n_heads, d_head])
}

fn check(tables: usize, d_head: usize) {
    let device = Device::default().autodiff();
    let what = |name| format!("{name}, {tables} tables, heads of {d_head}");
    let x = random::<4>(1, [3, 11, 2, d_head], &device).require_grad();
    let gamma = random::<1>(2, [d_head], &device).require_grad();
    let angles = random::<3>(3, [tables, 11, d_head / 2], &device) * 3.0;
    let (cos, sin) = (angles.clone().cos(), angles.sin());
    let pull = random::<4>(4, [3, 11, 2, d_head], &device);

    let y = rope(x.clone(), cos.clone(), sin.clone());
    let grads = (y.clone() * pull.clone()).sum().backward();
    let expected = plain_rotation(x.clone(), cos.clone(), sin.clone());
    let expected_grads = (expected.clone() * pull.clone()).sum().backward();
    assert_close(&what("rotated"), y, expected, F32_TIGHT);
    let (dx, expected) = (x.grad(&grads).unwrap(), x.grad(&expected_grads).unwrap());
    assert_close(&what("dx of rotated"), dx, expected, F32_TIGHT);

    let y = qk_norm_rope(x.clone(), gamma.clone(), cos.clone(), sin.clone(), EPS);
    let grads = (y.clone() * pull.clone()).sum().backward();
    let expected = plain(x.clone(), gamma.clone(), cos, sin);
    let expected_grads = (expected.clone() * pull).sum().backward();

    assert_close(&what("y"), y, expected, F32_TIGHT);
    let (dx, expected) = (x.grad(&grads).unwrap(), x.grad(&expected_grads).unwrap());
    assert_close(&what("dx"), dx, expected, F32_TIGHT);
    let (dgamma, expected) = (gamma.grad(&grads).unwrap(), gamma.grad(&expected_grads).unwrap());
    assert_close(&what("dgamma"), dgamma, expected, F32_TIGHT);
}

#[test]
fn value_and_gradients_match_burn() {
    check(3, 32);
    check(1, 64);
}

#[test]
fn a_head_size_without_a_kernel_runs_the_reference() {
    check(3, 18);
    check(1, 20);
}
