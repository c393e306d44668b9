//! The diffusion transformer: noisy latents, their times and a text to velocities.
//!
//! ```text
//! x  = patches of the latent;  c = V2 gelu(V1 text)
//! te = W2 silu(W1 e(t));  (b1,a1,g1,b2,a2,g2) = T + Wp silu(te)
//! block:  x += g1 self(LN(x) (1+a1) + b1);  x += cross(LN(x), c);  x += g2 W2 gelu(W1 (LN(x) (1+a2) + b2))
//! head:   (b,a) = Th + te;  y = Wo (LN(x) (1+a) + b)
//! ```
//! Each latent frame has its own time, and frames of one time share a modulation. What the blocks take from the text is
//! computed once, see [`Context`].
//!
//! # Source
//! Wan2.1 `wan/modules/model.py`, `WanModel`; Wan2.2 likewise, for times of frames

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, activation};
use hibari_ops::Products;
use hibari_ops::activation::{gelu_tanh, silu};
use hibari_ops::attention::attention;
use hibari_ops::linear::Then;
use hibari_ops::norm::{modulated_layer_norm, rms_norm};

use super::config::{DitConfig, PATCH};
use super::layers::{Linear, Loader, Norm};
use super::rope::Rotations;
use crate::ModelError;
use crate::source::{Residency, TensorSource};

const EPS: f32 = 1e-6;
const IMAGE_EPS: f32 = 1e-5;
/// Frequencies of the features of a time fall from 1 to nearly one over this.
const MAX_PERIOD: f64 = 1e4;
/// Tokens that go through a perceptron at once: its inner rows are much wider than tokens.
const FFN_ROWS: usize = 4096;

/// The transformer. Activations are 32-bit floats; what its large weights are is a [`Residency`].
#[derive(Clone, Debug)]
pub struct Dit {
    cfg: DitConfig,
    /// Over the values of a patch, channel slowest.
    patch_in: Linear,
    time_in: Linear,
    time_out: Linear,
    modulation: Linear,
    text_in: Linear,
    text_out: Linear,
    image: Option<ImageEmbedding>,
    blocks: Vec<Block>,
    /// `[1, 2, D]`: shift and scale.
    head_table: Tensor<3>,
    /// To the values of a patch, channel fastest.
    patch_out: Linear,
    device: Device,
}

/// A prompt as the blocks take it: their keys and values of text and image.
#[derive(Clone, Debug)]
pub struct Context {
    batch: usize,
    blocks: Vec<BlockContext>,
}

#[derive(Clone, Debug)]
struct BlockContext {
    text: KeyValue,
    image: Option<KeyValue>,
}

/// Both `[B, L, n_heads, d_head]`.
#[derive(Clone, Debug)]
struct KeyValue {
    key: Tensor<4>,
    value: Tensor<4>,
}

impl Dit {
    /// Takes a transformer out of `source`, which is asked for each of [`DitConfig::tensors`] once, shapes `[out, in, ..]`.
    ///
    /// # Errors
    /// those of the source
    /// # Panics
    /// if the source gives another number of values than asked for
    pub fn load(
        cfg: &DitConfig,
        device: &Device,
        source: &Arc<dyn TensorSource>,
        residency: Residency,
    ) -> Result<Self, ModelError> {
        let d = cfg.width();
        let load = &Loader { source, device, residency };
        let values = cfg.in_channels * PATCH * PATCH;
        let patches =
            load.tensor("patch_embedding.weight", [d, cfg.in_channels, 1, PATCH, PATCH])?;
        let patch_in = Linear::Exact {
            weight: patches.reshape([d, values]),
            bias: load.tensor("patch_embedding.bias", [d])?,
        };
        let embedder = |part: &str| format!("condition_embedder.{part}");
        Ok(Self {
            patch_in,
            time_in: load.exact(&embedder("time_embedder.linear_1"), cfg.time_features, d)?,
            time_out: load.exact(&embedder("time_embedder.linear_2"), d, d)?,
            modulation: load.exact(&embedder("time_proj"), d, 6 * d)?,
            text_in: load.linear(&embedder("text_embedder.linear_1"), cfg.text_width, d)?,
            text_out: load.linear(&embedder("text_embedder.linear_2"), d, d)?,
            image: match cfg.image_width {
                Some(width) => Some(ImageEmbedding::load(load, width, d)?),
                None => None,
            },
            blocks: (0..cfg.layers)
                .map(|idx| Block::load(load, &format!("blocks.{idx}"), cfg))
                .collect::<Result<_, _>>()?,
            head_table: load.tensor("scale_shift_table", [1, 2, d])?,
            patch_out: load.exact("proj_out", d, cfg.token_values())?,
            cfg: cfg.clone(),
            device: device.clone(),
        })
    }

