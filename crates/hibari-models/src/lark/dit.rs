//! The diffusion transformer: noisy latents, their levels and a text to the clean estimate.
//!
//! ```text
//! x <- x + g1 Attn(LN(x)(1+a1)+b1);  x <- x + g2 W3(SiLU(W1 y) * W2 y),  y = LN(x)(1+a2)+b2
//! (a,b,g)x2 = Wada SiLU(c_i) + bias of the layer;  c_i = MLP(sin(1000 sigma_i)) + role
//! ```
//! Each latent frame `i` has its own level and so its own modulation. Layers `S` attend within a latent frame, layers
//! `F` to the whole window and, in one softmax, to the text.
//!
//! # Source
//! `lark`, section 3; adaLN: DiT 2212.09748; x-prediction: JiT 2511.13720

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use hibari_ops::Products;
use hibari_ops::activation::{silu, swiglu};
use hibari_ops::attention::attention;
use hibari_ops::norm::{gated_residual, layer_norm, modulated_layer_norm};
use hibari_ops::rope::qk_norm_rope;

use super::config::DitConfig;
use super::text::TextBatch;
use crate::layers::{Linear, zeros};

/// Cells along one side of the patch that a token holds.
pub const PATCH: usize = 2;
/// Sine and cosine features of a noise level.
const LEVEL_FEATURES: usize = 256;
const EPS: f32 = 1e-6;
/// Width of a text state, as the text encoder gives it.
const TEXT_WIDTH: usize = 384;

/// Where the tokens of a window are.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Latent cells, rows and columns of the frame.
    pub cells: (usize, usize),
    /// Time of each latent frame; the unit is one latent frame.
    pub times: Vec<f32>,
    /// Whether the window is a single image.
    pub still: bool,
}

impl Layout {
    /// Token rows and columns of one latent frame; an odd side is padded.
    pub fn grid(&self) -> (usize, usize) {
        (self.cells.0.div_ceil(PATCH), self.cells.1.div_ceil(PATCH))
    }

    /// Tokens of one latent frame.
    pub fn tokens_per_frame(&self) -> usize {
        self.grid().0 * self.grid().1
    }

    /// Tokens of the window.
    pub fn tokens(&self) -> usize {
        self.times.len() * self.tokens_per_frame()
    }

    /// For each value of a token of `[grid, PATCH * PATCH * channels]`, whether its cell lies in the frame.
    pub fn inside(&self, channels: usize) -> Vec<bool> {
        let (rows, columns) = self.grid();
        let mut inside = Vec::with_capacity(rows * columns * PATCH * PATCH * channels);
        for token in 0..rows * columns {
            for cell in 0..PATCH * PATCH {
                let row = token / columns * PATCH + cell / PATCH;
                let column = token % columns * PATCH + cell % PATCH;
                let is_inside = row < self.cells.0 && column < self.cells.1;
                inside.extend(std::iter::repeat_n(is_inside, channels));
            }
        }
        inside
    }
}

/// Latents as tokens: `[h, w, C]` of one latent frame appended as `[grid, PATCH * PATCH * C]`, padding zero.
pub fn tokens_from_cells(cells: &[f32], layout: &Layout, channels: usize, out: &mut Vec<f32>) {
    let (h, w) = layout.cells;
    assert_eq!(cells.len(), h * w * channels, "cells of `{h}x{w}x{channels}`");
    let (rows, columns) = layout.grid();
    for token in 0..rows * columns {
        for cell in 0..PATCH * PATCH {
            let row = token / columns * PATCH + cell / PATCH;
            let column = token % columns * PATCH + cell % PATCH;
            if row < h && column < w {
                let from = (row * w + column) * channels;
                out.extend_from_slice(&cells[from..from + channels]);
            } else {
                out.extend(std::iter::repeat_n(0.0, channels));
            }
        }
    }
}

