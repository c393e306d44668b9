//! The layers of both autoencoders. Videos are `[B, T, H, W, C]` here, channels last; sums are 32-bit.
//!
//! A video comes in chunks. A layer that looks back in time keeps the last frames of the chunk before in a [`History`],
//! so the result is that of the whole video at once.
//!
//! # Source
//! Wan2.1 `wan/modules/vae.py`, Wan2.2 `wan/modules/vae2_2.py`

use burn::module::{Module, Param, ParamId};
use burn::tensor::{
    Device, Shape, Tensor, activation::softmax, module::conv3d, ops::ConvOptions, ops::PadMode,
};
use hibari_ops::Products;
use hibari_ops::activation::silu;
use hibari_ops::conv::{self, conv2d};
use hibari_ops::norm::rms_norm;

use super::shortcut::{mean_of_folded, repeated_unfolded};

/// Attention scores that are held at once.
const SCORES: usize = 1 << 24;

/// Where layers are made, and how they multiply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Build<'a> {
    pub(super) device: &'a Device,
    pub(super) products: Products,
}

/// What the layers of one network keep from the chunks before: a slot for each, in the order in which they run.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    slots: Vec<Option<Tensor<5>>>,
    next: usize,
    chunks: usize,
}

impl History {
    /// Says that a new chunk goes through the network.
    pub(super) fn begin_chunk(&mut self) {
        self.next = 0;
        self.chunks += 1;
    }

    fn is_first_chunk(&self) -> bool {
        self.chunks == 1
    }

    /// The slot of the layer that runs now.
    fn slot(&mut self) -> &mut Option<Tensor<5>> {
        if self.next == self.slots.len() {
            self.slots.push(None);
        }
        self.next += 1;
        &mut self.slots[self.next - 1]
    }
}

/// A copy of the last `n` frames: a mere view would keep the whole chunk in memory.
fn last_frames(x: &Tensor<5>, n: usize) -> Tensor<5> {
    let [b, frames, h, w, c] = x.dims();
    let copy = Tensor::zeros([b, n, h, w, c], &x.device());
    copy.slice_assign([0..b, 0..n, 0..h, 0..w, 0..c], x.clone().narrow(1, frames - n, n))
}

/// A parameter that takes no memory before it is loaded or used; then it is zero.
fn parameter<const D: usize>(dims: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let zeros = move |device: &Device, _: bool| Tensor::zeros(dims, device);
    Param::uninitialized(ParamId::new(), zeros, device.clone(), false, Shape::from(dims))
}

/// `[B, T, H, W, C]` to `[B, C, T, H, W]`.
pub(super) fn channels_first(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 4, 1, 2, 3])
}

/// The reverse of [`channels_first`].
pub(super) fn channels_last(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 2, 3, 4, 1])
}

/// A convolution over time and space that keeps height and width.
#[derive(Module, Debug)]
pub(super) struct Conv3d {
    /// `[kh, kw, kt, Cin, Cout]`.
    weight: Param<Tensor<5>>,
    /// `[Cout]`.
    bias: Param<Tensor<1>>,
    #[module(skip)]
    products: Products,
}

impl Conv3d {
    pub(super) fn new(c_in: usize, c_out: usize, kernel: [usize; 3], build: Build<'_>) -> Self {
        let [t, h, w] = kernel;
        Self {
            weight: parameter([h, w, t, c_in, c_out], build.device),
            bias: parameter([c_out], build.device),
            products: build.products,
        }
    }

    /// Without padding in time: `T` frames give `(T - kt) / stride + 1`.
    pub(super) fn forward(&self, x: Tensor<5>, stride: usize) -> Tensor<5> {
        let weight = self.weight.val();
        let [kh, kw, ..] = weight.dims();
        if self.products == Products::Exact || stride > 1 {
            let options = ConvOptions::new([stride, 1, 1], [0, kh / 2, kw / 2], [1, 1, 1], 1);
            let weight = weight.permute([4, 3, 2, 0, 1]);
            let y = conv3d(channels_first(x), weight, Some(self.bias.val()), options);
            return channels_last(y);
        }
        conv::conv3d(None, x, weight, Some(self.bias.val()), None)
    }