    /// The sizes.
    pub fn config(&self) -> &DitConfig {
        &self.cfg
    }

    /// What the blocks take from a text, and from an image if the model takes one; needed once for each prompt.
    ///
    /// # Shapes
    /// - `text`: `[B, L, text_width]`; the models were trained with `L` = [`super::config::TEXT_ROWS`], rows behind the
    ///   text zero, which count
    /// - `image`: `[B, M, image_width]`
    /// # Panics
    /// if the shapes disagree, or the image is missing or not expected
    #[track_caller]
    pub fn context(&self, text: Tensor<3>, image: Option<Tensor<3>>) -> Context {
        let [batch, _, width] = text.dims();
        assert_eq!(width, self.cfg.text_width, "width of the text context");
        let text = self.text_out.apply(gelu_tanh(self.text_in.apply(text)));
        let image = match (&self.image, image) {
            (Some(embedding), Some(image)) => Some(embedding.apply(image)),
            (None, None) => None,
            (expected, given) => panic!(
                "image context: expected is `{}`, given is `{}`",
                expected.is_some(),
                given.is_some()
            ),
        };
        let blocks = self.blocks.iter().map(|block| block.cross.context(&text, image.as_ref()));
        Context { batch, blocks: blocks.collect() }
    }

    /// The velocity of a noisy latent: noise less clean estimate.
    ///
    /// # Shapes
    /// - `latent`: `[B, in_channels, f, h, w]`, `h` and `w` even; returned as `[B, out_channels, f, h, w]`
    /// - `times`: `f`, one for each latent frame
    /// # Units
    /// times in 0..=1000, 1000 for pure noise
    /// # Panics
    /// if the shapes disagree
    #[track_caller]
    pub fn velocity(&self, latent: Tensor<5>, times: &[f64], context: &Context) -> Tensor<5> {
        let [batch, channels, frames, h, w] = latent.dims();
        assert_eq!(channels, self.cfg.in_channels, "channels of the latent");
        assert_eq!(times.len(), frames, "one time for each latent frame");
        assert_eq!(batch, context.batch, "batch of latent and context");
        assert!(
            h.is_multiple_of(PATCH) && w.is_multiple_of(PATCH),
            "latent frames of `{h}x{w}` cells are not made of patches"
        );
        let grid = [frames, h / PATCH, w / PATCH];
        let times = FrameTimes::new(times, grid[1] * grid[2]);
        let features = time_features(&times.distinct, self.cfg.time_features);
        self.velocity_of_features(latent, features, &times.of_token, context)
    }

    /// [`Self::velocity`] with the features of times, row-major `[G, time_features]`, and the time of each token.
    pub(super) fn velocity_of_features(
        &self,
        latent: Tensor<5>,
        features: Vec<f32>,
        time_of_token: &[u32],
        context: &Context,
    ) -> Tensor<5> {
        let [batch, _, frames, h, w] = latent.dims();
        let grid = [frames, h / PATCH, w / PATCH];
        let rotations = Rotations::new(grid, self.cfg.d_head, &self.device);
        let embedded = self.embed_times(features);
        let modulation = self.modulate(embedded.clone());

        let mut x = self.patch_in.apply(patches_from_latent(latent));
        for (block, context) in self.blocks.iter().zip(&context.blocks) {
            x = block.apply(x, &modulation, time_of_token, &rotations, context);
        }

        let head = self.head_table.clone() + embedded.unsqueeze_dim::<3>(1);
        let [shift, scale] = [0, 1].map(|idx| part(&head, idx, batch));
        let x = modulated_layer_norm(x, scale, shift, time_of_token, EPS);
        latent_from_patches(self.patch_out.apply(x), grid)
    }

    /// `te` `[G, D]` of the features of times.
    fn embed_times(&self, features: Vec<f32>) -> Tensor<2> {
        let n_features = self.cfg.time_features;
        let shape = [features.len() / n_features, n_features];
        let features = Tensor::<2>::from_data(TensorData::new(features, shape), &self.device);
        self.time_out.apply(silu(self.time_in.apply(features)))
    }

