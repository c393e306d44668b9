//! The fast convolution and its gradients against Burn's own.

use burn::tensor::{Device, Tensor, module, ops::ConvOptions};

use super::conv2d;
use crate::testing::{assert_close, random};

/// Error bound for bf16 operands.
const BF16: f64 = 4e-3;

fn plain(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    let [kh, kw, _, _] = w.dims();
    let options = ConvOptions::new([1, 1], [kh / 2, kw / 2], [1, 1], 1);
    let y = module::conv2d(x.permute([0, 3, 1, 2]), w.permute([3, 2, 0, 1]), Some(b), options);
    y.permute([0, 2, 3, 1])
}

#[test]
fn value_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    for kernel in [[3, 3], [1, 1], [5, 3]] {
        let x = random::<4>(1, [3, 7, 9, 14], &device).require_grad();
        let w = random::<4>(2, [kernel[0], kernel[1], 14, 21], &device).require_grad();
        let b = random::<1>(3, [21], &device).require_grad();
        let pull = random::<4>(4, [3, 7, 9, 21], &device);

        let y = conv2d(x.clone(), w.clone(), Some(b.clone()));
        let grads = (y.clone() * pull.clone()).sum().backward();
        let reference = plain(x.clone(), w.clone(), b.clone());
        let expected = (reference.clone() * pull).sum().backward();

        assert_close("y", y, reference, BF16);
        assert_close("dx", x.grad(&grads).unwrap(), x.grad(&expected).unwrap(), BF16);
        assert_close("dw", w.grad(&grads).unwrap(), w.grad(&expected).unwrap(), BF16);
        assert_close("db", b.grad(&grads).unwrap(), b.grad(&expected).unwrap(), 1e-5);
    }
}

#[test]
fn plain_bodies_match_burn() {
    use super::{columns, reference};
    use burn::backend::{Backend, Flex, tensor::FloatTensor};
    // The bodies of other backends, called on the CPU backend itself.
    fn oracle<B: Backend>([x, w, dy]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 3] {
        let y = reference::conv2d::<B>(x.clone(), w.clone(), None);
        let dx = reference::conv2d_dx::<B>(dy.clone(), w);
        let (dw, _) = reference::conv2d_dw::<B>(x, dy, [3, 5]);
        [y, dx, dw]
    }
    fn gathered<B: Backend>([x, w, dy]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 3] {
        let y = columns::conv2d::<B>(x.clone(), w.clone(), None);
        let dx = columns::conv2d_dx::<B>(dy.clone(), w);
        let (dw, _) = columns::conv2d_dw::<B>(x, dy, [3, 5]);
        [y, dx, dw]
    }
    let device = Device::default();
    let data = |seed, dims: [usize; 4]| random::<4>(seed, dims, &device).into_data();
    let [x, w, dy] = [data(1, [2, 6, 7, 3]), data(2, [3, 5, 3, 4]), data(3, [2, 6, 7, 4])];
    let tensors = || [&x, &w, &dy].map(|d| FloatTensor::<Flex>::from_data(d.clone()));
    let out = [oracle::<Flex>(tensors()), gathered::<Flex>(tensors())];
    let out = out.map(|three| three.map(|t| Tensor::<4>::from_data(t.into_data(), &device)));
    let [x, w, dy] = [x, w, dy].map(|d| Tensor::<4>::from_data(d, &device.clone().autodiff()));
    let (x, w) = (x.require_grad(), w.require_grad());
    let b = Tensor::zeros([4], &device.clone().autodiff());
    let y = plain(x.clone(), w.clone(), b);
    let grads = (y.clone() * dy).sum().backward();
    for [found_y, dx, dw] in out {
        assert_close("y", found_y, y.clone().inner(), 1e-5);
        assert_close("dx", dx, x.grad(&grads).unwrap(), 1e-5);
        assert_close("dw", dw, w.grad(&grads).unwrap(), 1e-5);
    }
}
