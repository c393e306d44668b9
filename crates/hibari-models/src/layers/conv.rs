//! A convolution of channels-last images that keeps their size.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use hibari_ops::conv::conv2d;

use super::zeros;

/// Stride 1, zero padding, odd square kernel.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[k, k, Cin, Cout]`.
    weight: Param<Tensor<4>>,
    /// `[Cout]`.
    bias: Param<Tensor<1>>,
}

impl Conv2d {
    /// A convolution of zeros from `c_in` to `c_out` channels.
    pub fn new(c_in: usize, c_out: usize, kernel: usize, device: &Device) -> Self {
        Self { weight: zeros([kernel, kernel, c_in, c_out], device), bias: zeros([c_out], device) }
    }

    /// # Shapes
    /// `[B, H, W, Cin]` to `[B, H, W, Cout]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.val(), Some(self.bias.val()), None)
    }

    /// `shortcut` plus [`Self::forward`].
    ///
    /// # Shapes
    /// - `shortcut`: `[B, H, W, Cout]`
    pub fn forward_onto(&self, shortcut: Tensor<4>, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.val(), Some(self.bias.val()), Some(shortcut))
    }
}
