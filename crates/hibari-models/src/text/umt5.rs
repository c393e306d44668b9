//! UMT5: a frozen encoder of text in any language, whose token states condition video models.
//!
//! Inference only, in 32-bit floats. The largest one has 5.7 billion parameters and is used for a moment, once per
//! prompt; so nothing of it is kept: each layer is read, applied to all texts and dropped. Texts are not padded:
//! masked padding does not change the states of the tokens.
//!
//! Source: Chung et al., "UniMax" (arXiv:2304.09151); Raffel et al., "T5" (arXiv:1910.10683); transformers 5.23.0,
//! `models/umt5/modeling_umt5.py`, whose names the weights have.

use burn::tensor::activation::{gelu_approximate, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::norm::rms_norm;

use crate::ModelError;
use crate::source::TensorSource;

const NORM_EPS: f32 = 1e-6;
const N_BUCKETS: usize = 32;
/// The distances at which the buckets 8 to 15 of one direction begin: `8 * 2^(i/2)`, rounded up.
const FAR_BUCKETS: [usize; 8] = [8, 12, 16, 23, 32, 46, 64, 91];
const WORDS: &str = "shared.weight";
const FINAL_NORM: &str = "encoder.final_layer_norm.weight";

/// The sizes of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umt5 {
    /// Rows of the table of words.
    pub n_words: usize,
    /// Width `D` of a token state.
    pub width: usize,
    /// Layers.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width of one head; `n_heads * head_width` may differ from `width`.
    pub head_width: usize,
    /// Width inside the perceptron.
    pub inner_width: usize,
}

impl Umt5 {
    /// UMT5-XXL: 5,680,910,336 parameters.
    pub const XXL: Self = Self {
        n_words: 256_384,
        width: 4096,
        n_layers: 24,
        n_heads: 64,
        head_width: 64,
        inner_width: 10_240,
    };

    /// The names and shapes of all tensors that the encoder reads.
    pub fn layout(&self) -> Vec<(String, Vec<usize>)> {
        let (d, attended) = (self.width, self.n_heads * self.head_width);
        let mut layout = vec![(WORDS.to_owned(), vec![self.n_words, d])];
        for idx in 0..self.n_layers {
            let parts: [(&str, &[usize]); 10] = [
                (ATTENTION_NORM, &[d]),
                (QUERY, &[attended, d]),
                (KEY, &[attended, d]),
                (VALUE, &[attended, d]),
                (ATTENDED, &[d, attended]),
                (POSITIONS, &[N_BUCKETS, self.n_heads]),
                (INNER_NORM, &[d]),
                (GATE, &[self.inner_width, d]),
                (UP, &[self.inner_width, d]),
                (DOWN, &[d, self.inner_width]),
            ];
            layout.extend(parts.map(|(part, shape)| (layer_name(idx, part), shape.to_vec())));
        }
        layout.push((FINAL_NORM.to_owned(), vec![d]));
        layout
    }

    /// The token states of each text, which is given as its tokens, the end token included.
    ///
    /// # Shapes
    /// a text of `L` tokens becomes `[L, width]`
    /// # Errors
    /// if `source` lacks a tensor, or has it in another shape
    /// # Panics
    /// if a text has no tokens, or one that is not below `n_words`
    pub fn encode(
        &self,
        texts: &[&[u32]],
        source: &dyn TensorSource,
        device: &Device,
    ) -> Result<Vec<Tensor<2>>, ModelError> {
        let reader = Reader { source, device };
        let mut states = Vec::with_capacity(texts.len());
        for ids in texts {
            assert!(!ids.is_empty(), "a text has no tokens");
            let largest = ids.iter().copied().max().unwrap_or(0);
            assert!((largest as usize) < self.n_words, "token {largest} of {} words", self.n_words);
            let rows = source.rows(WORDS, [self.n_words, self.width], ids)?;
            states.push(Tensor::from_data(TensorData::new(rows, [ids.len(), self.width]), device));
        }
        for idx in 0..self.n_layers {
            tracing::trace!(layer = idx, texts = texts.len(), "encode text");
            let layer = Layer::load(self, idx, &reader)?;
            states = states.into_iter().map(|x| layer.apply(x)).collect();
        }
        let gain = reader.vector(FINAL_NORM, self.width)?;
        Ok(states.into_iter().map(|x| rms_norm(x, gain.clone(), NORM_EPS)).collect())
    }
}