    /// `m` `[G, 6, D]` of embedded times `[G, D]`.
    fn modulate(&self, embedded: Tensor<2>) -> Tensor<3> {
        let [n_times, d] = embedded.dims();
        self.modulation.apply(silu(embedded)).reshape([n_times, 6, d])
    }
}

/// The times of latent frames, without repetition.
#[derive(Clone, Debug, PartialEq)]
struct FrameTimes {
    /// In the order of their first frames.
    distinct: Vec<f64>,
    /// Which of them each token has.
    of_token: Vec<u32>,
}

impl FrameTimes {
    fn new(times: &[f64], tokens_per_frame: usize) -> Self {
        let mut distinct: Vec<f64> = Vec::new();
        let mut of_token = Vec::with_capacity(times.len() * tokens_per_frame);
        for &time in times {
            let known = distinct.iter().position(|other| other.total_cmp(&time).is_eq());
            let idx = known.unwrap_or(distinct.len());
            if known.is_none() {
                distinct.push(time);
            }
            let idx = u32::try_from(idx).expect("there are few frames");
            of_token.extend(std::iter::repeat_n(idx, tokens_per_frame));
        }
        Self { distinct, of_token }
    }
}

/// Cosines, then sines of each time, row-major `[times, n]`: `t * 10000^(-i / (n / 2))`.
fn time_features(times: &[f64], n: usize) -> Vec<f32> {
    let half = n / 2;
    let angle = |t: f64, idx: usize| t * MAX_PERIOD.powf(-(idx as f64) / half as f64);
    let mut features = Vec::with_capacity(times.len() * n);
    for &t in times {
        features.extend((0..half).map(|idx| angle(t, idx).cos() as f32));
        features.extend((0..half).map(|idx| angle(t, idx).sin() as f32));
    }
    features
}

/// Row `idx` of each modulation `[G, k, D]`, for each item of the batch: `[B, G, D]`.
fn part(modulation: &Tensor<3>, idx: usize, batch: usize) -> Tensor<3> {
    let [n_times, _, d] = modulation.dims();
    let row: Tensor<2> = modulation.clone().narrow(1, idx, 1).reshape([n_times, d]);
    row.unsqueeze::<3>().expand([batch, n_times, d])
}

/// `[B, C, f, h, w]` to `[B, N, C * ph * pw]`, tokens by frame, row and column.
fn patches_from_latent(latent: Tensor<5>) -> Tensor<3> {
    let [b, c, f, h, w] = latent.dims();
    let (rows, columns) = (f * h / PATCH, w / PATCH);
    latent.reshape([b, c, rows, PATCH, columns, PATCH]).permute([0, 2, 4, 1, 3, 5]).reshape([
        b,
        rows * columns,
        c * PATCH * PATCH,
    ])
}

/// `[B, N, ph * pw * C]` to `[B, C, f, h, w]`.
fn latent_from_patches(patches: Tensor<3>, [f, rows, columns]: [usize; 3]) -> Tensor<5> {
    let [b, _, values] = patches.dims();
    let c = values / (PATCH * PATCH);
    patches.reshape([b, f * rows, columns, PATCH, PATCH, c]).permute([0, 5, 1, 3, 2, 4]).reshape([
        b,
        c,
        f,
        rows * PATCH,
        columns * PATCH,
    ])
}

/// CLIP rows to rows of the width of tokens.
#[derive(Clone, Debug)]
struct ImageEmbedding {
    norm_in: Norm,
    hidden: Linear,
    output: Linear,
    norm_out: Norm,
}

impl ImageEmbedding {
    fn load(load: &Loader<'_>, width: usize, d: usize) -> Result<Self, ModelError> {
        let name = |part: &str| format!("condition_embedder.image_embedder.{part}");
        Ok(Self {
            norm_in: load.norm(&name("norm1"), width)?,
            hidden: load.linear(&name("ff.net.0.proj"), width, width)?,
            output: load.linear(&name("ff.net.2"), width, d)?,
            norm_out: load.norm(&name("norm2"), d)?,
        })
    }

    fn apply(&self, image: Tensor<3>) -> Tensor<3> {
        let x = self.hidden.apply(self.norm_in.apply(image, IMAGE_EPS));
        self.norm_out.apply(self.output.apply(activation::gelu(x)), IMAGE_EPS)
    }
}

