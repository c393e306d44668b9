//! The layers of both autoencoders. Videos are `[B, C, T, H, W]`; products and sums are 32-bit.
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
use hibari_ops::activation::silu;

use super::shortcut::{mean_of_folded, repeated_unfolded};

/// Attention scores that are held at once.
const SCORES: usize = 1 << 24;

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
    let [b, c, frames, h, w] = x.dims();
    let copy = Tensor::zeros([b, c, n, h, w], &x.device());
    copy.slice_assign([0..b, 0..c, 0..n, 0..h, 0..w], x.clone().narrow(2, frames - n, n))
}

/// A parameter that takes no memory before it is loaded or used; then it is zero.
fn parameter<const D: usize>(dims: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let zeros = move |device: &Device, _: bool| Tensor::zeros(dims, device);
    Param::uninitialized(ParamId::new(), zeros, device.clone(), false, Shape::from(dims))
}

/// A convolution over time and space that keeps height and width.
#[derive(Module, Debug)]
pub(super) struct Conv3d {
    /// `[Cout, Cin, kt, kh, kw]`.
    weight: Param<Tensor<5>>,
    /// `[Cout]`.
    bias: Param<Tensor<1>>,
}

impl Conv3d {
    pub(super) fn new(c_in: usize, c_out: usize, kernel: [usize; 3], device: &Device) -> Self {
        let [t, h, w] = kernel;
        Self { weight: parameter([c_out, c_in, t, h, w], device), bias: parameter([c_out], device) }
    }

    /// Without padding in time: `T` frames give `(T - kt) / stride + 1`.
    pub(super) fn forward(&self, x: Tensor<5>, stride: usize) -> Tensor<5> {
        let weight = self.weight.val();
        let [_, _, _, h, w] = weight.dims();
        let options = ConvOptions::new([stride, 1, 1], [0, h / 2, w / 2], [1, 1, 1], 1);
        conv3d(x, weight, Some(self.bias.val()), options)
    }

    /// With the two frames before the chunk in front, zeros at the start; for `kt = 3`.
    pub(super) fn causal(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let [b, c, _, h, w] = x.dims();
        let slot = history.slot();
        let before = slot.take().unwrap_or_else(|| Tensor::zeros([b, c, 2, h, w], &x.device()));
        let joined = Tensor::cat(vec![before, x], 2);
        *slot = Some(last_frames(&joined, 2));
        self.forward(joined, 1)
    }
}

/// A convolution of each frame.
#[derive(Module, Debug)]
struct Conv2d {
    /// `[Cout, Cin, kh, kw]`.
    weight: Param<Tensor<4>>,
    /// `[Cout]`.
    bias: Param<Tensor<1>>,
}

impl Conv2d {
    fn new(c_in: usize, c_out: usize, kernel: usize, device: &Device) -> Self {
        Self {
            weight: parameter([c_out, c_in, kernel, kernel], device),
            bias: parameter([c_out], device),
        }
    }

    /// `padding`: zeros on each of the four sides.
    fn forward(&self, x: Tensor<5>, stride: usize, padding: usize) -> Tensor<5> {
        let weight = self.weight.val();
        let [c_out, c_in, h, w] = weight.dims();
        let options = ConvOptions::new([1, stride, stride], [0, padding, padding], [1, 1, 1], 1);
        conv3d(x, weight.reshape([c_out, c_in, 1, h, w]), Some(self.bias.val()), options)
    }
}

/// Division by the length over the channels, `x / max(|x|, 1e-12) * sqrt(C) * gamma`.
#[derive(Module, Debug)]
pub(super) struct RmsNorm<const D: usize> {
    /// `[C, 1, ..]`.
    gamma: Param<Tensor<D>>,
}