    /// With the two frames before the chunk in front, zeros at the start; for `kt = 3`.
    pub(super) fn causal(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let [b, frames, h, w, c] = x.dims();
        let slot = history.slot();
        let before = slot.take().unwrap_or_else(|| Tensor::zeros([b, 2, h, w, c], &x.device()));
        *slot = Some(match frames {
            1 => Tensor::cat(vec![before.clone().narrow(1, 1, 1), x.clone()], 1),
            _ => last_frames(&x, 2),
        });
        match self.products {
            Products::Exact => self.forward(Tensor::cat(vec![before, x], 1), 1),
            Products::Bf16 | Products::Int8 => {
                let (weight, bias) = (self.weight.val(), self.bias.val());
                conv::conv3d(Some(before), x, weight, Some(bias), None)
            }
        }
    }
}

/// A convolution of each frame.
#[derive(Module, Debug)]
struct Conv2d {
    /// `[kh, kw, Cin, Cout]`.
    weight: Param<Tensor<4>>,
    /// `[Cout]`.
    bias: Param<Tensor<1>>,
    #[module(skip)]
    products: Products,
}

impl Conv2d {
    fn new(c_in: usize, c_out: usize, kernel: usize, build: Build<'_>) -> Self {
        Self {
            weight: parameter([kernel, kernel, c_in, c_out], build.device),
            bias: parameter([c_out], build.device),
            products: build.products,
        }
    }

    /// With zeros around, so that the size stays.
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let weight = self.weight.val();
        let [kernel, _, _, c_out] = weight.dims();
        if self.products == Products::Exact {
            return self.exact(channels_first(x), 1, kernel / 2);
        }
        let [b, frames, h, w, c] = x.dims();
        let y = conv2d(x.reshape([b * frames, h, w, c]), weight, Some(self.bias.val()), None);
        y.reshape([b, frames, h, w, c_out])
    }

    /// With zeros on the right and below: half the height and width.
    fn halving(&self, x: Tensor<5>) -> Tensor<5> {
        let padded = channels_first(x).pad([(0, 1), (0, 1)], PadMode::Constant(0.0));
        self.exact(padded, 2, 0)
    }

    /// `[B, C, T, H, W]` to a video with channels last.
    fn exact(&self, x: Tensor<5>, stride: usize, padding: usize) -> Tensor<5> {
        let weight = self.weight.val().permute([3, 2, 0, 1]);
        let [c_out, c_in, h, w] = weight.dims();
        let options = ConvOptions::new([1, stride, stride], [0, padding, padding], [1, 1, 1], 1);
        let weight = weight.reshape([c_out, c_in, 1, h, w]);
        channels_last(conv3d(x, weight, Some(self.bias.val()), options))
    }
}

/// Division by the length over the channels, `x / max(|x|, 1e-12) * sqrt(C) * gamma`.
#[derive(Module, Debug)]
pub(super) struct RmsNorm<const D: usize> {
    /// `C` values.
    gamma: Param<Tensor<D>>,
}

/// Keeps nothing but zeros from being divided.
const NORM_EPS: f32 = 1e-30;

impl RmsNorm<4> {
    pub(super) fn new(channels: usize, build: Build<'_>) -> Self {
        Self { gamma: parameter([1, 1, 1, channels], build.device) }
    }
}

impl RmsNorm<3> {
    fn of_pictures(channels: usize, build: Build<'_>) -> Self {
        Self { gamma: parameter([channels, 1, 1], build.device) }
    }
}

impl<const D: usize> RmsNorm<D> {
    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let c = x.dims()[4];
        rms_norm(x, self.gamma.val().reshape([c]), NORM_EPS)
    }
}

/// Two normalised causal convolutions and a shortcut.
#[derive(Module, Debug)]
pub(super) struct ResBlock {
    norm1: RmsNorm<4>,
    conv1: Conv3d,
    norm2: RmsNorm<4>,
    conv2: Conv3d,
    conv_shortcut: Option<Conv3d>,
}

impl ResBlock {
    pub(super) fn new(c_in: usize, c_out: usize, build: Build<'_>) -> Self {
        Self {
            norm1: RmsNorm::new(c_in, build),
            conv1: Conv3d::new(c_in, c_out, [3, 3, 3], build),
            norm2: RmsNorm::new(c_out, build),
            conv2: Conv3d::new(c_out, c_out, [3, 3, 3], build),
            conv_shortcut: (c_in != c_out).then(|| Conv3d::new(c_in, c_out, [1, 1, 1], build)),
        }
    }

