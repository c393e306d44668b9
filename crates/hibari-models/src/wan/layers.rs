//! Layers as the network of the authors computes them, and where their values come from.
//!
//! Weights stay as the files lay them out, `[out, in]`. Small ones are 32-bit floats, and so are their products; what the
//! large ones of the blocks are is a [`Residency`].

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use half::bf16;
use hibari_ops::linear::{PackedLinear, Then};
use hibari_ops::norm::layer_norm;

use crate::ModelError;
use crate::source::{Residency, TensorSource};

/// Takes tensors out of a source and onto a device.
pub(super) struct Loader<'a> {
    pub(super) source: &'a Arc<dyn TensorSource>,
    pub(super) device: &'a Device,
    pub(super) residency: Residency,
}

impl Loader<'_> {
    pub(super) fn tensor<const D: usize>(
        &self,
        name: &str,
        dims: [usize; D],
    ) -> Result<Tensor<D>, ModelError> {
        let values = self.source.tensor(name, &dims)?;
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    /// A map whose products are 32-bit.
    pub(super) fn exact(&self, name: &str, k: usize, n: usize) -> Result<Linear, ModelError> {
        Ok(Linear::Exact {
            weight: self.tensor(&format!("{name}.weight"), [n, k])?,
            bias: self.tensor(&format!("{name}.bias"), [n])?,
        })
    }

    /// A map of a block. Packed weights are the CPU's; elsewhere it is exact.
    pub(super) fn linear(&self, name: &str, k: usize, n: usize) -> Result<Linear, ModelError> {
        if self.residency == Residency::F32 || *self.device != Device::flex() {
            return self.exact(name, k, n);
        }
        let bias: Arc<[f32]> = self.source.tensor(&format!("{name}.bias"), &[n])?.into();
        let weight = format!("{name}.weight");
        let streamed = Streamed { source: self.source.clone(), weight, bias, dims: [k, n] };
        match self.residency {
            Residency::Streamed => Ok(Linear::Streamed(streamed)),
            Residency::Int8 => Ok(Linear::Packed(streamed.read_int8()?)),
            _ => Ok(Linear::Packed(streamed.read()?)),
        }
    }

    pub(super) fn norm(&self, name: &str, width: usize) -> Result<Norm, ModelError> {
        Ok(Norm {
            gain: self.tensor(&format!("{name}.weight"), [width])?,
            bias: self.tensor(&format!("{name}.bias"), [width])?,
        })
    }
}

/// `y = x W' + b`.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has a few hundred of them")]
pub(super) enum Linear {
    /// In 32-bit floats.
    Exact {
        /// `[N, K]`
        weight: Tensor<2>,
        /// `[N]`
        bias: Tensor<1>,
    },
    /// With products in bf16, or of 8-bit integers.
    Packed(PackedLinear),
    /// With products in bf16, packed anew at each use.
    Streamed(Streamed),
}

/// A weight that stays in its file.
#[derive(Clone)]
pub(super) struct Streamed {
    source: Arc<dyn TensorSource>,
    weight: String,
    bias: Arc<[f32]>,
    /// `[K, N]`
    dims: [usize; 2],
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streamed `{}`", self.weight)
    }
}

impl Streamed {
    fn rows(&self) -> Result<Vec<bf16>, ModelError> {
        let [k, n] = self.dims;
        self.source.tensor_bf16(&self.weight, &[n, k])
    }

    /// [`Self::read`] of a model that runs: names, types and shapes were checked as its file was opened, and it stays mapped.
    fn packed(&self) -> PackedLinear {
        self.read().expect("the file was checked as it was opened")
    }

    fn read(&self) -> Result<PackedLinear, ModelError> {
        Ok(PackedLinear::from_rows(&self.rows()?, Some(self.bias.clone()), self.dims))
    }

    fn read_int8(&self) -> Result<PackedLinear, ModelError> {
        Ok(PackedLinear::int8_from_rows(&self.rows()?, Some(self.bias.clone()), self.dims))
    }
}

impl Linear {
    /// `[.., K]` to `[.., N]`.
    pub(super) fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = match self {
            Self::Exact { weight, bias } => (weight, bias),
            Self::Packed(packed) => return packed.apply(x),
            Self::Streamed(streamed) => return streamed.packed().apply(x),
        };
        let mut dims = x.dims();
        let [n, k] = weight.dims();
        assert_eq!(dims[D - 1], k, "the last axis of `{dims:?}` does not fit the weight");
        let rows = dims[..D - 1].iter().product::<usize>();
        let y = x.reshape([rows, k]).matmul(weight.clone().transpose());
        dims[D - 1] = n;
        (y + bias.clone().unsqueeze::<2>()).reshape(dims)
    }

    /// What becomes of [`Self::apply`] then: `[B, N, K]` to `[B, N, N']`.
    pub(super) fn apply_then(&self, x: Tensor<3>, then: Then<'_>) -> Tensor<3> {
        match self {
            Self::Exact { .. } => then.apply(self.apply(x)),
            Self::Packed(packed) => packed.apply_then(x, then),
            Self::Streamed(streamed) => streamed.packed().apply_then(x, then),
        }
    }
}

/// Layer norm with gain and bias.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    /// `[D]`
    gain: Tensor<1>,
    /// `[D]`
    bias: Tensor<1>,
}

impl Norm {
    /// `[B, N, D]`, unchanged in shape.
    pub(super) fn apply(&self, x: Tensor<3>, eps: f32) -> Tensor<3> {
        layer_norm(x, eps) * self.gain.clone().unsqueeze::<3>() + self.bias.clone().unsqueeze::<3>()
    }
}
