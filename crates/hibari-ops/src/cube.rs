//! The operations on GPU backends: the plain bodies, which Burn fuses, but for products that would not fill a card.

use burn::backend::{Cube, tensor::FloatTensor};

use crate::{
    Maybe,
    activation::ActivationOps,
    attention::AttentionOps,
    conv::{ConvOps, added, columns, joined},
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
    fn conv(
        before: Maybe<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        shortcut: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let x = joined::<Self>(before, x);
        added::<Self>(shortcut, columns::conv::<Self>(x, weight, bias.given()))
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
