//! The published Wan models: sizes of their transformers, and the settings that their authors use.

use crate::ModelError;

/// Latent cells along one side of the patch that a token holds; one latent frame deep.
pub const PATCH: usize = 2;
/// Video frames in one latent frame; the first latent frame holds one.
pub const FRAMES: usize = 4;
/// Rows of the text context, zero behind the tokens of the prompt.
pub const TEXT_ROWS: usize = 512;

/// What the authors' models should not show, in the words that they were trained with.
pub const NEGATIVE_PROMPT: &str = "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，\
    低质量，JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，\
    静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走";

/// Sizes of a transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DitConfig {
    /// Attention heads.
    pub heads: usize,
    /// Width of a head; even.
    pub d_head: usize,
    /// Width of the perceptron.
    pub ffn: usize,
    /// Blocks.
    pub layers: usize,
    /// Channels of the input: latent, and with images mask and condition.
    pub in_channels: usize,
    /// Channels of the output: the latent's.
    pub out_channels: usize,
    /// Width of a row of the text context.
    pub text_width: usize,
    /// Sine and cosine features of a time; even.
    pub time_features: usize,
    /// Width of a row of the image context; `None` for a model that takes none.
    pub image_width: Option<usize>,
}

impl DitConfig {
    /// Wan 2.1 text-to-video, 1.3 billion parameters.
    pub fn t2v_1_3b() -> Self {
        Self { heads: 12, ffn: 8960, layers: 30, ..Self::t2v_14b() }
    }

    /// Wan 2.1 text-to-video, 14 billion parameters; also each of the two experts of Wan 2.2.
    pub fn t2v_14b() -> Self {
        Self {
            heads: 40,
            d_head: 128,
            ffn: 13_824,
            layers: 40,
            in_channels: 16,
            out_channels: 16,
            text_width: 4096,
            time_features: 256,
            image_width: None,
        }
    }

    /// Wan 2.1 image-to-video: the image comes as channels of the input and as rows of CLIP.
    pub fn i2v_14b() -> Self {
        Self { image_width: Some(1280), ..Self::i2v_a14b() }
    }

    /// An expert of Wan 2.2 image-to-video: the image comes as channels of the input.
    pub fn i2v_a14b() -> Self {
        Self { in_channels: 36, ..Self::t2v_14b() }
    }

    /// Wan 2.2 text-and-image-to-video, 5 billion parameters.
    pub fn ti2v_5b() -> Self {
        Self {
            heads: 24,
            ffn: 14_336,
            layers: 30,
            in_channels: 48,
            out_channels: 48,
            ..Self::t2v_14b()
        }
    }

    /// Width `D` of a token.
    pub fn width(&self) -> usize {
        self.heads * self.d_head
    }

    /// Values of a token where it leaves the network.
    pub fn token_values(&self) -> usize {
        PATCH * PATCH * self.out_channels
    }

    /// The name and shape of every tensor, named as `diffusers` names it, weights as `[out, in, ..]`.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let d = self.width();
        let mut list = TensorList::default();
        list.add("patch_embedding.weight", &[d, self.in_channels, 1, PATCH, PATCH]);
        list.add("patch_embedding.bias", &[d]);
        list.linear("condition_embedder.time_embedder.linear_1", self.time_features, d);
        list.linear("condition_embedder.time_embedder.linear_2", d, d);
        list.linear("condition_embedder.time_proj", d, 6 * d);
        list.linear("condition_embedder.text_embedder.linear_1", self.text_width, d);
        list.linear("condition_embedder.text_embedder.linear_2", d, d);
        if let Some(width) = self.image_width {
            list.norm("condition_embedder.image_embedder.norm1", width);
            list.linear("condition_embedder.image_embedder.ff.net.0.proj", width, width);
            list.linear("condition_embedder.image_embedder.ff.net.2", width, d);
            list.norm("condition_embedder.image_embedder.norm2", d);
        }
        for idx in 0..self.layers {
            list.block(&format!("blocks.{idx}"), self);
        }
        list.add("scale_shift_table", &[1, 2, d]);
        list.linear("proj_out", d, self.token_values());
        list.0
    }

    /// How many numbers the tensors hold.
    pub fn parameters(&self) -> u64 {
        let size = |shape: &[usize]| shape.iter().map(|&n| n as u64).product::<u64>();
        self.tensors().iter().map(|(_, shape)| size(shape)).sum()
    }
}

