//! The autoencoder: groups of four frames to one latent frame and back. Deterministic, channels last.
//!
//! A group is encoded alone; the decoder sees the neighbours of a latent frame, which hides the seams between groups.
//! Down- and upscaling carry a shortcut of averaged or repeated channels (DC-AE 2410.10733, section 3.2).
//!
//! # Source
//! `lark`, section 2

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use hibari_ops::{activation::silu, norm::layer_norm};

use super::config::{AeConfig, CELL_PX, FRAMES};
use crate::layers::{Conv2d, Linear, zeros};

/// Pixels along one side of the patch that one input position holds.
pub const PATCH: usize = 4;
/// Values of one input position: frames, rows, columns, colours.
pub const PATCH_VALUES: usize = FRAMES * PATCH * PATCH * 3;
const EPS: f32 = 1e-5;

/// The autoencoder.
#[derive(Module, Debug)]
pub struct Ae {
    encoder_in: Linear,
    encoder: Vec<Stage>,
    down: Vec<Linear>,
    encoder_out: Linear,
    decoder_in: Linear,
    decoder: Vec<Stage>,
    up: Vec<Linear>,
    decoder_out: Linear,
    /// `[C]`, set after training; not trained.
    latent_mean: Param<Tensor<1>>,
    /// `[C]`, set after training; not trained.
    latent_gain: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Block>,
}

#[derive(Module, Debug)]
struct Block {
    conv_in: Conv2d,
    conv_out: Conv2d,
}

impl Ae {
    /// An autoencoder of zeros.
    pub fn new(cfg: &AeConfig, device: &Device) -> Self {
        let stage = |width: usize, blocks: usize| Stage {
            blocks: (0..blocks)
                .map(|_| Block {
                    conv_in: Conv2d::new(width, width, 3, device),
                    conv_out: Conv2d::new(width, width, 3, device),
                })
                .collect(),
        };
        let stages = |widths: [usize; 3], blocks: [usize; 3]| {
            widths.into_iter().zip(blocks).map(|(width, blocks)| stage(width, blocks)).collect()
        };
        let (e, d, c) = (cfg.encoder, cfg.decoder, cfg.channels);
        Self {
            encoder_in: Linear::new(PATCH_VALUES, e[0], device),
            encoder: stages(e, cfg.encoder_blocks),
            down: (0..2).map(|i| Linear::new(4 * e[i], e[i + 1], device)).collect(),
            encoder_out: Linear::new(e[2], c, device),
            decoder_in: Linear::new(3 * c, d[0], device),
            decoder: stages(d, cfg.decoder_blocks),
            up: (0..2).map(|i| Linear::new(d[i], 4 * d[i + 1], device)).collect(),
            decoder_out: Linear::new(d[2], PATCH_VALUES, device),
            latent_mean: zeros([c], device),
            latent_gain: Param::from_tensor(Tensor::ones([c], device)),
        }
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.latent_mean.val().device()
    }

    /// How strongly each weight begins, see [`crate::layers::initialise`]: residual branches begin small.
    pub fn gain(name: &str) -> f32 {
        if name.contains("conv_out") {
            0.2
        } else if name.contains("conv_in") {
            1.4
        } else {
            1.0
        }
    }

    /// Whether a parameter belongs to the encoder.
    pub fn is_encoder(name: &str) -> bool {
        name.starts_with("encoder") || name.starts_with("down")
    }

    /// Whether a parameter is set after training instead of trained.
    pub fn is_statistic(name: &str) -> bool {
        name.starts_with("latent_")
    }

    /// Latents before normalisation.
    ///
    /// # Shapes
    /// `[n, H/4, W/4, PATCH_VALUES]` (see [`pack`]) to `[n, h, w, C]`
    pub fn encode_raw(&self, patches: Tensor<4>) -> Tensor<4> {
        let mut x = self.encoder_in.forward(patches);
        for (i, stage) in self.encoder.iter().enumerate() {
            if i > 0 {
                let folded = fold(x);
                let map = &self.down[i - 1];
                let y = map.forward(folded.clone());
                x = average_channels(folded, y.dims()[3]) + y;
            }
            x = stage.forward(x);
        }
        self.encoder_out.forward(x)
    }

    /// Latents of unit variance over the training data.
    ///
    /// # Shapes
    /// as [`Self::encode_raw`]
    pub fn encode_patches(&self, patches: Tensor<4>) -> Tensor<4> {
        let c = self.latent_mean.dims()[0];
        (self.encode_raw(patches) - self.latent_mean.val().reshape([1, 1, 1, c]))
            * self.latent_gain.val().reshape([1, 1, 1, c])
    }

    /// Patches of consecutive latent frames.
    ///
    /// # Shapes
    /// `[B, f, h, w, C]`, normalised, to `[B*f, H/4, W/4, PATCH_VALUES]`
    pub fn decode_patches(&self, latents: Tensor<5>) -> Tensor<4> {
        let [b, f, h, w, c] = latents.dims();
        let device = latents.device();
        let nothing = Tensor::zeros([b, 1, h, w, c], &device);
        let padded = Tensor::cat(vec![nothing.clone(), latents.clone(), nothing], 1);
        let before = padded.clone().narrow(1, 0, f);
        let after = padded.narrow(1, 2, f);
        let x = Tensor::cat(vec![before, latents, after], 4).reshape([b * f, h, w, 3 * c]);
        let mut x = self.decoder_in.forward(x);
        for (i, stage) in self.decoder.iter().enumerate() {
            if i > 0 {
                let y = self.up[i - 1].forward(x.clone());
                let repeats = y.dims()[3] / x.dims()[3];
                x = unfold(repeat_channels(x, repeats) + y);
            }
            x = stage.forward(x);
        }
        self.decoder_out.forward(x)
    }

