//! Layers in 32-bit floats, as the network of the authors computes them, and where their values come from.
//!
//! Products do not go through the bfloat16 kernels. Weights stay as the files lay them out, `[out, in]`, and are turned
//! by the matrix product.

use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::activation::silu;
use hibari_ops::norm::layer_norm;

use crate::ModelError;

/// Gives the tensor of a name and shape, row-major.
pub type TensorSource<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, ModelError> + 'a;

/// Takes tensors out of a source and onto a device.
pub(super) struct Loader<'a, 's> {
    pub(super) source: &'a mut TensorSource<'s>,
    pub(super) device: &'a Device,
}

impl Loader<'_, '_> {
    pub(super) fn tensor<const D: usize>(
        &mut self,
        name: &str,
        dims: [usize; D],
    ) -> Result<Tensor<D>, ModelError> {
        let values = (self.source)(name, &dims)?;
        assert_eq!(
            values.len(),
            dims.iter().product::<usize>(),
            "values of `{name}` against {dims:?}"
        );
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    pub(super) fn linear(&mut self, name: &str, k: usize, n: usize) -> Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.tensor(&format!("{name}.weight"), [n, k])?,
            bias: self.tensor(&format!("{name}.bias"), [n])?,
        })
    }

    pub(super) fn norm(&mut self, name: &str, width: usize) -> Result<Norm, ModelError> {
        Ok(Norm {
            gain: self.tensor(&format!("{name}.weight"), [width])?,
            bias: self.tensor(&format!("{name}.bias"), [width])?,
        })
    }
}

/// `y = x W' + b`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[N, K]`
    pub(super) weight: Tensor<2>,
    /// `[N]`
    pub(super) bias: Tensor<1>,
}

impl Linear {
    /// `[.., K]` to `[.., N]`.
    pub(super) fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut dims = x.dims();
        let [n, k] = self.weight.dims();
        assert_eq!(dims[D - 1], k, "the last axis of `{dims:?}` does not fit the weight");
        let rows = dims[..D - 1].iter().product::<usize>();
        let y = x.reshape([rows, k]).matmul(self.weight.clone().transpose());
        dims[D - 1] = n;
        (y + self.bias.clone().unsqueeze::<2>()).reshape(dims)
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

/// The Gaussian error linear unit with a hyperbolic tangent: `x (1 + tanh(a x + b x^3)) / 2`.
///
/// As `(1 + tanh y) / 2 = sigmoid(2 y)`, it is `silu(x p) / p` with `p = 2 a + 2 b x^2`.
pub(super) fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let slope = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let p = x.clone() * x.clone() * (0.044_715 * slope) + slope;
    silu(x * p.clone()) / p
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::gelu_approximate;

    use super::*;

    #[test]
    fn gelu_is_burns() {
        let values: Vec<f32> = (-800..=800_i16).map(|i| f32::from(i) * 0.02).collect();
        let x = Tensor::<1>::from_data(values.as_slice(), &Device::default());
        let read = |y: Tensor<1>| y.into_data().try_into_vec::<f32>().unwrap();
        let (found, expected) = (read(gelu_tanh(x.clone())), read(gelu_approximate(x)));
        for ((x, found), expected) in values.iter().zip(found).zip(expected) {
            let bound = 1e-6 * x.abs().max(1.0);
            assert!((found - expected).abs() <= bound, "gelu({x}) is {found}, not {expected}");
        }
    }
}