#[derive(Default)]
struct TensorList(Vec<(String, Vec<usize>)>);

impl TensorList {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((name.into(), shape.into()));
    }

    fn linear(&mut self, name: &str, k: usize, n: usize) {
        self.add(&format!("{name}.weight"), &[n, k]);
        self.add(&format!("{name}.bias"), &[n]);
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width]);
        self.add(&format!("{name}.bias"), &[width]);
    }

    fn block(&mut self, name: &str, cfg: &DitConfig) {
        let d = cfg.width();
        self.add(&format!("{name}.scale_shift_table"), &[1, 6, d]);
        for attention in ["attn1", "attn2"] {
            for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                self.linear(&format!("{name}.{attention}.{part}"), d, d);
            }
            self.add(&format!("{name}.{attention}.norm_q.weight"), &[d]);
            self.add(&format!("{name}.{attention}.norm_k.weight"), &[d]);
        }
        if cfg.image_width.is_some() {
            self.linear(&format!("{name}.attn2.add_k_proj"), d, d);
            self.linear(&format!("{name}.attn2.add_v_proj"), d, d);
            self.add(&format!("{name}.attn2.norm_added_k.weight"), &[d]);
        }
        self.norm(&format!("{name}.norm2"), d);
        self.linear(&format!("{name}.ffn.net.0.proj"), d, cfg.ffn);
        self.linear(&format!("{name}.ffn.net.2"), cfg.ffn, d);
    }
}

/// How a model is given a first image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageInput {
    /// It is not.
    None,
    /// It may be: as the first latent frame, without noise, at time 0.
    FirstFrame,
    /// Always: as channels of the input.
    Channels,
    /// Always: as channels of the input and as rows of CLIP.
    ChannelsAndClip,
}

/// The two experts of Wan 2.2: one for high noise, one for low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Experts {
    /// The noise level from which the high one predicts, in 0..1.
    pub boundary: f64,
    /// Guidance weight of the low one.
    pub low_guidance: f64,
}

/// A published model, and how its authors run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Such as `wan2.1-t2v-1.3b`.
    pub name: &'static str,
    /// The transformer, or each of two.
    pub dit: DitConfig,
    /// Two experts instead of one transformer.
    pub experts: Option<Experts>,
    /// Pixels along one side of a latent cell: 8 with the autoencoder of 2.1, 16 with that of 2.2.
    pub cell_px: usize,
    /// How it is given an image.
    pub image: ImageInput,
    /// Where its authors keep it on their hub.
    pub hub: &'static str,
    /// Frames of a video.
    pub frames: usize,
    /// Frames a second.
    pub fps: u32,
    /// Denoising steps.
    pub steps: usize,
    /// Guidance weight; with experts that of the high one.
    pub guidance: f64,
    /// Schedule shift.
    pub shift: f64,
    /// Schedule shift for videos of 480 lines.
    pub shift_480p: f64,
}

impl Preset {
    /// Wan 2.1 text-to-video, 1.3 billion parameters.
    pub fn t2v_1_3b() -> Self {
        let dit = DitConfig::t2v_1_3b();
        let (name, hub) = ("wan2.1-t2v-1.3b", "Wan-AI/Wan2.1-T2V-1.3B-Diffusers");
        Self { name, hub, dit, guidance: 6.0, shift: 8.0, shift_480p: 8.0, ..Self::t2v_14b() }
    }

