//! MiniLM-L6 (all-MiniLM-L6-v2): a frozen encoder of English text, 6 layers of BERT.
//!
//! Inference only, in 32-bit floats: its products do not go through the bfloat16 kernels, so that its states agree
//! with the original library's. `reference/convert_minilm.py` makes the weights.
//!
//! Source: Wang et al., "MiniLM" (arXiv:2002.10957); Devlin et al., "BERT" (arXiv:1810.04805); the model
//! `sentence-transformers/all-MiniLM-L6-v2`.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::Products;
use hibari_ops::attention::attention;
use hibari_ops::device;
use hibari_ops::norm::layer_norm;
use hibari_weights::WeightIndex;

use super::tokenizer::{Pieces, Tokenizer};
use crate::ModelError;
use crate::layers::gelu::gelu;

/// Width of a token state.
pub const WIDTH: usize = 384;
/// The most tokens of one text, `[CLS]` and `[SEP]` included.
pub const MAX_TOKENS: usize = 256;
const N_WORDS: usize = 30_522;
const N_LAYERS: usize = 6;
const N_HEADS: usize = 12;
const INNER_WIDTH: usize = 1_536;
const NORM_EPS: f32 = 1e-12;
/// Texts that go through the network at once.
const BATCH: usize = 32;

/// A text as the network sees it, token by token, from `[CLS]` to `[SEP]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Word pieces, `L` of them.
    pub ids: Vec<u32>,
    /// The bytes of the text that each token stands for; `0..0` for `[CLS]` and `[SEP]`.
    pub spans: Vec<Range<usize>>,
    /// The last hidden states, `[L, WIDTH]`, row-major.
    pub states: Vec<f32>,
}

impl Encoded {
    /// The meaning of the whole text: the mean of the token states, scaled to length 1; `[WIDTH]`.
    pub fn pooled(&self) -> Vec<f32> {
        let mut sum = vec![0.0; WIDTH];
        for state in self.states.chunks_exact(WIDTH) {
            for (total, value) in sum.iter_mut().zip(state) {
                *total += value;
            }
        }
        let norm = similarity(&sum, &sum).sqrt().max(f32::MIN_POSITIVE);
        sum.into_iter().map(|total| total / norm).collect()
    }
}

/// The scalar product of two pooled texts: their cosine, 1 for the same meaning, about 0 for unrelated ones.
///
/// # Panics
/// if they differ in width
#[track_caller]
pub fn similarity(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors differ in width");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The encoder, with its tokenizer.
pub struct MiniLm {
    tokenizer: Tokenizer,
    /// `[N_WORDS, WIDTH]`
    words: Vec<f32>,
    /// `[MAX_TOKENS, WIDTH]`
    positions: Vec<f32>,
    embedded_norm: Norm,
    layers: Vec<Layer>,
    device: Device,
}

impl MiniLm {
    /// Takes the encoder out of its weights file.
    ///
    /// # Errors
    /// if the file holds another model, or a damaged tokenizer
    pub fn load(weights: &WeightIndex) -> Result<Self, ModelError> {
        let device = device();
        let layer = |idx| Layer::load(weights, &format!("layers.{idx}"), &device);
        Ok(Self {
            tokenizer: Tokenizer::from_json(weights.bytes("tokenizer")?, N_WORDS)?,
            words: weights.tensor_f32_shaped("words", &[N_WORDS, WIDTH])?,
            positions: weights.tensor_f32_shaped("positions", &[MAX_TOKENS, WIDTH])?,
            embedded_norm: Norm::load(weights, "embedded_norm", &device)?,
            layers: (0..N_LAYERS).map(layer).collect::<Result<_, _>>()?,
            device,
        })
    }

    /// The token states of each text, in the order given; at most `max_tokens` of each, the rest is cut off.
    ///
    /// Texts of similar length go through the network together, so many short ones are best given at once.
    ///
    /// # Panics
    /// if `max_tokens` is not in `2..=MAX_TOKENS`
    #[track_caller]
    pub fn encode(&self, texts: &[&str], max_tokens: usize) -> Vec<Encoded> {
        assert!(
            max_tokens <= MAX_TOKENS,
            "`{max_tokens}` tokens, there are {MAX_TOKENS} positions"
        );
        let encode = |text: &&str| {
            let Pieces { ids, spans } = self.tokenizer.pieces(text, max_tokens);
            Encoded { ids, spans, states: Vec::new() }
        };
        let mut encoded: Vec<Encoded> = texts.iter().map(encode).collect();
        let mut by_length: Vec<&mut Encoded> = encoded.iter_mut().collect();
        by_length.sort_by_key(|text| text.ids.len());
        for batch in by_length.chunks_mut(BATCH) {
            self.fill_states(batch);
        }
        encoded
    }

    /// The meaning of one text as a vector of length 1; `[WIDTH]`.
    pub fn pooled(&self, text: &str) -> Vec<f32> {
        self.encode(&[text], MAX_TOKENS)[0].pooled()
    }

    /// Runs the network over texts that are padded to the length of the longest.
    fn fill_states(&self, batch: &mut [&mut Encoded]) {
        let lens: Vec<usize> = batch.iter().map(|text| text.ids.len()).collect();
        let longest = lens.iter().copied().max().expect("a batch has texts");
        let mut rows = vec![0.0; batch.len() * longest * WIDTH];
        for (item, text) in rows.chunks_exact_mut(longest * WIDTH).zip(&*batch) {
            self.embed(&text.ids, item);
        }

        let shape = [batch.len() * longest, WIDTH];
        let rows = Tensor::<2>::from_data(TensorData::new(rows, shape), &self.device);
        let mut x = self.embedded_norm.apply(rows);
        for layer in &self.layers {
            x = layer.apply(x, &lens);
        }

        let states = x.into_data().try_into_vec::<f32>().expect("computed in 32-bit floats");
        for (item, text) in states.chunks_exact(longest * WIDTH).zip(batch) {
            text.states = item[..text.ids.len() * WIDTH].to_vec();
        }
    }

    /// Writes word and position embeddings into the first rows of `[L, WIDTH]`.
    fn embed(&self, ids: &[u32], rows: &mut [f32]) {
        let positions = self.positions.chunks_exact(WIDTH);
        for ((row, &id), position) in rows.chunks_exact_mut(WIDTH).zip(ids).zip(positions) {
            let word = &self.words[id as usize * WIDTH..][..WIDTH];
            for ((x, word), position) in row.iter_mut().zip(word).zip(position) {
                *x = word + position;
            }
        }
    }
}

/// A layer of BERT: attention and a perceptron, each normalised after its residual.
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
}

