//! The fast map and its gradients against plain Burn operations.

use burn::tensor::{Device, Tensor};

use super::linear;
use crate::testing::{assert_close, random};

/// Error bound for bf16 operands.
const BF16: f64 = 4e-3;

#[test]
fn value_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    let x = random::<3>(1, [3, 17, 40], &device).require_grad();
    let w = random::<2>(2, [40, 33], &device).require_grad();
    let b = random::<1>(3, [33], &device).require_grad();
    let pull = random::<3>(4, [3, 17, 33], &device);

    let y = linear(x.clone(), w.clone(), Some(b.clone()));
    let grads = (y.clone() * pull.clone()).sum().backward();
    let plain = x.clone().matmul(w.clone().unsqueeze()) + b.clone().unsqueeze::<3>();
    let expected = (plain.clone() * pull).sum().backward();

    assert_close("y", y, plain, BF16);
    assert_close("dx", x.grad(&grads).unwrap(), x.grad(&expected).unwrap(), BF16);
    assert_close("dw", w.grad(&grads).unwrap(), w.grad(&expected).unwrap(), BF16);
    assert_close("db", b.grad(&grads).unwrap(), b.grad(&expected).unwrap(), 1e-5);
}

#[test]
fn strided_input_and_no_bias() {
    let device = Device::default();
    let x: Tensor<2> = random(1, [24, 50], &device);
    let w: Tensor<2> = random(2, [9, 24], &device);
    let y = linear(x.clone().transpose(), w.clone().transpose(), None);
    assert_close("y", y, x.transpose().matmul(w.transpose()), BF16);
}