    /// Wan 2.1 text-to-video, 14 billion parameters.
    pub fn t2v_14b() -> Self {
        Self {
            name: "wan2.1-t2v-14b",
            hub: "Wan-AI/Wan2.1-T2V-14B-Diffusers",
            dit: DitConfig::t2v_14b(),
            experts: None,
            cell_px: 8,
            image: ImageInput::None,
            frames: 81,
            fps: 16,
            steps: 50,
            guidance: 5.0,
            shift: 5.0,
            shift_480p: 5.0,
        }
    }

    /// Wan 2.1 image-to-video, 16 billion parameters.
    pub fn i2v_14b() -> Self {
        Self {
            name: "wan2.1-i2v-14b",
            hub: "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
            dit: DitConfig::i2v_14b(),
            image: ImageInput::ChannelsAndClip,
            steps: 40,
            shift_480p: 3.0,
            ..Self::t2v_14b()
        }
    }

    /// Wan 2.2 text-and-image-to-video, 5 billion parameters.
    pub fn ti2v_5b() -> Self {
        Self {
            name: "wan2.2-ti2v-5b",
            hub: "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
            dit: DitConfig::ti2v_5b(),
            cell_px: 16,
            image: ImageInput::FirstFrame,
            frames: 121,
            fps: 24,
            ..Self::t2v_14b()
        }
    }

    /// Wan 2.2 text-to-video, two experts of 14 billion parameters.
    pub fn t2v_a14b() -> Self {
        Self {
            name: "wan2.2-t2v-a14b",
            hub: "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
            experts: Some(Experts { boundary: 0.875, low_guidance: 3.0 }),
            steps: 40,
            guidance: 4.0,
            shift: 12.0,
            shift_480p: 12.0,
            ..Self::t2v_14b()
        }
    }

    /// Wan 2.2 image-to-video, two experts of 14 billion parameters.
    pub fn i2v_a14b() -> Self {
        Self {
            name: "wan2.2-i2v-a14b",
            hub: "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
            dit: DitConfig::i2v_a14b(),
            experts: Some(Experts { boundary: 0.9, low_guidance: 3.5 }),
            image: ImageInput::Channels,
            steps: 40,
            guidance: 3.5,
            ..Self::t2v_14b()
        }
    }

    /// All of them, small ones first.
    pub fn all() -> [Self; 6] {
        [
            Self::t2v_1_3b(),
            Self::ti2v_5b(),
            Self::t2v_14b(),
            Self::i2v_14b(),
            Self::t2v_a14b(),
            Self::i2v_a14b(),
        ]
    }

    /// Sides of a frame are multiples of this, in pixels: one token.
    pub fn side_step_px(&self) -> usize {
        PATCH * self.cell_px
    }

    /// The latent frames, rows and columns of a video.
    ///
    /// # Errors
    /// [`ModelError::Request`] if the size or the number of frames does not fit; its hint names the nearest that does
    pub fn latent_size(
        &self,
        (width, height): (usize, usize),
        frames: usize,
    ) -> Result<[usize; 3], ModelError> {
        let step = self.side_step_px();
        let nearest = |side: usize| ((side.saturating_sub(1) + step / 2) / step).max(1) * step;
        let (near_width, near_height) = (nearest(width), nearest(height));
        if (width, height) != (near_width, near_height) {
            return Err(ModelError::Request {
                message: format!("`{width}x{height}` is no size of `{}`", self.name),
                hint: format!(
                    "sides are multiples of {step}, the nearest size is `{near_width}x{near_height}`"
                ),
            });
        }
        let near_frames = (frames.saturating_sub(1) + FRAMES / 2) / FRAMES * FRAMES + 1;
        if frames != near_frames {
            return Err(ModelError::Request {
                message: format!("`{frames}` is no number of frames of `{}`", self.name),
                hint: format!("it is one more than a multiple of {FRAMES}, such as {near_frames}"),
            });
        }
        Ok([(frames - 1) / FRAMES + 1, height / self.cell_px, width / self.cell_px])
    }
}