#[derive(Clone, Debug)]
struct Block {
    /// `[1, 6, D]`
    table: Tensor<3>,
    own: SelfAttention,
    cross_norm: Norm,
    cross: CrossAttention,
    hidden: Linear,
    output: Linear,
}

impl Block {
    fn load(load: &Loader<'_>, name: &str, cfg: &DitConfig) -> Result<Self, ModelError> {
        let d = cfg.width();
        let has_image = cfg.image_width.is_some();
        Ok(Self {
            table: load.tensor(&format!("{name}.scale_shift_table"), [1, 6, d])?,
            own: SelfAttention::load(load, &format!("{name}.attn1"), cfg)?,
            cross_norm: load.norm(&format!("{name}.norm2"), d)?,
            cross: CrossAttention::load(load, &format!("{name}.attn2"), cfg, has_image)?,
            hidden: load.linear(&format!("{name}.ffn.net.0.proj"), d, cfg.ffn)?,
            output: load.linear(&format!("{name}.ffn.net.2"), cfg.ffn, d)?,
        })
    }

    /// `x`: `[B, N, D]`, unchanged in shape; `modulation`: `[G, 6, D]`.
    fn apply(
        &self,
        x: Tensor<3>,
        modulation: &Tensor<3>,
        time_of_token: &[u32],
        rotations: &Rotations,
        context: &BlockContext,
    ) -> Tensor<3> {
        let batch = x.dims()[0];
        let modulation = self.table.clone() + modulation.clone();
        let [shift, scale, gate, ffn_shift, ffn_scale, ffn_gate] =
            [0, 1, 2, 3, 4, 5].map(|idx| part(&modulation, idx, batch));

        let y = modulated_layer_norm(x.clone(), scale, shift, time_of_token, EPS);
        let x =
            self.own.apply(y, rotations, Then::AddGated { onto: x, gate, of_token: time_of_token });
        let y = self.cross_norm.apply(x.clone(), EPS);
        let x = self.cross.apply(y, context, Then::Add(x));
        let y = modulated_layer_norm(x.clone(), ffn_scale, ffn_shift, time_of_token, EPS);
        by_rows(x.dims()[1], FFN_ROWS, |tokens| {
            let part = |x: &Tensor<3>| x.clone().narrow(1, tokens.start, tokens.len());
            let (onto, gate, of_token) =
                (part(&x), ffn_gate.clone(), &time_of_token[tokens.clone()]);
            let y = self.hidden.apply_then(part(&y), Then::GeluTanh);
            self.output.apply_then(y, Then::AddGated { onto, gate, of_token })
        })
    }
}

/// What `layer`, for which tokens have no neighbours, makes of `n` tokens, of at most `rows` at once.
fn by_rows(n: usize, rows: usize, layer: impl Fn(Range<usize>) -> Tensor<3>) -> Tensor<3> {
    if n <= rows {
        return layer(0..n);
    }
    let parts = (0..n).step_by(rows).map(|first| layer(first..(first + rows).min(n)));
    Tensor::cat(parts.collect(), 1)
}

/// A projection, normalised over all heads together.
#[derive(Clone, Debug)]
struct Normed {
    linear: Linear,
    /// `[D]`
    gain: Tensor<1>,
}

impl Normed {
    fn load(load: &Loader<'_>, linear: &str, norm: &str, d: usize) -> Result<Self, ModelError> {
        Ok(Self {
            linear: load.linear(linear, d, d)?,
            gain: load.tensor(&format!("{norm}.weight"), [d])?,
        })
    }

    fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        rms_norm(self.linear.apply(x), self.gain.clone(), EPS)
    }
}

/// `[B, N, D]` to `[B, N, n_heads, d_head]`.
fn heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [b, n, d] = x.dims();
    x.reshape([b, n, n_heads, d / n_heads])
}

/// The reverse of [`heads`].
fn joined(x: Tensor<4>) -> Tensor<3> {
    let [b, n, n_heads, d_head] = x.dims();
    x.reshape([b, n, n_heads * d_head])
}

#[derive(Clone, Debug)]
struct SelfAttention {
    query: Normed,
    key: Normed,
    value: Linear,
    output: Linear,
    n_heads: usize,
    products: Products,
}

