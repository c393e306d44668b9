//! An affine map whose weight is rounded and packed once: for models that are run and not trained, on the CPU.

use std::sync::Arc;

use burn::backend::{
    Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::{Device, Tensor};
use half::bf16;
use hibari_kernels::epilogue::Epilogue;
use hibari_kernels::int8::Int8Weight;
use hibari_kernels::matmul::PackedWeight;
use hibari_kernels::norm::Groups;

use crate::activation::gelu_tanh;
use crate::flex::{FlexTensor, contiguous, tensor, values};
use crate::norm::gated_residual;

/// What follows a map whose result is `y`, `[B, N, D]`.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub enum Then<'a> {
    /// [`gelu_tanh`].
    GeluTanh,
    /// `onto + y`.
    Add(Tensor<3>),
    /// [`gated_residual`]: `onto + gate * y`.
    AddGated {
        /// Of the shape of `y`.
        onto: Tensor<3>,
        /// `[B, G, D]`.
        gate: Tensor<3>,
        /// Which of the `G` each token takes.
        of_token: &'a [u32],
    },
}

impl Then<'_> {
    /// What becomes of `y`.
    ///
    /// # Panics
    /// if the shapes disagree
    #[track_caller]
    pub fn apply(self, y: Tensor<3>) -> Tensor<3> {
        match self {
            Self::GeluTanh => gelu_tanh(y),
            Self::Add(onto) => onto + y,
            Self::AddGated { onto, gate, of_token } => gated_residual(onto, y, gate, of_token),
        }
    }
}

/// `y = x W + b` with products in few bits; it has no gradient.
#[derive(Clone, Debug)]
pub struct PackedLinear {
    weight: Weight,
    bias: Option<Arc<[f32]>>,
}

/// What the products are.
#[derive(Clone, Debug)]
enum Weight {
    /// bf16 with f32 sums.
    Bf16(Arc<PackedWeight>),
    /// 8-bit integers with exact sums.
    Int8(Arc<Int8Weight>),
}

impl PackedLinear {
    /// Packs a row-major `[n, k]`, a row for each output, as checkpoints hold it, for products in bf16; `bias`: `[n]`.
    ///
    /// # Panics
    /// if a length does not fit
    #[must_use]
    #[track_caller]
    pub fn from_rows(weight: &[bf16], bias: Option<Arc<[f32]>>, dims: [usize; 2]) -> Self {
        let packed = PackedWeight::from_bf16_rows(weight, dims);
        Self::new(Weight::Bf16(Arc::new(packed)), bias, dims)
    }

    /// As [`Self::from_rows`], for products of 8-bit integers.
    ///
    /// # Panics
    /// if a length does not fit
    #[must_use]
    #[track_caller]
    pub fn int8_from_rows(weight: &[bf16], bias: Option<Arc<[f32]>>, dims: [usize; 2]) -> Self {
        let packed = Int8Weight::from_bf16_rows(weight, dims);
        Self::new(Weight::Int8(Arc::new(packed)), bias, dims)
    }

    #[track_caller]
    fn new(weight: Weight, bias: Option<Arc<[f32]>>, [k, n]: [usize; 2]) -> Self {
        if let Some(bias) = &bias {
            assert_eq!(bias.len(), n, "the bias does not fit the weight `[{k}, {n}]`");
        }
        Self { weight, bias }
    }

    /// Applies it to the last axis.
    ///
    /// # Shapes
    /// `[.., k]` to `[.., n]`
    /// # Panics
    /// if the last axis is another, or the tensor is not on the CPU in f32
    #[track_caller]
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.check(&x);
        Tensor::from_dispatch(<Dispatch as PackedOps>::packed(x.into_dispatch(), self, false))
    }

    /// [`Then::apply`] of what [`Self::apply`] gives, the same bits, while each row is in the cache.
    ///
    /// # Shapes
    /// - `x`: `[B, N, k]`; returned: `[B, N, n]`
    /// # Panics
    /// as [`Self::apply`], or if the tensors of `then` do not fit
    #[track_caller]
    pub fn apply_then(&self, x: Tensor<3>, then: Then<'_>) -> Tensor<3> {
        self.check(&x);
        let x = x.into_dispatch();
        Tensor::from_dispatch(match then {
            Then::GeluTanh => <Dispatch as PackedOps>::packed(x, self, true),
            Then::Add(onto) => <Dispatch as PackedOps>::packed_add(onto.into_dispatch(), x, self),
            Then::AddGated { onto, gate, of_token } => {
                let [onto, gate] = [onto, gate].map(Tensor::into_dispatch);
                <Dispatch as PackedOps>::packed_gated_add(onto, gate, of_token, x, self)
            }
        })
    }

    #[track_caller]
    fn check<const D: usize>(&self, x: &Tensor<D>) {
        let (dims, [k, n]) = (x.dims(), self.dims());
        assert_eq!(dims[D - 1], k, "the last axis of x `{dims:?}` and the weight `[{k}, {n}]`");
        assert_eq!(x.device(), Device::flex(), "packed weights are the CPU's");
    }

    fn dims(&self) -> [usize; 2] {
        match &self.weight {
            Weight::Bf16(weight) => weight.dims(),
            Weight::Int8(weight) => weight.dims(),
        }
    }

    fn run(&self, x: FlexTensor, epilogue: Epilogue<'_>) -> FlexTensor {
        let ([k, n], mut shape) = (self.dims(), x.shape());
        let (x, bias) = (contiguous(x), self.bias.as_deref());
        let m = values(&x).len() / k.max(1);
        let y = match &self.weight {
            Weight::Bf16(weight) => weight.linear(values(&x), bias, epilogue, m),
            Weight::Int8(weight) => weight.linear(values(&x), bias, epilogue, m),
        };
        let last = shape.num_dims() - 1;
        shape[last] = n;
        tensor(y, shape)
    }
}

