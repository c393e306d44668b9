//! Encoder and decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use hibari_ops::activation::silu;

use super::blocks::{
    Build, Conv3d, DownLevel, History, LevelConfig, Middle, RmsNorm, Scaling, UpLevel,
    channels_first, channels_last,
};
use super::config::{HALVES_TIME, VaeConfig};

/// All parameters of an autoencoder.
#[derive(Module, Debug)]
pub(super) struct Networks {
    encoder: Encoder,
    quant_conv: Conv3d,
    post_quant_conv: Conv3d,
    decoder: Decoder,
}

impl Networks {
    pub(super) fn new(cfg: &VaeConfig, build: Build<'_>) -> Self {
        let c = cfg.channels();
        Self {
            encoder: Encoder::new(cfg, build),
            quant_conv: Conv3d::new(2 * c, 2 * c, [1, 1, 1], build),
            post_quant_conv: Conv3d::new(c, c, [1, 1, 1], build),
            decoder: Decoder::new(cfg, build),
        }
    }

    /// The most likely latents of one frame at the start, of four later.
    ///
    /// # Shapes
    /// `[B, 3*patch^2, 1 or 4, H, W]` to `[B, C, 1, h, w]`
    pub(super) fn encode_chunk(&self, patches: Tensor<5>, history: &mut History) -> Tensor<5> {
        history.begin_chunk();
        let moments = self.encoder.forward(channels_last(patches), history);
        let moments = self.quant_conv.forward(moments, 1);
        let c = moments.dims()[4] / 2;
        channels_first(moments.narrow(4, 0, c))
    }

    /// The frames of one latent frame: one at the start, four later.
    ///
    /// # Shapes
    /// `[B, C, 1, h, w]` to `[B, 3*patch^2, 1 or 4, H, W]`
    pub(super) fn decode_chunk(&self, latent: Tensor<5>, history: &mut History) -> Tensor<5> {
        history.begin_chunk();
        let latent = self.post_quant_conv.forward(channels_last(latent), 1);
        channels_first(self.decoder.forward(latent, history))
    }
}

#[derive(Module, Debug)]
struct Encoder {
    conv_in: Conv3d,
    down_blocks: Vec<DownLevel>,
    mid_block: Middle,
    norm_out: RmsNorm<4>,
    conv_out: Conv3d,
}

impl Encoder {
    fn new(cfg: &VaeConfig, build: Build<'_>) -> Self {
        let widths = cfg.multiples.map(|multiple| multiple * cfg.encoder_base);
        let level = |i: usize| LevelConfig {
            blocks: cfg.blocks,
            c_in: if i == 0 { cfg.encoder_base } else { widths[i - 1] },
            c_out: widths[i],
            scaling: HALVES_TIME.get(i).map(|&time| Scaling { time }),
            has_shortcut: cfg.has_shortcuts(),
        };
        let last = widths[widths.len() - 1];
        Self {
            conv_in: Conv3d::new(cfg.pixel_channels(), cfg.encoder_base, [3, 3, 3], build),
            down_blocks: (0..widths.len()).map(|i| DownLevel::new(level(i), build)).collect(),
            mid_block: Middle::new(last, build),
            norm_out: RmsNorm::new(last, build),
            conv_out: Conv3d::new(last, 2 * cfg.channels(), [3, 3, 3], build),
        }
    }

    fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let mut x = self.conv_in.causal(x, history);
        for level in &self.down_blocks {
            x = level.forward(x, history);
        }
        let x = self.mid_block.forward(x, history);
        self.conv_out.causal(silu(self.norm_out.forward(x)), history)
    }
}

#[derive(Module, Debug)]
struct Decoder {
    conv_in: Conv3d,
    mid_block: Middle,
    up_blocks: Vec<UpLevel>,
    norm_out: RmsNorm<4>,
    conv_out: Conv3d,
}

impl Decoder {
    fn new(cfg: &VaeConfig, build: Build<'_>) -> Self {
        let mut widths = cfg.multiples.map(|multiple| multiple * cfg.decoder_base);
        widths.reverse();
        let level = |i: usize| LevelConfig {
            blocks: cfg.blocks + 1,
            c_in: match i {
                0 => widths[0],
                _ if cfg.has_shortcuts() => widths[i - 1],
                _ => widths[i - 1] / 2,
            },
            c_out: widths[i],
            scaling: HALVES_TIME.iter().rev().nth(i).map(|&time| Scaling { time }),
            has_shortcut: cfg.has_shortcuts(),
        };
        Self {
            conv_in: Conv3d::new(cfg.channels(), widths[0], [3, 3, 3], build),
            mid_block: Middle::new(widths[0], build),
            up_blocks: (0..widths.len()).map(|i| UpLevel::new(level(i), build)).collect(),
            norm_out: RmsNorm::new(cfg.decoder_base, build),
            conv_out: Conv3d::new(cfg.decoder_base, cfg.pixel_channels(), [3, 3, 3], build),
        }
    }

    fn forward(&self, x: Tensor<5>, history: &mut History) -> Tensor<5> {
        let x = self.conv_in.causal(x, history);
        let mut x = self.mid_block.forward(x, history);
        for level in &self.up_blocks {
            x = level.forward(x, history);
        }
        self.conv_out.causal(silu(self.norm_out.forward(x)), history)
    }
}
