//! The image side of CLIP: a vision transformer, whose last layer but one conditions video models.
//!
//! Inference only, in 32-bit floats. It is used once for a video, so nothing of it is kept: each layer is read, applied and
//! dropped. Weights have the names of transformers, without the `vision_model.` in front.
//!
//! Source: Radford et al., "Learning transferable visual models" (arXiv:2103.00020); transformers 5.23.0,
//! `models/clip/modeling_clip.py`

use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::Products;
use hibari_ops::attention::attention;
use hibari_ops::norm::layer_norm;

use crate::ModelError;
use crate::layers::gelu::gelu;
use crate::source::TensorSource;

/// Means and deviations of red, green and blue in 0..1 over the training pictures.
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
const NORM_EPS: f32 = 1e-5;

const CLASS: &str = "embeddings.class_embedding";
const PATCHES: &str = "embeddings.patch_embedding.weight";
const POSITIONS: &str = "embeddings.position_embedding.weight";
/// As it is spelt in every file.
const FIRST_NORM: &str = "pre_layrnorm";
const LAST_NORM: &str = "post_layernorm";

/// The sizes of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipVision {
    /// Side of the square picture, in pixels.
    pub side_px: usize,
    /// Side of a patch, in pixels.
    pub patch_px: usize,
    /// Width `D` of a row.
    pub width: usize,
    /// Layers.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width inside the perceptron.
    pub inner_width: usize,
}

impl ClipVision {
    /// ViT-H/14: 630,766,080 parameters.
    pub const H14: Self = Self {
        side_px: 224,
        patch_px: 14,
        width: 1280,
        n_layers: 32,
        n_heads: 16,
        inner_width: 5120,
    };

    /// Rows of a picture: its class, then its patches.
    pub fn n_rows(&self) -> usize {
        (self.side_px / self.patch_px).pow(2) + 1
    }

    /// The names and shapes of all tensors, also of those behind the last layer but one.
    pub fn layout(&self) -> Vec<(String, Vec<usize>)> {
        let (d, inner) = (self.width, self.inner_width);
        let mut layout = vec![
            (CLASS.to_owned(), vec![d]),
            (PATCHES.to_owned(), vec![d, 3, self.patch_px, self.patch_px]),
            (POSITIONS.to_owned(), vec![self.n_rows(), d]),
        ];
        let mut both = |name: String, weight: Vec<usize>| {
            let n = weight[0];
            layout.push((format!("{name}.weight"), weight));
            layout.push((format!("{name}.bias"), vec![n]));
        };
        both(FIRST_NORM.to_owned(), vec![d]);
        both(LAST_NORM.to_owned(), vec![d]);
        for idx in 0..self.n_layers {
            let name = |part: &str| layer_name(idx, part);
            for norm in ["layer_norm1", "layer_norm2"] {
                both(name(norm), vec![d]);
            }
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                both(name(&format!("self_attn.{part}")), vec![d, d]);
            }
            both(name("mlp.fc1"), vec![inner, d]);
            both(name("mlp.fc2"), vec![d, inner]);
        }
        layout
    }

    /// The rows of a picture after the last layer but one.
    ///
    /// # Shapes
    /// `[1, 3, side_px, side_px]` to `[1, n_rows, D]`
    /// # Units
    /// red, green and blue in 0..1
    /// # Errors
    /// if `source` lacks a tensor, or has it in another shape
    /// # Panics
    /// if the picture has another size
    pub fn encode(
        &self,
        picture: Tensor<4>,
        source: &dyn TensorSource,
        device: &Device,
    ) -> Result<Tensor<3>, ModelError> {
        let (d, side, patch) = (self.width, self.side_px, self.patch_px);
        assert_eq!(picture.dims(), [1, 3, side, side], "size of the picture");
        let read = Reader { source, device };
        let channels =
            |values: [f32; 3]| Tensor::<1>::from_floats(values, device).reshape([1, 3, 1, 1]);
        let picture = (picture.to_device(device) - channels(MEAN)) / channels(STD);
        let n = side / patch;
        let patches = picture
            .reshape([3, n, patch, n, patch])
            .permute([1, 3, 0, 2, 4])
            .reshape([n * n, 3 * patch * patch]);
        let weight = read.tensor(PATCHES, [d, 3, patch, patch])?.reshape([d, 3 * patch * patch]);
        let class = read.tensor(CLASS, [d])?.reshape([1, d]);
        let x = Tensor::cat(vec![class, patches.matmul(weight.transpose())], 0)
            + read.tensor(POSITIONS, [self.n_rows(), d])?;
        let mut x = read.norm(FIRST_NORM, d)?.apply(x);
        for idx in 0..self.n_layers.saturating_sub(1) {
            tracing::trace!(layer = idx, "encode picture");
            x = Layer::load(self, idx, &read)?.apply(x);
        }
        Ok(x.unsqueeze())
    }
}

