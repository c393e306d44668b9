//! The fast convolution and its gradients against Burn's own.

use burn::tensor::{Device, Tensor, module, ops::ConvOptions};

use super::{conv2d, conv3d};
use crate::testing::{assert_close, random};

/// Error bound for bf16 operands.
const BF16: f64 = 4e-3;

fn plain(x: Tensor<5>, w: Tensor<5>, b: Tensor<1>) -> Tensor<5> {
    let [kh, kw, ..] = w.dims();
    let options = ConvOptions::new([1, 1, 1], [0, kh / 2, kw / 2], [1, 1, 1], 1);
    let (x, w) = (x.permute([0, 4, 1, 2, 3]), w.permute([4, 3, 2, 0, 1]));
    module::conv3d(x, w, Some(b), options).permute([0, 2, 3, 4, 1])
}

#[test]
fn value_and_gradients_match_burn() {
    let device = Device::default().autodiff();
    let many = |kernel| (kernel, 27);
    for ([kh, kw, kt], c_in) in [many([3, 3, 1]), ([3, 3, 3], 14), ([1, 1, 1], 14), ([5, 3, 2], 14)]
    {
        let x = random::<5>(1, [2, 4, 7, 9, c_in], &device).require_grad();
        let w = random::<5>(2, [kh, kw, kt, c_in, 31], &device).require_grad();
        let b = random::<1>(3, [31], &device).require_grad();
        let pull = random::<5>(4, [2, 5 - kt, 7, 9, 31], &device);
        let shortcut = random::<5>(5, [2, 5 - kt, 7, 9, 31], &device).require_grad();

        let y = conv3d(None, x.clone(), w.clone(), Some(b.clone()), Some(shortcut.clone()));
        let grads = (y.clone() * pull.clone()).sum().backward();
        let reference = plain(x.clone(), w.clone(), b.clone()) + shortcut.clone();
        let expected = (reference.clone() * pull).sum().backward();

        assert_close("y", y, reference, BF16);
        assert_close("dx", x.grad(&grads).unwrap(), x.grad(&expected).unwrap(), BF16);
        assert_close("dw", w.grad(&grads).unwrap(), w.grad(&expected).unwrap(), BF16);
        assert_close("db", b.grad(&grads).unwrap(), b.grad(&expected).unwrap(), 1e-5);
        let [grads, expected] = [grads, expected].map(|grads| shortcut.grad(&grads).unwrap());
        assert_eq!(grads.into_data(), expected.into_data());
    }
}

#[test]
fn images_are_videos_of_one_frame() {
    let device = Device::default();
    let (x, w) = (random::<4>(1, [3, 6, 5, 28], &device), random::<4>(2, [3, 3, 28, 7], &device));
    let b = random::<1>(3, [7], &device);
    let shortcut = random::<4>(4, [3, 6, 5, 7], &device);
    let video = plain(x.clone().unsqueeze_dim(1), w.clone().unsqueeze_dim(2), b.clone());
    let expected = video.squeeze_dim(1) + shortcut.clone();
    assert_close("y", conv2d(x, w, Some(b), Some(shortcut)), expected, BF16);
}

#[test]
fn a_chunk_and_what_it_follows_are_one_video() {
    let device = Device::default().autodiff();
    let [before, x] = [(1, 2), (2, 3)]
        .map(|(seed, frames)| random::<5>(seed, [2, frames, 5, 6, 9], &device).require_grad());
    let w = random::<5>(3, [3, 3, 3, 9, 7], &device);
    let b = random::<1>(4, [7], &device);
    let joined = Tensor::cat(vec![before.clone(), x.clone()], 1);
    let y = conv3d(None, joined, w.clone(), Some(b.clone()), None);
    let expected = y.clone().powi_scalar(2).sum().backward();
    let found = conv3d(Some(before.clone()), x.clone(), w.clone(), Some(b.clone()), None);
    let grads = found.clone().powi_scalar(2).sum().backward();
    assert_eq!(found.into_data(), y.clone().into_data());
    for part in [&before, &x] {
        let [grads, expected] = [&grads, &expected].map(|grads| part.grad(grads).unwrap());
        assert_eq!(grads.into_data(), expected.into_data());
    }
    let inner = conv3d(Some(before.inner()), x.inner(), w.inner(), Some(b.inner()), None);
    assert_eq!(inner.into_data(), y.into_data());
}

#[test]
fn plain_bodies_match_burn() {
    use super::{columns, reference};
    use burn::backend::{Backend, Flex, tensor::FloatTensor};
    // The bodies of other backends, called on the CPU backend itself.
    fn oracle<B: Backend>([x, w, dy]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 3] {
        let y = reference::conv::<B>(x.clone(), w.clone(), None);
        let dx = reference::conv_dx::<B>(dy.clone(), w);
        let (dw, _) = reference::conv_dw::<B>(x, dy, [3, 5, 2]);
        [y, dx, dw]
    }
    fn gathered<B: Backend>([x, w, dy]: [FloatTensor<B>; 3]) -> [FloatTensor<B>; 3] {
        let y = columns::conv::<B>(x.clone(), w.clone(), None);
        let dx = columns::conv_dx::<B>(dy.clone(), w);
        let (dw, _) = columns::conv_dw::<B>(x, dy, [3, 5, 2]);
        [y, dx, dw]
    }
    let device = Device::default();
    let data = |seed, dims: [usize; 5]| random::<5>(seed, dims, &device).into_data();
    let [x, w] = [data(1, [2, 4, 6, 7, 3]), data(2, [3, 5, 2, 3, 4])];
    let dy = data(3, [2, 3, 6, 7, 4]);
    let tensors = || [&x, &w, &dy].map(|d| FloatTensor::<Flex>::from_data(d.clone()));
    let out = [oracle::<Flex>(tensors()), gathered::<Flex>(tensors())];
    let out = out.map(|three| three.map(|t| Tensor::<5>::from_data(t.into_data(), &device)));
    let [x, w, dy] = [x, w, dy].map(|d| Tensor::<5>::from_data(d, &device.clone().autodiff()));
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
