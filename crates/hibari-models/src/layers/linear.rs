//! An affine map of the last axis.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use hibari_ops::linear::linear;

use super::zeros;

/// `y = x W + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[K, N]`.
    weight: Param<Tensor<2>>,
    /// `[N]`.
    bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A map of zeros from `k` to `n` values, with a bias.
    pub fn new(k: usize, n: usize, device: &Device) -> Self {
        Self { weight: zeros([k, n], device), bias: Some(zeros([n], device)) }
    }

    /// A map of zeros from `k` to `n` values, without a bias.
    pub fn without_bias(k: usize, n: usize, device: &Device) -> Self {
        Self { weight: zeros([k, n], device), bias: None }
    }

    /// # Shapes
    /// `[.., K]` to `[.., N]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