impl Layer {
    fn load(weights: &WeightIndex, name: &str, device: &Device) -> Result<Self, ModelError> {
        let linear = |part, k, n| Linear::load(weights, &format!("{name}.{part}"), [k, n], device);
        let norm = |part| Norm::load(weights, &format!("{name}.{part}"), device);
        Ok(Self {
            query: linear("query", WIDTH, WIDTH)?,
            key: linear("key", WIDTH, WIDTH)?,
            value: linear("value", WIDTH, WIDTH)?,
            attended: linear("attended", WIDTH, WIDTH)?,
            attended_norm: norm("attended_norm")?,
            up: linear("up", WIDTH, INNER_WIDTH)?,
            down: linear("down", INNER_WIDTH, WIDTH)?,
            down_norm: norm("down_norm")?,
        })
    }

    /// `x`: `[B * L, WIDTH]` with `lens` valid tokens in each of the `B` items; returned unchanged in shape.
    fn apply(&self, x: Tensor<2>, lens: &[usize]) -> Tensor<2> {
        let [n_rows, _] = x.dims();
        let heads = |rows: Tensor<2>| {
            rows.reshape([lens.len(), n_rows / lens.len(), N_HEADS, WIDTH / N_HEADS])
        };
        let q = heads(self.query.apply(x.clone()));
        let k = heads(self.key.apply(x.clone()));
        let v = heads(self.value.apply(x.clone()));
        let attended = attention(q, k, v, Some(lens), Products::Exact).reshape([n_rows, WIDTH]);
        let x = self.attended_norm.apply(self.attended.apply(attended) + x);
        let inner = gelu(self.up.apply(x.clone()));
        self.down_norm.apply(self.down.apply(inner) + x)
    }
}

/// `x W + b` in 32-bit floats.
struct Linear {
    /// `[K, N]`
    weight: Tensor<2>,
    /// `[1, N]`
    bias: Tensor<2>,
}

impl Linear {
    fn load(
        weights: &WeightIndex,
        name: &str,
        shape: [usize; 2],
        device: &Device,
    ) -> Result<Self, ModelError> {
        let values = weights.tensor_f32_shaped(&format!("{name}.weight"), &shape)?;
        let weight = Tensor::from_data(TensorData::new(values, shape), device);
        Ok(Self { weight, bias: row(weights, &format!("{name}.bias"), shape[1], device)? })
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

/// Layer norm with gain and bias.
struct Norm {
    /// `[1, WIDTH]`
    gain: Tensor<2>,
    /// `[1, WIDTH]`
    bias: Tensor<2>,
}

impl Norm {
    fn load(weights: &WeightIndex, name: &str, device: &Device) -> Result<Self, ModelError> {
        Ok(Self {
            gain: row(weights, &format!("{name}.gain"), WIDTH, device)?,
            bias: row(weights, &format!("{name}.bias"), WIDTH, device)?,
        })
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(x, NORM_EPS) * self.gain.clone() + self.bias.clone()
    }
}

/// A vector of the file, as a row that is added to each row of a matrix.
fn row(
    weights: &WeightIndex,
    name: &str,
    width: usize,
    device: &Device,
) -> Result<Tensor<2>, ModelError> {
    let values = weights.tensor_f32_shaped(name, &[width])?;
    Ok(Tensor::from_data(TensorData::new(values, [1, width]), device))
}
