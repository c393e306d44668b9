//! The fast activations and their gradients against plain Burn operations.

use burn::tensor::{DType, Device, Tensor, activation};

use super::{gelu_tanh, silu, swiglu};
use crate::testing::{assert_close, random};

const F32: f64 = 1e-6;

#[test]
fn values_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    let wide = |seed| random::<3>(seed, [3, 17, 41], &device) * 9.0;
    let (a, b, pull) = (wide(1).detach().require_grad(), wide(2).detach().require_grad(), wide(3));

    let y = swiglu(a.clone(), b.clone());
    let grads = (y.clone() * pull.clone()).sum().backward();
    let plain = activation::silu(a.clone()) * b.clone();
    let expected = (plain.clone() * pull.clone()).sum().backward();
    assert_close("swiglu", y, plain, F32);
    assert_close("da", a.grad(&grads).unwrap(), a.grad(&expected).unwrap(), F32);
    assert_close("db", b.grad(&grads).unwrap(), b.grad(&expected).unwrap(), F32);

    let y = silu(a.clone());
    let grads = (y.clone() * pull.clone()).sum().backward();
    let plain = activation::silu(a.clone());
    let expected = (plain.clone() * pull).sum().backward();
    assert_close("silu", y, plain, F32);
    assert_close("dx", a.grad(&grads).unwrap(), a.grad(&expected).unwrap(), F32);

    let pull = wide(3);
    let y = gelu_tanh(a.clone());
    let grads = (y.clone() * pull.clone()).sum().backward();
    let plain = activation::gelu_approximate(a.clone());
    let expected = (plain.clone() * pull).sum().backward();
    assert_close("gelu", y, plain, F32);
    assert_close("dx of gelu", a.grad(&grads).unwrap(), a.grad(&expected).unwrap(), F32);
}

#[test]
fn views_and_other_precisions() {
    let device = Device::default();
    let both: Tensor<2> = random(1, [12, 50], &device);
    let (a, b) = (both.clone().narrow(1, 0, 25), both.narrow(1, 25, 25));
    let plain = activation::silu(a.clone()) * b.clone();
    assert_close("narrowed", swiglu(a.clone(), b.clone()), plain.clone(), F32);
    let half = swiglu(a.cast(DType::BF16), b.cast(DType::BF16));
    assert_close("bf16", half.cast(DType::F32), plain, 2e-2);
}

#[test]
fn reference_gradients_match_the_fast_ones() {
    use super::{ActivationOps, reference};
    use burn::backend::{Flex, tensor::FloatTensor};
    let device = Device::default();
    let [x, a, b, dy] = [0, 1, 2, 3].map(|seed| {
        FloatTensor::<Flex>::from_data(random::<2>(seed, [7, 19], &device).into_data())
    });
    let (da, db) = Flex::swiglu_backward(a.clone(), b.clone(), dy.clone());
    let (slow_da, slow_db) = reference::swiglu_backward::<Flex>(a, b, dy.clone());
    let tensor = |t: FloatTensor<Flex>| Tensor::<2>::from_data(t.into_data(), &device);
    assert_close("da", tensor(da), tensor(slow_da), F32);
    assert_close("db", tensor(db), tensor(slow_db), F32);
    let [y, slow_y] = [Flex::gelu_tanh(x.clone()), reference::gelu::<Flex>(x.clone())];
    assert_close("gelu", tensor(y), tensor(slow_y), F32);
    let dx = Flex::gelu_tanh_backward(x.clone(), dy.clone());
    let slow_dx = reference::gelu_backward::<Flex>(x, dy);
    assert_close("dx of gelu", tensor(dx), tensor(slow_dx), F32);
}