const ATTENTION_NORM: &str = "layer.0.layer_norm";
const QUERY: &str = "layer.0.SelfAttention.q";
const KEY: &str = "layer.0.SelfAttention.k";
const VALUE: &str = "layer.0.SelfAttention.v";
const ATTENDED: &str = "layer.0.SelfAttention.o";
const POSITIONS: &str = "layer.0.SelfAttention.relative_attention_bias";
const INNER_NORM: &str = "layer.1.layer_norm";
const GATE: &str = "layer.1.DenseReluDense.wi_0";
const UP: &str = "layer.1.DenseReluDense.wi_1";
const DOWN: &str = "layer.1.DenseReluDense.wo";

fn layer_name(idx: usize, part: &str) -> String {
    format!("encoder.block.{idx}.{part}.weight")
}

/// Turns what a source has into tensors.
struct Reader<'a> {
    source: &'a dyn TensorSource,
    device: &'a Device,
}

impl Reader<'_> {
    fn vector(&self, name: &str, width: usize) -> Result<Tensor<1>, ModelError> {
        let values = self.source.tensor(name, &[width])?;
        Ok(Tensor::from_data(TensorData::new(values, [width]), self.device))
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, ModelError> {
        let values = self.source.tensor(name, &shape)?;
        Ok(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}

/// `x += Wo attention(norm(x))`, then `x += Wdown (gelu(Wgate norm(x)) * Wup norm(x))`.
struct Layer {
    n_heads: usize,
    attention_norm: Tensor<1>,
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    attended: Tensor<2>,
    /// `[N_BUCKETS, n_heads]`, row-major
    positions: Vec<f32>,
    inner_norm: Tensor<1>,
    gate: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
}

impl Layer {
    fn load(config: &Umt5, idx: usize, reader: &Reader<'_>) -> Result<Self, ModelError> {
        let (d, inner) = (config.width, config.inner_width);
        let attended = config.n_heads * config.head_width;
        let matrix = |part, n, k| reader.matrix(&layer_name(idx, part), [n, k]);
        let norm = |part| reader.vector(&layer_name(idx, part), d);
        Ok(Self {
            n_heads: config.n_heads,
            attention_norm: norm(ATTENTION_NORM)?,
            query: matrix(QUERY, attended, d)?,
            key: matrix(KEY, attended, d)?,
            value: matrix(VALUE, attended, d)?,
            attended: matrix(ATTENDED, d, attended)?,
            positions: reader
                .source
                .tensor(&layer_name(idx, POSITIONS), &[N_BUCKETS, config.n_heads])?,
            inner_norm: norm(INNER_NORM)?,
            gate: matrix(GATE, inner, d)?,
            up: matrix(UP, inner, d)?,
            down: matrix(DOWN, d, inner)?,
        })
    }

    /// `x`: `[L, D]`; returned unchanged in shape.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let normed = rms_norm(x.clone(), self.attention_norm.clone(), NORM_EPS);
        let x = x + self.attention(normed);
        let normed = rms_norm(x.clone(), self.inner_norm.clone(), NORM_EPS);
        let gate = gelu_approximate(product(normed.clone(), &self.gate));
        x + product(gate * product(normed, &self.up), &self.down)
    }

    /// `softmax(q k^T + bias) v`, not scaled by the width of a head.
    fn attention(&self, x: Tensor<2>) -> Tensor<2> {
        let [len, _] = x.dims();
        let heads = |rows: Tensor<2>| {
            let [_, width] = rows.dims();
            rows.reshape([len, self.n_heads, width / self.n_heads]).swap_dims(0, 1)
        };
        let q = heads(product(x.clone(), &self.query));
        let k = heads(product(x.clone(), &self.key));
        let bias = TensorData::new(self.bias(len), [self.n_heads, len, len]);
        let scores = q.matmul(k.swap_dims(1, 2)) + Tensor::from_data(bias, &x.device());
        let v = heads(product(x, &self.value));
        let [_, _, head_width] = v.dims();
        let attended = softmax(scores, 2).matmul(v).swap_dims(0, 1);
        product(attended.reshape([len, self.n_heads * head_width]), &self.attended)
    }

    /// What position adds to each score: `[n_heads, L, L]` for (head, query, key), row-major.
    fn bias(&self, len: usize) -> Vec<f32> {
        let mut bias = Vec::with_capacity(self.n_heads * len * len);
        for head in 0..self.n_heads {
            for query in 0..len {
                let at = |key| self.positions[bucket(query, key) * self.n_heads + head];
                bias.extend((0..len).map(at));
            }
        }
        bias
    }
}

/// `x W^T` in 32-bit floats, `W`: `[out, in]`.
fn product(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    x.matmul(weight.clone().transpose())
}

/// The row of the table of positions for a query and a key: distances below 8 have one each, larger ones share.
///
/// Source: T5 (arXiv:1910.10683), section 2.1; as a table, since logarithms in 32 bits may round across a border.
fn bucket(query: usize, key: usize) -> usize {
    let distance = query.abs_diff(key);
    let behind = if key > query { N_BUCKETS / 2 } else { 0 };
    if distance < FAR_BUCKETS[0] {
        return behind + distance;
    }
    behind + 7 + FAR_BUCKETS.iter().filter(|&&begin| begin <= distance).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Formula, check, weights_digest};

    const TINY: Umt5 =
        Umt5 { n_words: 320, width: 32, n_layers: 2, n_heads: 4, head_width: 8, inner_width: 56 };

    fn encode(texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let states = TINY.encode(texts, &Formula::of(&TINY.layout()), &Device::default()).unwrap();
        states.into_iter().map(|x| x.into_data().try_into_vec().unwrap()).collect()
    }

    fn n_parameters(config: &Umt5) -> usize {
        config.layout().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    #[test]
    fn layout_is_that_of_the_original() {
        assert_eq!((n_parameters(&Umt5::XXL), Umt5::XXL.layout().len()), (5_680_910_336, 242));
        assert_eq!(n_parameters(&TINY), 29_600);
        assert_eq!(weights_digest(&TINY.layout()), "29e398ec7ba5");
    }

    /// The original pads to 192 tokens and sets the rows of the padding to zero.
    #[test]
    fn states_are_those_of_the_original() {
        let mut ids: Vec<u32> = (0..149).map(|i| (37 * i + 11) % 317 + 3).collect();
        ids.push(1);
        let mut states = encode(&[&ids]).remove(0);
        states.resize(192 * TINY.width, 0.0);
        check("umt5", &states, -0.033840, 0.886944, -1.057828);
    }

    #[test]
    fn texts_do_not_see_each_other() {
        let (short, long): (&[u32], &[u32]) = (&[5, 1], &[7, 5, 300, 12, 1]);
        let together = encode(&[short, long]);
        assert_eq!(together, [encode(&[short]).remove(0), encode(&[long]).remove(0)]);
        assert_eq!((together[0].len(), together[1].len()), (2 * 32, 5 * 32));
    }

    #[test]
    fn distances_have_the_buckets_of_the_original() {
        let behind: Vec<usize> = [0, 1, 7, 8, 11, 12, 15, 16, 22, 23, 90, 91, 511]
            .map(|distance| bucket(distance, 0))
            .to_vec();
        assert_eq!(behind, [0, 1, 7, 8, 8, 9, 9, 10, 10, 11, 14, 15, 15]);
        assert_eq!([bucket(0, 1), bucket(3, 10), bucket(0, 64), bucket(0, 511)], [17, 23, 30, 31]);
    }
}