    /// `count` blocks in a row; the first changes the channels.
    pub(super) fn row(count: usize, c_in: usize, c_out: usize, build: Build<'_>) -> Vec<Self> {
        let first = |i| if i == 0 { c_in } else { c_out };
        (0..count).map(|i| Self::new(first(i), c_out, build)).collect()
    }

    pub(super) fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let y = self.conv1.causal(silu(self.norm1.forward(x.clone())), history);
        let y = self.conv2.causal(silu(self.norm2.forward(y)), history);
        match &self.conv_shortcut {
            Some(conv) => conv.forward(x, 1) + y,
            None => x + y,
        }
    }
}

/// Attention of one head over the positions of a frame.
#[derive(Module, Debug)]
struct Attention {
    norm: RmsNorm<3>,
    to_qkv: Conv2d,
    proj: Conv2d,
}

impl Attention {
    fn new(channels: usize, build: Build<'_>) -> Self {
        Self {
            norm: RmsNorm::of_pictures(channels, build),
            to_qkv: Conv2d::new(channels, 3 * channels, 1, build),
            proj: Conv2d::new(channels, channels, 1, build),
        }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [b, t, h, w, c] = x.dims();
        let positions = h * w;
        let qkv = self.to_qkv.forward(self.norm.forward(x.clone()));
        let qkv = qkv.reshape([b * t, positions, 3 * c]);
        let part = |i: usize| qkv.clone().narrow(2, i * c, c);
        let (q, k, v) = (part(0) / (c as f32).sqrt(), part(1).swap_dims(1, 2), part(2));
        let rows = (SCORES / (b * t * positions)).clamp(1, positions);
        let mixed = (0..positions).step_by(rows).map(|row| {
            let q = q.clone().narrow(1, row, rows.min(positions - row));
            softmax(q.matmul(k.clone()), 2).matmul(v.clone())
        });
        let mixed = Tensor::cat(mixed.collect(), 1).reshape([b, t, h, w, c]);
        x + self.proj.forward(mixed)
    }
}

/// The middle of encoder and decoder.
#[derive(Module, Debug)]
pub(super) struct Middle {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
}

impl Middle {
    pub(super) fn new(channels: usize, build: Build<'_>) -> Self {
        Self {
            resnets: ResBlock::row(2, channels, channels, build),
            attentions: vec![Attention::new(channels, build)],
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let x = self.resnets[0].forward(x, history);
        self.resnets[1].forward(self.attentions[0].forward(x), history)
    }
}

/// Halves height and width, and the frame rate where `time_conv` is there.
#[derive(Module, Debug)]
struct Downsampler {
    conv: Conv2d,
    time_conv: Option<Conv3d>,
}

impl Downsampler {
    fn new(channels: usize, time: bool, build: Build<'_>) -> Self {
        Self {
            conv: Conv2d::new(channels, channels, 3, build),
            time_conv: time.then(|| Conv3d::new(channels, channels, [3, 1, 1], build)),
        }
    }

    /// The first chunk, one frame, keeps its frame.
    fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let x = self.conv.halving(x);
        let Some(conv) = &self.time_conv else { return x };
        match history.slot().replace(last_frames(&x, 1)) {
            None => x,
            Some(before) => conv.forward(Tensor::cat(vec![before, x], 1), 2),
        }
    }
}

/// Doubles height and width, and the frame rate where `time_conv` is there.
#[derive(Module, Debug)]
struct Upsampler {
    conv: Conv2d,
    time_conv: Option<Conv3d>,
}

impl Upsampler {
    fn new(c_in: usize, c_out: usize, time: bool, build: Build<'_>) -> Self {
        Self {
            conv: Conv2d::new(c_in, c_out, 3, build),
            time_conv: time.then(|| Conv3d::new(c_in, 2 * c_in, [3, 1, 1], build)),
        }
    }

