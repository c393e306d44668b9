//! The two autoencoders' sizes and the statistics of their latents.

/// Video frames in one latent frame, but for the first, which holds one.
pub const FRAMES: usize = 4;
/// Levels, of which each has half the height and width of the one before.
pub(super) const LEVELS: usize = 4;
/// Which of the three downscalings of the encoder also halve the frame rate; the decoder's mirror them.
pub(in crate::wan) const HALVES_TIME: [bool; 3] = [false, true, true];

/// The generation of an autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaeVersion {
    /// Wan 2.1 and the 14b models of 2.2: cells of 8 pixels, 16 channels.
    V21,
    /// `ti2v-5b` of Wan 2.2: patches of 2 pixels, shortcuts around each level; cells of 16 pixels, 48 channels.
    V22,
}

/// Sizes of an autoencoder, and the statistics of its latents.
#[derive(Clone, Debug, PartialEq)]
pub struct VaeConfig {
    /// The generation.
    pub version: VaeVersion,
    /// Channels of the encoder's first level.
    pub encoder_base: usize,
    /// Channels of the decoder's last level.
    pub decoder_base: usize,
    /// Channels of each level, in multiples of the base.
    pub multiples: [usize; LEVELS],
    /// Residual blocks of an encoder level; a decoder level has one more.
    pub blocks: usize,
    /// Means of the latent channels over the training data.
    pub latent_mean: Vec<f32>,
    /// Standard deviations of the latent channels.
    pub latent_std: Vec<f32>,
}

impl VaeConfig {
    /// The autoencoder of Wan 2.1: 126,892,531 parameters.
    pub fn wan21() -> Self {
        Self {
            version: VaeVersion::V21,
            encoder_base: 96,
            decoder_base: 96,
            multiples: [1, 2, 4, 4],
            blocks: 2,
            latent_mean: MEAN_21.into(),
            latent_std: STD_21.into(),
        }
    }

    /// The autoencoder of Wan 2.2 `ti2v-5b`: 704,688,668 parameters.
    pub fn wan22() -> Self {
        Self {
            version: VaeVersion::V22,
            encoder_base: 160,
            decoder_base: 256,
            latent_mean: MEAN_22.into(),
            latent_std: STD_22.into(),
            ..Self::wan21()
        }
    }

    /// Latent channels.
    pub fn channels(&self) -> usize {
        self.latent_mean.len()
    }

    /// Pixels along one side of the patches that the networks see.
    pub fn patch_px(&self) -> usize {
        match self.version {
            VaeVersion::V21 => 1,
            VaeVersion::V22 => 2,
        }
    }

    /// Pixels along one side of a latent cell.
    pub fn cell_px(&self) -> usize {
        8 * self.patch_px()
    }

    /// Whether levels have shortcuts.
    pub(super) fn has_shortcuts(&self) -> bool {
        self.version == VaeVersion::V22
    }

    /// Values of one position that the networks see.
    pub(super) fn pixel_channels(&self) -> usize {
        3 * self.patch_px().pow(2)
    }
}

#[rustfmt::skip]
const MEAN_21: [f32; 16] = [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
    -0.1922, -0.9497, 0.2503, -0.2921,
];
#[rustfmt::skip]
const STD_21: [f32; 16] = [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382,
    1.1253, 2.8251, 1.916,
];
#[rustfmt::skip]
const MEAN_22: [f32; 48] = [
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891, 0.157,
    -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502, -0.2055,
    -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.123, -0.0313, -0.1649, 0.0117, 0.0723, -0.2839,
    -0.2083, -0.052, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
];
#[rustfmt::skip]
const STD_22: [f32; 48] = [
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.499, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885,
    0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338,
    0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458,
    1.6887, 0.3971, 1.06, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
];
