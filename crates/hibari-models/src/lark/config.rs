//! The sizes of a `lark`, as its weights file stores them.

use serde::{Deserialize, Serialize};

/// Video frames in one latent frame.
pub const FRAMES: usize = 4;
/// Pixels along one side of a latent cell.
pub const CELL_PX: usize = 16;
/// Frames a second.
pub const FPS: u32 = 12;

/// Sizes of the autoencoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AeConfig {
    /// Latent channels.
    pub channels: usize,
    /// Encoder width at 1/4, 1/8 and 1/16 of the frame size; four times each is a multiple of the next.
    pub encoder: [usize; 3],
    /// Blocks of the encoder at each size.
    pub encoder_blocks: [usize; 3],
    /// Decoder width at 1/16, 1/8 and 1/4; four times each is a multiple of the one before.
    pub decoder: [usize; 3],
    /// Blocks of the decoder at each size.
    pub decoder_blocks: [usize; 3],
}

/// Sizes of the diffusion transformer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitConfig {
    /// Width `D`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the gated layer.
    pub hidden: usize,
    /// One letter a layer: `F` attends to the whole window and the text, `S` within each latent frame.
    pub layers: String,
    /// Blocks of the text refiner.
    pub refiner: usize,
    /// Latent channels.
    pub channels: usize,
    /// Rows of the word embedding, see [`super::text`].
    pub words: usize,
}

impl AeConfig {
    /// Why no autoencoder can have these sizes, if that is so.
    pub fn fault(&self) -> Option<String> {
        let counts = [self.encoder, self.encoder_blocks, self.decoder, self.decoder_blocks];
        if self.channels == 0 || counts.iter().flatten().any(|&n| n == 0) {
            return Some("`channels`, widths and blocks of an autoencoder are at least 1".into());
        }
        let down = self.encoder.windows(2).find(|pair| !(4 * pair[0]).is_multiple_of(pair[1]));
        let up = self.decoder.windows(2).find(|pair| !(4 * pair[1]).is_multiple_of(pair[0]));
        let misfit = |name: &str, wide: usize, narrow: usize| {
            format!(
                "four times the width {wide} of `{name}` is no multiple of its neighbour {narrow}"
            )
        };
        down.map(|pair| misfit("encoder", pair[0], pair[1]))
            .or_else(|| up.map(|pair| misfit("decoder", pair[1], pair[0])))
    }

    /// The autoencoder of the embedded model.
    pub fn first_light() -> Self {
        Self {
            channels: 32,
            encoder: [32, 64, 128],
            encoder_blocks: [1, 1, 2],
            decoder: [192, 96, 48],
            decoder_blocks: [2, 2, 1],
        }
    }

    /// A tiny one for tests.
    pub fn tiny() -> Self {
        Self {
            channels: 8,
            encoder: [8, 8, 16],
            encoder_blocks: [1, 1, 1],
            decoder: [16, 8, 8],
            decoder_blocks: [1, 1, 1],
        }
    }
}

impl DitConfig {
    /// Why no transformer can have these sizes, if that is so.
    pub fn fault(&self) -> Option<String> {
        if [self.width, self.heads, self.hidden, self.channels, self.words].contains(&0) {
            return Some("`width`, `heads` and `hidden` of a transformer are at least 1".into());
        }
        if !self.width.is_multiple_of(2 * self.heads) {
            let Self { width, heads, .. } = self;
            return Some(format!(
                "`width` {width} is not an even number for each of {heads} heads"
            ));
        }
        let stranger = self.layers.chars().find(|&layer| layer != 'F' && layer != 'S');
        stranger.map(|letter| format!("`layers` knows `F` and `S`, not `{letter}`"))
    }

    /// The transformer of the embedded model, for a vocabulary of `words` rows.
    pub fn first_light(words: usize) -> Self {
        Self {
            width: 192,
            heads: 3,
            hidden: 512,
            layers: "SFSFSFSF".into(),
            refiner: 1,
            channels: 32,
            words,
        }
    }

    /// A tiny one for tests.
    pub fn tiny(words: usize) -> Self {
        Self {
            width: 32,
            heads: 2,
            hidden: 48,
            layers: "SF".into(),
            refiner: 1,
            channels: 8,
            words,
        }
    }
}