impl<const D: usize> RmsNorm<D> {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        let mut dims = [1; D];
        dims[0] = channels;
        Self { gamma: parameter(dims, device) }
    }

    pub(super) fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let c = x.dims()[1];
        let length = x.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        x / length * (self.gamma.val() * (c as f32).sqrt()).reshape([1, c, 1, 1, 1])
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
    pub(super) fn new(c_in: usize, c_out: usize, device: &Device) -> Self {
        Self {
            norm1: RmsNorm::new(c_in, device),
            conv1: Conv3d::new(c_in, c_out, [3, 3, 3], device),
            norm2: RmsNorm::new(c_out, device),
            conv2: Conv3d::new(c_out, c_out, [3, 3, 3], device),
            conv_shortcut: (c_in != c_out).then(|| Conv3d::new(c_in, c_out, [1, 1, 1], device)),
        }
    }

    /// `count` blocks in a row; the first changes the channels.
    pub(super) fn row(count: usize, c_in: usize, c_out: usize, device: &Device) -> Vec<Self> {
        let first = |i| if i == 0 { c_in } else { c_out };
        (0..count).map(|i| Self::new(first(i), c_out, device)).collect()
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
    fn new(channels: usize, device: &Device) -> Self {
        Self {
            norm: RmsNorm::new(channels, device),
            to_qkv: Conv2d::new(channels, 3 * channels, 1, device),
            proj: Conv2d::new(channels, channels, 1, device),
        }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [b, c, t, h, w] = x.dims();
        let positions = h * w;
        let qkv = self.to_qkv.forward(self.norm.forward(x.clone()), 1, 0);
        let qkv = qkv.reshape([b, 3 * c, t, positions]).swap_dims(1, 2);
        let qkv = qkv.reshape([b * t, 3 * c, positions]);
        let part = |i: usize| qkv.clone().narrow(1, i * c, c);
        let (q, k, v) = (part(0).swap_dims(1, 2) / (c as f32).sqrt(), part(1), part(2));
        let rows = (SCORES / (b * t * positions)).clamp(1, positions);
        let mixed = (0..positions).step_by(rows).map(|row| {
            let q = q.clone().narrow(1, row, rows.min(positions - row));
            let weights = softmax(q.matmul(k.clone()), 2);
            v.clone().matmul(weights.swap_dims(1, 2))
        });
        let mixed = Tensor::cat(mixed.collect(), 2).reshape([b, t, c, positions]);
        let mixed = mixed.swap_dims(1, 2).reshape([b, c, t, h, w]);
        x + self.proj.forward(mixed, 1, 0)
    }
}

/// The middle of encoder and decoder.
#[derive(Module, Debug)]
pub(super) struct Middle {
    resnets: Vec<ResBlock>,
    attentions: Vec<Attention>,
}

impl Middle {
    pub(super) fn new(channels: usize, device: &Device) -> Self {
        Self {
            resnets: ResBlock::row(2, channels, channels, device),
            attentions: vec![Attention::new(channels, device)],
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
    fn new(channels: usize, time: bool, device: &Device) -> Self {
        Self {
            conv: Conv2d::new(channels, channels, 3, device),
            time_conv: time.then(|| Conv3d::new(channels, channels, [3, 1, 1], device)),
        }
    }

    /// The first chunk, one frame, keeps its frame.
    fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let right_and_below = [(0, 1), (0, 1)];
        let x = self.conv.forward(x.pad(right_and_below, PadMode::Constant(0.0)), 2, 0);
        let Some(conv) = &self.time_conv else { return x };
        match history.slot().replace(last_frames(&x, 1)) {
            None => x,
            Some(before) => conv.forward(Tensor::cat(vec![before, x], 2), 2),
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
    fn new(c_in: usize, c_out: usize, time: bool, device: &Device) -> Self {
        Self {
            conv: Conv2d::new(c_in, c_out, 3, device),
            time_conv: time.then(|| Conv3d::new(c_in, 2 * c_in, [3, 1, 1], device)),
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
        self.conv.forward(double_sides(x), 1, 1)
    }
}

/// `[B, 2C, T, H, W]` to `[B, C, 2T, H, W]`: the first half of the channels are the even frames.
fn interleave_halves(x: Tensor<5>) -> Tensor<5> {
    let [b, c, t, h, w] = x.dims();
    let halves = x.reshape([b, 2, c / 2, t, h * w]);
    halves.permute([0, 2, 3, 1, 4]).reshape([b, c / 2, 2 * t, h, w])
}

/// Each position four times: `[.., H, W]` to `[.., 2H, 2W]`.
fn double_sides(x: Tensor<5>) -> Tensor<5> {
    let [b, c, t, h, w] = x.dims();
    let doubled = x.reshape([b * c * t, h, 1, w, 1]).expand([b * c * t, h, 2, w, 2]);
    doubled.reshape([b, c, t, 2 * h, 2 * w])
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
    pub(super) fn new(cfg: LevelConfig, device: &Device) -> Self {
        Self {
            resnets: ResBlock::row(cfg.blocks, cfg.c_in, cfg.c_out, device),
            downsampler: cfg.scaling.map(|s| Downsampler::new(cfg.c_out, s.time, device)),
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
        let channels = y.dims()[1];
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
    pub(super) fn new(cfg: LevelConfig, device: &Device) -> Self {
        let c_up = if cfg.has_shortcut { cfg.c_out } else { cfg.c_out / 2 };
        Self {
            resnets: ResBlock::row(cfg.blocks, cfg.c_in, cfg.c_out, device),
            upsampler: cfg.scaling.map(|s| Upsampler::new(cfg.c_out, c_up, s.time, device)),
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
        let [_, channels, frames, _, _] = y.dims();
        let factors = [1 + usize::from(upsampler.time_conv.is_some()), 2];
        let shortcut = repeated_unfolded(x, factors, channels);
        // The first chunk has one frame where others have several: its last.
        let surplus = shortcut.dims()[2] - frames;
        y + shortcut.narrow(2, surplus, frames)
    }
}
