//! Layers that families share: affine maps, convolutions, and how parameters begin.

mod conv;
pub(crate) mod gelu;
mod init;
mod linear;

pub use conv::Conv2d;
pub use init::initialise;
pub use linear::Linear;

use burn::module::Param;
use burn::tensor::{Device, Tensor};

/// A parameter of zeros, to be filled by [`initialise`] or by a weights file.
pub(crate) fn zeros<const D: usize>(dims: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::zeros(dims, device))
}