/// The map on the backend that has it, where operands are read as they lie: a tensor that others hold is not copied.
#[backend_extension(Flex)]
trait PackedOps: Backend {
    /// `y = x W + b`, or GELU of it.
    fn packed(x: FloatTensor<Self>, layer: &PackedLinear, is_gelu: bool) -> FloatTensor<Self>;

    /// `onto + y`.
    fn packed_add(
        onto: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layer: &PackedLinear,
    ) -> FloatTensor<Self>;

    /// `onto + gate * y`, with a `gate` `[B, G, D]` and the one that each token takes.
    fn packed_gated_add(
        onto: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        of_token: &[u32],
        x: FloatTensor<Self>,
        layer: &PackedLinear,
    ) -> FloatTensor<Self>;
}

impl PackedOps for Flex {
    fn packed(x: FloatTensor<Self>, layer: &PackedLinear, is_gelu: bool) -> FloatTensor<Self> {
        layer.run(x, if is_gelu { Epilogue::GeluTanh } else { Epilogue::None })
    }

    fn packed_add(
        onto: FloatTensor<Self>,
        x: FloatTensor<Self>,
        layer: &PackedLinear,
    ) -> FloatTensor<Self> {
        let onto = contiguous(onto);
        layer.run(x, Epilogue::Add(values(&onto)))
    }

    fn packed_gated_add(
        onto: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        of_token: &[u32],
        x: FloatTensor<Self>,
        layer: &PackedLinear,
    ) -> FloatTensor<Self> {
        let [batch, count, width] = gate.shape().dims();
        let groups = Groups { batch, of_token, count, width };
        let [onto, gate] = [onto, gate].map(contiguous);
        layer.run(x, Epilogue::AddGated { x: values(&onto), gate: values(&gate), groups })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::linear::linear;

    /// The bits of the map that trains, on a weight that bf16 holds exactly.
    #[test]
    fn packed_is_linear() {
        let values = |seed: usize, len: usize| -> Vec<f32> {
            (0..len).map(|i| ((i * 31 + seed * 17) % 23) as f32 / 4.0 - 2.5).collect()
        };
        let (k, n) = (37, 21);
        let (x, rows, bias) = (values(1, 2 * 5 * k), values(2, k * n), values(3, n));
        let transposed: Vec<f32> = (0..k * n).map(|i| rows[i % n * k + i / n]).collect();
        let tensor = |values: &[f32], dims: Vec<usize>| {
            TensorData::new(values.to_vec(), burn::tensor::Shape::from(dims))
        };
        let device = Device::flex();
        let x = Tensor::<3>::from_data(tensor(&x, vec![2, 5, k]), &device);
        let expected = linear(
            x.clone(),
            Tensor::from_data(tensor(&transposed, vec![k, n]), &device),
            Some(Tensor::from_data(tensor(&bias, vec![n]), &device)),
        );
        let stored: Vec<bf16> = rows.iter().map(|&value| bf16::from_f32(value)).collect();
        let packed = PackedLinear::from_rows(&stored, Some(bias.into()), [k, n]);
        let found = packed.apply(x.clone());
        assert_eq!(found.dims(), [2, 5, n]);
        assert_eq!(found.into_data(), expected.into_data());
        let int8 = PackedLinear::int8_from_rows(&stored, None, [k, n]).apply(x.clone());
        let exact = PackedLinear::from_rows(&stored, None, [k, n]).apply(x.clone());
        crate::testing::assert_close("int8", int8, exact, 1.5e-2);
        let onto = crate::testing::random::<3>(4, [2, 5, n], &device);
        let gate = crate::testing::random::<3>(5, [2, 2, n], &device);
        let gated = Then::AddGated { onto: onto.clone(), gate, of_token: &[0, 1, 1, 0, 1] };
        for then in [Then::GeluTanh, Then::Add(onto), gated] {
            let expected = then.clone().apply(packed.apply(x.clone()));
            let found = packed.apply_then(x.clone(), then);
            assert_eq!(found.into_data(), expected.into_data());
        }
        let turned = x.swap_dims(0, 1);
        assert_eq!(packed.apply(turned.clone()).dims(), [5, 2, n]);
        let by_rows = packed.apply(turned).swap_dims(0, 1).into_data();
        assert_eq!(by_rows.try_into_vec::<f32>().unwrap().len(), 2 * 5 * n);
    }
}