    /// The channels' statistics set, so that latents get mean 0 and variance 1.
    pub fn with_statistics(mut self, mean: &[f32], std: &[f32]) -> Self {
        let device = self.latent_mean.val().device();
        let gain: Vec<f32> = std.iter().map(|std| 1.0 / std.max(1e-6)).collect();
        self.latent_mean = Param::from_tensor(Tensor::from_floats(mean, &device));
        self.latent_gain = Param::from_tensor(Tensor::from_floats(gain.as_slice(), &device));
        self
    }

    /// Floating-point operations of one group of `pixels` pixels a frame, `(encoder, decoder)`.
    pub fn flops(cfg: &AeConfig, pixels: usize) -> (f64, f64) {
        let places = |i: usize| pixels as f64 / [16.0, 64.0, 256.0][i];
        let stage = |width: usize, blocks: usize, i: usize| {
            36.0 * (width * width * blocks) as f64 * places(i)
        };
        let map = |k: usize, n: usize, i: usize| 2.0 * (k * n) as f64 * places(i);
        let (e, d, c) = (cfg.encoder, cfg.decoder, cfg.channels);
        let encoder = (0..3).map(|i| stage(e[i], cfg.encoder_blocks[i], i)).sum::<f64>()
            + map(PATCH_VALUES, e[0], 0)
            + map(4 * e[0], e[1], 1)
            + map(4 * e[1], e[2], 2)
            + map(e[2], c, 2);
        let decoder = (0..3).map(|i| stage(d[i], cfg.decoder_blocks[i], 2 - i)).sum::<f64>()
            + map(3 * c, d[0], 2)
            + map(d[0], 4 * d[1], 2)
            + map(d[1], 4 * d[2], 1)
            + map(d[2], PATCH_VALUES, 0);
        (encoder, decoder)
    }
}

impl Stage {
    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (i, block) in self.blocks.iter().enumerate() {
            let inner = if i == 0 { layer_norm(x.clone(), EPS) } else { x.clone() };
            x = block.conv_out.forward_onto(x, silu(block.conv_in.forward(inner)));
        }
        x
    }
}

/// `[n, h, w, c]` to `[n, h/2, w/2, 4c]`, channels ordered (row, column, channel).
fn fold(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h / 2, 2, w / 2, 2 * c]).swap_dims(2, 3).reshape([n, h / 2, w / 2, 4 * c])
}

/// The inverse of [`fold`].
fn unfold(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h, w, 2, c / 2]).swap_dims(2, 3).reshape([n, 2 * h, 2 * w, c / 4])
}

/// Means of consecutive channels, down to `channels`.
fn average_channels(x: Tensor<4>, channels: usize) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n * h * w, channels, c / channels]).mean_dim(2).reshape([n, h, w, channels])
}

/// Each channel `repeats` times in a row.
fn repeat_channels(x: Tensor<4>, repeats: usize) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n * h * w, c, 1]).expand([n * h * w, c, repeats]).reshape([n, h, w, c * repeats])
}

/// Values of a region of four RGB frames as the encoder takes them, in [-1, 1].
///
/// # Shapes
/// frames: `[rows, row_px, 3]` bytes; the region begins at `(x, y)` and is `width` by `height`, multiples of 16. Appends
/// `[height/4, width/4, PATCH_VALUES]`.
/// # Panics
/// if the region leaves a frame
pub fn pack(
    frames: [&[u8]; FRAMES],
    row_px: usize,
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    out: &mut Vec<f32>,
) {
    assert!(width.is_multiple_of(CELL_PX) && height.is_multiple_of(CELL_PX), "`{width}x{height}`");
    for row in (y..y + height).step_by(PATCH) {
        for column in (x..x + width).step_by(PATCH) {
            for frame in frames {
                for line in row..row + PATCH {
                    let from = (line * row_px + column) * 3;
                    let line = &frame[from..from + PATCH * 3];
                    out.extend(line.iter().map(|&v| f32::from(v) / 127.5 - 1.0));
                }
            }
        }
    }
}

/// The inverse of [`pack`] for a whole frame: four frames of RGB bytes from `[height/4, width/4, PATCH_VALUES]`.
///
/// # Panics
/// if the values do not fill the frames
pub fn unpack(patches: &[f32], (width, height): (usize, usize)) -> [Vec<u8>; FRAMES] {
    assert_eq!(patches.len(), width * height * 3 * FRAMES, "patches of `{width}x{height}`");
    let mut frames = [(); FRAMES].map(|()| vec![0_u8; width * height * 3]);
    for (place, patch) in patches.chunks_exact(PATCH_VALUES).enumerate() {
        let (row, column) = (place / (width / PATCH) * PATCH, place % (width / PATCH) * PATCH);
        for (line, values) in patch.chunks_exact(PATCH * 3).enumerate() {
            let to = ((row + line % PATCH) * width + column) * 3;
            for (out, value) in frames[line / PATCH][to..to + PATCH * 3].iter_mut().zip(values) {
                *out = ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    frames
}
