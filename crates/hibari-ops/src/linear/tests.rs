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

#[test]
fn the_split_gradient_is_that_of_one_product() {
    use burn::backend::{Backend, Flex, tensor::FloatTensor};
    fn both<B: Backend>(x: FloatTensor<B>, dy: FloatTensor<B>) -> [FloatTensor<B>; 4] {
        let (dw, db) = super::reference::linear_dw::<B>(x.clone(), dy.clone());
        let (split_dw, split_db) = super::split::linear_dw::<B>(x, dy);
        [dw, db, split_dw, split_db]
    }
    let device = Device::default();
    for rows in [7, 1536, 2050] {
        let x = FloatTensor::<Flex>::from_data(random::<2>(1, [rows, 5], &device).into_data());
        let dy = FloatTensor::<Flex>::from_data(random::<2>(2, [rows, 3], &device).into_data());
        let [dw, db, split_dw, split_db] = both::<Flex>(x, dy).map(|t| t.into_data());
        let tensor = |data| Tensor::<2>::from_data(data, &device);
        assert_close("dw", tensor(split_dw), tensor(dw), 1e-5);
        assert_eq!(split_db, db);
    }
}