impl SelfAttention {
    fn load(load: &Loader<'_>, name: &str, cfg: &DitConfig) -> Result<Self, ModelError> {
        let d = cfg.width();
        let part = |part: &str| format!("{name}.{part}");
        Ok(Self {
            query: Normed::load(load, &part("to_q"), &part("norm_q"), d)?,
            key: Normed::load(load, &part("to_k"), &part("norm_k"), d)?,
            value: load.linear(&part("to_v"), d, d)?,
            output: load.linear(&part("to_out.0"), d, d)?,
            n_heads: cfg.heads,
            products: load.residency.products(),
        })
    }

    fn apply(&self, x: Tensor<3>, rotations: &Rotations, then: Then<'_>) -> Tensor<3> {
        let q = rotations.apply(heads(self.query.apply(x.clone()), self.n_heads));
        let k = rotations.apply(heads(self.key.apply(x.clone()), self.n_heads));
        let v = heads(self.value.apply(x), self.n_heads);
        self.output.apply_then(joined(attention(q, k, v, None, self.products)), then)
    }
}

/// Attention to the text and, in a second softmax with the same queries, to the image.
#[derive(Clone, Debug)]
struct CrossAttention {
    query: Normed,
    key: Normed,
    value: Linear,
    image_key: Option<Normed>,
    image_value: Option<Linear>,
    output: Linear,
    n_heads: usize,
    products: Products,
}

impl CrossAttention {
    fn load(
        load: &Loader<'_>,
        name: &str,
        cfg: &DitConfig,
        has_image: bool,
    ) -> Result<Self, ModelError> {
        let d = cfg.width();
        let part = |part: &str| format!("{name}.{part}");
        let SelfAttention { query, key, value, output, n_heads, products } =
            SelfAttention::load(load, name, cfg)?;
        let (mut image_key, mut image_value) = (None, None);
        if has_image {
            image_key = Some(Normed::load(load, &part("add_k_proj"), &part("norm_added_k"), d)?);
            image_value = Some(load.linear(&part("add_v_proj"), d, d)?);
        }
        Ok(Self { query, key, value, image_key, image_value, output, n_heads, products })
    }

    fn context(&self, text: &Tensor<3>, image: Option<&Tensor<3>>) -> BlockContext {
        let key_value = |rows: &Tensor<3>, key: &Normed, value: &Linear| KeyValue {
            key: heads(key.apply(rows.clone()), self.n_heads),
            value: heads(value.apply(rows.clone()), self.n_heads),
        };
        let image = match (image, &self.image_key, &self.image_value) {
            (Some(rows), Some(key), Some(value)) => Some(key_value(rows, key, value)),
            _ => None,
        };
        BlockContext { text: key_value(text, &self.key, &self.value), image }
    }

    fn apply(&self, x: Tensor<3>, context: &BlockContext, then: Then<'_>) -> Tensor<3> {
        let q = heads(self.query.apply(x), self.n_heads);
        let attend = |kv: &KeyValue| {
            attention(q.clone(), kv.key.clone(), kv.value.clone(), None, self.products)
        };
        let mut mixed = attend(&context.text);
        if let Some(image) = &context.image {
            mixed = mixed + attend(image);
        }
        self.output.apply_then(joined(mixed), then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_features_are_those_of_the_authors() {
        let features = time_features(&[0.0, 875.0], 256);
        assert_eq!((features[0], features[128]), (1.0, 0.0));
        for (idx, expected) in [(0, -0.066_397), (1, -0.837_529), (128, 0.997_793)] {
            let found = features[256 + idx];
            // the angle has 32 bits there, and is up to 875
            assert!((found - expected).abs() < 1e-4, "feature {idx} is {found}");
        }
    }

    #[test]
    fn frames_of_one_time_share_it() {
        let times = FrameTimes::new(&[0.0, 875.0, 875.0], 2);
        assert_eq!(times.distinct, [0.0, 875.0]);
        assert_eq!(times.of_token, [0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn rows_in_parts_are_rows_at_once() {
        let x = Tensor::<1>::from_data([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0_f32], &Device::default());
        let x: Tensor<3> = x.reshape([1, 7, 1]);
        let y = by_rows(7, 3, |tokens| {
            assert!(tokens.len() <= 3);
            x.clone().narrow(1, tokens.start, tokens.len()) * 2.0
        });
        let found = y.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(found, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]);
    }
}