fn layer_name(idx: usize, part: &str) -> String {
    format!("encoder.layers.{idx}.{part}")
}

/// Turns what a source has into tensors.
struct Reader<'a> {
    source: &'a dyn TensorSource,
    device: &'a Device,
}

impl Reader<'_> {
    fn tensor<const D: usize>(
        &self,
        name: &str,
        dims: [usize; D],
    ) -> Result<Tensor<D>, ModelError> {
        let values = self.source.tensor(name, &dims)?;
        Ok(Tensor::from_data(TensorData::new(values, dims), self.device))
    }

    fn norm(&self, name: &str, width: usize) -> Result<Affine<1>, ModelError> {
        self.affine(name, [width])
    }

    fn affine<const D: usize>(
        &self,
        name: &str,
        dims: [usize; D],
    ) -> Result<Affine<D>, ModelError> {
        Ok(Affine {
            weight: self.tensor(&format!("{name}.weight"), dims)?,
            bias: self.tensor(&format!("{name}.bias"), [dims[0]])?.unsqueeze(),
        })
    }
}

/// A weight and what is added.
struct Affine<const D: usize> {
    weight: Tensor<D>,
    /// `[1, out]`
    bias: Tensor<2>,
}

impl Affine<1> {
    /// Layer norm with gain and bias.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(x, NORM_EPS) * self.weight.clone().unsqueeze::<2>() + self.bias.clone()
    }
}

impl Affine<2> {
    /// `x W' + b`
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone().transpose()) + self.bias.clone()
    }
}

/// `x += Wo attention(norm(x))`, then `x += W2 gelu(W1 norm(x))`.
struct Layer {
    n_heads: usize,
    attention_norm: Affine<1>,
    query: Affine<2>,
    key: Affine<2>,
    value: Affine<2>,
    attended: Affine<2>,
    inner_norm: Affine<1>,
    up: Affine<2>,
    down: Affine<2>,
}

impl Layer {
    fn load(sizes: &ClipVision, idx: usize, read: &Reader<'_>) -> Result<Self, ModelError> {
        let (d, inner) = (sizes.width, sizes.inner_width);
        let name = |part: &str| layer_name(idx, part);
        let square = |part: &str| read.affine(&name(&format!("self_attn.{part}")), [d, d]);
        Ok(Self {
            n_heads: sizes.n_heads,
            attention_norm: read.norm(&name("layer_norm1"), d)?,
            query: square("q_proj")?,
            key: square("k_proj")?,
            value: square("v_proj")?,
            attended: square("out_proj")?,
            inner_norm: read.norm(&name("layer_norm2"), d)?,
            up: read.affine(&name("mlp.fc1"), [inner, d])?,
            down: read.affine(&name("mlp.fc2"), [d, inner])?,
        })
    }

    /// `x`: `[L, D]`; returned unchanged in shape.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let [len, d] = x.dims();
        let heads = |rows: Tensor<2>| rows.reshape([1, len, self.n_heads, d / self.n_heads]);
        let y = self.attention_norm.apply(x.clone());
        let q = heads(self.query.apply(y.clone()));
        let k = heads(self.key.apply(y.clone()));
        let v = heads(self.value.apply(y));
        let x =
            x + self.attended.apply(attention(q, k, v, None, Products::Exact).reshape([len, d]));
        let y = self.up.apply(self.inner_norm.apply(x.clone()));
        x + self.down.apply(gelu(y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Formula, check, uni, weights_digest};

    const TINY: ClipVision = ClipVision {
        side_px: 28,
        patch_px: 14,
        width: 28,
        n_layers: 3,
        n_heads: 2,
        inner_width: 56,
    };

    fn n_parameters(sizes: &ClipVision) -> usize {
        sizes.layout().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    #[test]
    fn layout_is_that_of_the_original() {
        assert_eq!(
            (n_parameters(&ClipVision::H14), ClipVision::H14.layout().len()),
            (630_766_080, 519)
        );
        assert_eq!((ClipVision::H14.n_rows(), n_parameters(&TINY)), (257, 36_484));
        assert_eq!(weights_digest(&TINY.layout()), "c0244aa4362a");
    }

    #[test]
    fn rows_are_those_of_the_original() {
        let picture: Vec<f32> =
            uni("square", &[1, 3, 28, 28]).into_iter().map(|u| (u + 1.0) / 2.0).collect();
        let device = Device::default();
        let picture = Tensor::from_data(TensorData::new(picture, [1, 3, 28, 28]), &device);
        let rows = TINY.encode(picture, &Formula::of(&TINY.layout()), &device).unwrap();
        assert_eq!(rows.dims(), [1, 5, 28]);
        let rows = rows.into_data().try_into_vec::<f32>().unwrap();
        check("clip", &rows, -0.064475, 1.690423, 3.116188);
    }
}
