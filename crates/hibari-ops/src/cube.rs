//! The operations on GPU backends: the plain bodies, which Burn fuses, but for products that would not fill a card.

use burn::backend::{Cube, tensor::FloatTensor};

use crate::{
    activation::ActivationOps,
    attention::AttentionOps,
    conv::{ConvOps, columns},
    linear::{LinearOps, split},
    norm::NormOps,
    rope::RopeOps,
};

impl ActivationOps for Cube {}
impl AttentionOps for Cube {}
impl NormOps for Cube {}
impl RopeOps for Cube {}

impl LinearOps for Cube {
    fn dense_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        split::linear_dw::<Self>(x, dy)
    }
}

impl ConvOps for Cube {
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        columns::conv::<Self>(x, weight, None)
    }

    fn conv_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        columns::conv::<Self>(x, weight, Some(bias))
    }

    fn conv_dx(dy: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        columns::conv_dx::<Self>(dy, weight)
    }

    fn conv_dw(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kernel: [usize; 3],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        columns::conv_dw::<Self>(x, dy, kernel)
    }
}