/// The transformer.
#[derive(Module, Debug)]
pub struct Dit {
    token_in: Linear,
    level_in: Linear,
    level_out: Linear,
    /// `[2, D]`: video, still.
    role: Param<Tensor<2>>,
    modulation: Linear,
    text_in: Linear,
    /// `[words, D]`.
    words: Param<Tensor<2>>,
    refiner: Vec<RefinerBlock>,
    blocks: Vec<Block>,
    head_modulation: Linear,
    token_out: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    query_gain: Param<Tensor<1>>,
    key_gain: Param<Tensor<1>>,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Gated {
    gate: Linear,
    value: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct RefinerBlock {
    attention: Attention,
    gated: Gated,
}

#[derive(Module, Debug)]
struct Block {
    /// `[6 D]`.
    modulation_bias: Param<Tensor<1>>,
    attention: Attention,
    gated: Gated,
    /// `[D]`: how the layer scales and shifts the text; absent where it does not attend to it.
    text_gain: Option<Param<Tensor<1>>>,
    text_bias: Option<Param<Tensor<1>>>,
}

/// The text as the blocks take it, refined once for a window.
#[derive(Clone, Debug)]
pub struct TextTokens {
    /// `[B, L, D]`.
    tokens: Tensor<3>,
    lens: Vec<usize>,
}

/// Rotation tables `[1, n, d_head / 2]`.
#[derive(Clone)]
struct Tables {
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Dit {
    /// A transformer of zeros.
    ///
    /// # Panics
    /// if a layer letter is neither `F` nor `S`
    pub fn new(cfg: &DitConfig, device: &Device) -> Self {
        let d = cfg.width;
        let values = PATCH * PATCH * cfg.channels;
        let blocks = cfg.layers.chars().map(|letter| {
            assert!(matches!(letter, 'F' | 'S'), "`{letter}` is not a kind of layer");
            let reads_text = letter == 'F';
            Block {
                modulation_bias: zeros([6 * d], device),
                attention: Attention::new(cfg, device),
                gated: Gated::new(cfg, device),
                text_gain: reads_text.then(|| zeros([d], device)),
                text_bias: reads_text.then(|| zeros([d], device)),
            }
        });
        Self {
            token_in: Linear::new(values, d, device),
            level_in: Linear::new(LEVEL_FEATURES, d, device),
            level_out: Linear::new(d, d, device),
            role: zeros([2, d], device),
            modulation: Linear::without_bias(d, 6 * d, device),
            text_in: Linear::new(TEXT_WIDTH, d, device),
            words: zeros([cfg.words, d], device),
            refiner: (0..cfg.refiner)
                .map(|_| RefinerBlock {
                    attention: Attention::new(cfg, device),
                    gated: Gated::new(cfg, device),
                })
                .collect(),
            blocks: blocks.collect(),
            head_modulation: Linear::new(d, 2 * d, device),
            token_out: Linear::new(d, values, device),
            heads: cfg.heads,
        }
    }

    /// How strongly each weight begins, see [`crate::layers::initialise`]: branches and estimate begin at zero.
    pub fn gain(name: &str) -> f32 {
        match name {
            "words" => 1.0,
            "role" => 0.0,
            name if name.contains("modulation") || name.starts_with("token_out") => 0.0,
            _ => 1.0,
        }
    }

    /// Refines the text of a batch of windows.
    pub fn text(&self, text: &TextBatch) -> TextTokens {
        let [b, len, _] = text.states.dims();
        let d = self.words.dims()[1];
        let words = self.words.val().select(0, text.words.clone()).reshape([b, len, d]);
        let mut x = self.text_in.forward(text.states.clone()) + words;
        let tables = order_tables(&x.device(), len, self.d_head());
        for block in &self.refiner {
            let y = layer_norm(x.clone(), EPS);
            let q = block.attention.heads_of(&block.attention.query, y.clone());
            let k = block.attention.heads_of(&block.attention.key, y.clone());
            let v = block.attention.heads_of(&block.attention.value, y);
            let q = block.attention.rotated_query(q, &tables);
            let k = block.attention.rotated_key(k, &tables);
            let y = attention(q, k, v, Some(&text.lens), Products::Bf16).reshape([b, len, d]);
            x = x + block.attention.output.forward(y);
            x = x.clone() + block.gated.forward(layer_norm(x, EPS));
        }
        TextTokens { tokens: layer_norm(x, EPS), lens: text.lens.clone() }
    }

    /// The clean estimate, token by token.
    ///
    /// # Shapes
    /// - `noisy`: `[B, N, PATCH * PATCH * C]` (see [`tokens_from_cells`]), returned alike
    /// - `sigma`: `[B, f]`
    /// - `text`: of `B` windows, or of `B / r`, each for `r` windows in a row
    /// # Panics
    /// if the shapes disagree
    pub fn forward(
        &self,
        noisy: Tensor<3>,
        sigma: Tensor<2>,
        text: &TextTokens,
        layout: &Layout,
    ) -> Tensor<3> {
        let [b, n, _] = noisy.dims();
        let f = layout.times.len();
        assert_eq!((n, sigma.dims()), (layout.tokens(), [b, f]), "tokens and levels of {layout:?}");
        assert_eq!(b % text.lens.len(), 0, "windows and texts");
        let device = noisy.device();
        let d = self.words.dims()[1];
        let per_frame = layout.tokens_per_frame();
        let groups: Vec<u32> = (0..n).map(|token| (token / per_frame) as u32).collect();
        let window = tables(&device, layout, self.d_head());
        let frame = Layout { times: vec![0.0], ..layout.clone() };
        let frame = tables(&device, &frame, self.d_head());
        let middle = layout.times.iter().sum::<f32>() / f as f32;
        let text_tables = point_tables(&device, text.tokens.dims()[1], middle, self.d_head());
        let key_lens =
            text.lens.iter().flat_map(|len| std::iter::repeat_n(n + len, b / text.lens.len()));
        let key_lens: Vec<usize> = key_lens.collect();

        let role = self.role.val().narrow(0, usize::from(layout.still), 1);
        let level = self.level_out.forward(silu(self.level_in.forward(level_features(sigma))));
        let level = silu(level + role.reshape([1, 1, d]));
        let shared = self.modulation.forward(level.clone());
        let mut x = self.token_in.forward(noisy);
        for block in &self.blocks {
            let modulation = shared.clone() + block.modulation_bias.val().reshape([1, 1, 6 * d]);
            let part = |i: usize| modulation.clone().narrow(2, i * d, d);
            let y = modulated_layer_norm(x.clone(), part(0), part(1), &groups, EPS);
            let y = block.attend(y, text, &window, &frame, &text_tables, &key_lens, f);
            x = gated_residual(x, y, part(2), &groups);
            let y = modulated_layer_norm(x.clone(), part(3), part(4), &groups, EPS);
            x = gated_residual(x, block.gated.forward(y), part(5), &groups);
        }
        let modulation = self.head_modulation.forward(level);
        let (scale, shift) = (modulation.clone().narrow(2, 0, d), modulation.narrow(2, d, d));
        self.token_out.forward(modulated_layer_norm(x, scale, shift, &groups, EPS))
    }

    fn d_head(&self) -> usize {
        self.words.dims()[1] / self.heads
    }

    /// Floating-point operations of one forward pass, `(text, windows)`, for `texts` texts of `text_len` tokens and
    /// `windows` windows of this layout.
    pub fn flops(
        cfg: &DitConfig,
        layout: &Layout,
        (texts, text_len): (usize, usize),
        windows: usize,
    ) -> (f64, f64) {
        let (d, hidden) = (cfg.width as f64, cfg.hidden as f64);
        let block = 2.0 * (4.0 * d * d + 3.0 * d * hidden);
        let full = cfg.layers.matches('F').count() as f64;
        let (n, len) = (layout.tokens() as f64, text_len as f64);
        let text = texts as f64
            * len
            * (cfg.refiner as f64 * (block + 4.0 * len * d)
                + 2.0 * TEXT_WIDTH as f64 * d
                + full * 4.0 * d * d);
        let values = (PATCH * PATCH * cfg.channels) as f64;
        let within = 4.0 * layout.tokens_per_frame() as f64 * d;
        let tokens = windows as f64 * n;
        let layers = cfg.layers.len() as f64;
        let window = tokens
            * (layers * block
                + full * 4.0 * (n + len) * d
                + (layers - full) * within
                + 4.0 * values * d);
        (text, window)
    }
}

impl Attention {
    fn new(cfg: &DitConfig, device: &Device) -> Self {
        let (d, d_head) = (cfg.width, cfg.width / cfg.heads);
        let map = || Linear::without_bias(d, d, device);
        let gain = || Param::from_tensor(Tensor::ones([d_head], device));
        Self {
            query: map(),
            key: map(),
            value: map(),
            output: map(),
            query_gain: gain(),
            key_gain: gain(),
            heads: cfg.heads,
        }
    }

    /// `[B, n, D]` through `map` to `[B, n, n_heads, d_head]`.
    fn heads_of(&self, map: &Linear, x: Tensor<3>) -> Tensor<4> {
        let [b, n, d] = x.dims();
        map.forward(x).reshape([b, n, self.heads, d / self.heads])
    }

    fn rotated_query(&self, q: Tensor<4>, tables: &Tables) -> Tensor<4> {
        qk_norm_rope(q, self.query_gain.val(), tables.cos.clone(), tables.sin.clone(), EPS)
    }

    fn rotated_key(&self, k: Tensor<4>, tables: &Tables) -> Tensor<4> {
        qk_norm_rope(k, self.key_gain.val(), tables.cos.clone(), tables.sin.clone(), EPS)
    }
}

impl Gated {
    fn new(cfg: &DitConfig, device: &Device) -> Self {
        Self {
            gate: Linear::without_bias(cfg.width, cfg.hidden, device),
            value: Linear::without_bias(cfg.width, cfg.hidden, device),
            output: Linear::without_bias(cfg.hidden, cfg.width, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.output.forward(swiglu(self.gate.forward(x.clone()), self.value.forward(x)))
    }
}

impl Block {
    fn attend(
        &self,
        y: Tensor<3>,
        text: &TextTokens,
        window: &Tables,
        frame: &Tables,
        text_tables: &Tables,
        key_lens: &[usize],
        f: usize,
    ) -> Tensor<3> {
        let [b, n, d] = y.dims();
        let layer = &self.attention;
        let out = if let (Some(gain), Some(bias)) = (&self.text_gain, &self.text_bias) {
            let [texts, len, _] = text.tokens.dims();
            let seen = text.tokens.clone() * (gain.val().reshape([1, 1, d]) + 1.0)
                + bias.val().reshape([1, 1, d]);
            let text_k = layer.rotated_key(layer.heads_of(&layer.key, seen.clone()), text_tables);
            let text_v = layer.heads_of(&layer.value, seen);
            let spread = |t: Tensor<4>| {
                let [_, _, heads, d_head] = t.dims();
                t.reshape([texts, 1, len, d])
                    .expand([texts, b / texts, len, d])
                    .reshape([b, len, heads, d_head])
            };
            let q = layer.rotated_query(layer.heads_of(&layer.query, y.clone()), window);
            let k = layer.rotated_key(layer.heads_of(&layer.key, y.clone()), window);
            let v = layer.heads_of(&layer.value, y);
            let k = Tensor::cat(vec![k, spread(text_k)], 1);
            let v = Tensor::cat(vec![v, spread(text_v)], 1);
            attention(q, k, v, Some(key_lens), Products::Bf16)
        } else {
            let y = y.reshape([b * f, n / f, d]);
            let q = layer.rotated_query(layer.heads_of(&layer.query, y.clone()), frame);
            let k = layer.rotated_key(layer.heads_of(&layer.key, y.clone()), frame);
            attention(q, k, layer.heads_of(&layer.value, y), None, Products::Bf16)
        };
        layer.output.forward(out.reshape([b, n, d]))
    }
}

/// Sines and cosines of `1000 sigma`: `[B, f]` to `[B, f, LEVEL_FEATURES]`.
fn level_features(sigma: Tensor<2>) -> Tensor<3> {
    let [b, f] = sigma.dims();
    let half = LEVEL_FEATURES / 2;
    let rates: Vec<f32> =
        (0..half).map(|i| 1000.0 * (-(1e4_f32.ln()) * i as f32 / half as f32).exp()).collect();
    let rates = Tensor::<1>::from_floats(rates.as_slice(), &sigma.device()).reshape([1, 1, half]);
    let angles = sigma.reshape([b, f, 1]) * rates;
    Tensor::cat(vec![angles.clone().cos(), angles.sin()], 2)
}

/// Tables of a window: pairs of a head shared among time, row and column as 2 : 3 : 3; rows and columns are counted in
/// cells from the middle of the frame.
fn tables(device: &Device, layout: &Layout, d_head: usize) -> Tables {
    let (rows, columns) = layout.grid();
    let (h, w) = (layout.cells.0 as f32, layout.cells.1 as f32);
    let mut positions = Vec::with_capacity(layout.tokens());
    for &time in &layout.times {
        for row in 0..rows {
            for column in 0..columns {
                let centre = |i: usize, side: f32| (i * PATCH) as f32 + 1.0 - side / 2.0;
                positions.push([time, centre(row, h), centre(column, w)]);
            }
        }
    }
    tables_at(device, &positions, d_head)
}

/// Tables of `n` tokens at one time in the middle of the frame.
fn point_tables(device: &Device, n: usize, time: f32, d_head: usize) -> Tables {
    tables_at(device, &vec![[time, 0.0, 0.0]; n], d_head)
}

/// Tables of a text by itself: the order of its tokens is the time.
fn order_tables(device: &Device, n: usize, d_head: usize) -> Tables {
    let positions: Vec<[f32; 3]> = (0..n).map(|i| [i as f32, 0.0, 0.0]).collect();
    tables_at(device, &positions, d_head)
}

fn tables_at(device: &Device, positions: &[[f32; 3]], d_head: usize) -> Tables {
    let half = d_head / 2;
    let space = (half - half / 4) / 2;
    let axes = [(half - 2 * space, 256.0_f32), (space, 100.0), (space, 100.0)];
    let mut cos = Vec::with_capacity(positions.len() * half);
    let mut sin = Vec::with_capacity(positions.len() * half);
    for position in positions {
        for ((pairs, base), &at) in axes.into_iter().zip(position) {
            for i in 0..pairs {
                let angle = at * base.powf(-(i as f32) / pairs as f32);
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
    }
    let table =
        |values| Tensor::from_data(TensorData::new(values, [1, positions.len(), half]), device);
    Tables { cos: table(cos), sin: table(sin) }
}