    /// The first chunk, one frame, keeps its frame, and is not seen by the next: the second chunk has zeros before it.
    fn forward(&self, mut x: Tensor<5>, history: &mut History) -> Tensor<5> {
        if let Some(conv) = &self.time_conv {
            if history.is_first_chunk() {
                history.slot();
            } else {
                x = interleave_halves(conv.causal(x, history));
            }
        }
        self.conv.forward(double_sides(x))
    }
}

/// `[B, T, H, W, 2C]` to `[B, 2T, H, W, C]`: the first half of the channels are the even frames.
fn interleave_halves(x: Tensor<5>) -> Tensor<5> {
    let [b, t, h, w, c] = x.dims();
    let halves = x.reshape([b, t, h * w, 2, c / 2]);
    halves.permute([0, 1, 3, 2, 4]).reshape([b, 2 * t, h, w, c / 2])
}

/// Each position four times: `[B, T, H, W, C]` to `[B, T, 2H, 2W, C]`.
fn double_sides(x: Tensor<5>) -> Tensor<5> {
    let [b, t, h, w, c] = x.dims();
    let doubled = x.reshape([b * t, h, 1, w, 1, c]).expand([b * t, h, 2, w, 2, c]);
    doubled.reshape([b, t, 2 * h, 2 * w, c])
}

/// A level of the encoder.
#[derive(Module, Debug)]
pub(super) struct DownLevel {
    resnets: Vec<ResBlock>,
    downsampler: Option<Downsampler>,
    #[module(skip)]
    has_shortcut: bool,
}

/// What a level does to the size of its video: all but the last level of a network halve or double the sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    /// Whether the frame rate changes as well.
    pub(super) time: bool,
}

/// How a level is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct LevelConfig {
    pub(super) blocks: usize,
    pub(super) c_in: usize,
    pub(super) c_out: usize,
    pub(super) scaling: Option<Scaling>,
    pub(super) has_shortcut: bool,
}

impl DownLevel {
    pub(super) fn new(cfg: LevelConfig, build: Build<'_>) -> Self {
        Self {
            resnets: ResBlock::row(cfg.blocks, cfg.c_in, cfg.c_out, build),
            downsampler: cfg.scaling.map(|s| Downsampler::new(cfg.c_out, s.time, build)),
            has_shortcut: cfg.has_shortcut,
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let mut y = x.clone();
        for block in &self.resnets {
            y = block.forward(y, history);
        }
        if let Some(downsampler) = &self.downsampler {
            y = downsampler.forward(y, history);
        }
        if !self.has_shortcut {
            return y;
        }
        let channels = y.dims()[4];
        y + mean_of_folded(x, self.factors(), channels)
    }

    /// How many frames and rows of the input one of the output covers.
    fn factors(&self) -> [usize; 2] {
        match &self.downsampler {
            None => [1, 1],
            Some(downsampler) => [1 + usize::from(downsampler.time_conv.is_some()), 2],
        }
    }
}

/// A level of the decoder.
#[derive(Module, Debug)]
pub(super) struct UpLevel {
    resnets: Vec<ResBlock>,
    upsampler: Option<Upsampler>,
    #[module(skip)]
    has_shortcut: bool,
}

impl UpLevel {
    /// With a shortcut the upscaling keeps the channels, without it halves them.
    pub(super) fn new(cfg: LevelConfig, build: Build<'_>) -> Self {
        let c_up = if cfg.has_shortcut { cfg.c_out } else { cfg.c_out / 2 };
        Self {
            resnets: ResBlock::row(cfg.blocks, cfg.c_in, cfg.c_out, build),
            upsampler: cfg.scaling.map(|s| Upsampler::new(cfg.c_out, c_up, s.time, build)),
            has_shortcut: cfg.has_shortcut,
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let mut y = x.clone();
        for block in &self.resnets {
            y = block.forward(y, history);
        }
        let Some(upsampler) = &self.upsampler else { return y };
        y = upsampler.forward(y, history);
        if !self.has_shortcut {
            return y;
        }
        let [_, frames, _, _, channels] = y.dims();
        let factors = [1 + usize::from(upsampler.time_conv.is_some()), 2];
        let shortcut = repeated_unfolded(x, factors, channels);
        // The first chunk has one frame where others have several: its last.
        let surplus = shortcut.dims()[1] - frames;
        y + shortcut.narrow(1, surplus, frames)
    }
}
