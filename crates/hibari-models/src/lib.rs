//! Model families, text encoders and the layers they share.
//!
//! A family is a folder: [`lark`], [`wan`]. Nothing outside its folder names its tensors; [`VideoModel`] is how the
//! generation loop sees one.

pub mod image;
pub mod lark;
pub mod layers;
pub mod source;
pub mod text;
pub mod wan;

#[cfg(test)]
mod oracle;

pub use hibari_ops::device;

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use hibari_diffusion::{Latent, Method, Sigma};

/// What a family can make, and how it likes to be used.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// The family, such as `lark`.
    pub family: &'static str,
    /// The preset, such as `lark-first-light`.
    pub preset: String,
    /// Sizes that the model was trained at, `(width, height)` in pixels, the usual one first.
    pub sizes: Vec<(usize, usize)>,
    /// For a model that makes other sizes too: what their sides are multiples of.
    pub side_step: Option<usize>,
    /// Frames a second of its videos.
    pub fps: u32,
    /// Latent channels `C`.
    pub channels: usize,
    /// Pixels along one side of a latent cell.
    pub cell_px: usize,
    /// Video frames in the first latent frame of a take.
    pub first_frames: usize,
    /// Video frames in each later one.
    pub frames_per_latent: usize,
    /// The usual window, in latent frames.
    pub usual_window: usize,
    /// Longest window, in latent frames.
    pub max_window: usize,
    /// Denoising steps.
    pub steps: usize,
    /// Guidance weight.
    pub guidance: f64,
    /// For a model that has another expert for low noise: when, and how it is guided.
    pub low_noise: Option<LowNoise>,
    /// Noise levels between which guidance acts, see [`hibari_diffusion::Guidance`].
    pub guided: (f64, f64),
    /// What videos should not show; empty for a model whose negative branch has no text.
    pub negative: String,
    /// Schedule shift.
    pub shift: f64,
    /// Solver and schedule.
    pub method: Method,
    /// How it is given the picture that a video begins with.
    pub first_picture: FirstPicture,
    /// Caption words that it knows, for a model that wants prompts in the words of the simulated world; empty for one that
    /// reads them as they are.
    pub words: Vec<String>,
}

/// The part of denoising that an expert of its own does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowNoise {
    /// It works below this noise level.
    pub below: f64,
    /// Guidance weight there.
    pub guidance: f64,
}

/// How a model is given the picture that a video begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPicture {
    /// It takes none.
    None,
    /// There may be one: as the clean first latent frame.
    Frame,
    /// There must be one, which the model is shown beside the prompt, see [`VideoModel::show`]; also as a square, if it has
    /// an image encoder.
    Shown(Option<Square>),
}

/// What an image encoder sees of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Square {
    /// Its side, in pixels.
    pub side_px: usize,
    /// Whether it is the middle of the picture; else it is all of it, whose proportions are lost.
    pub is_middle: bool,
}

/// The picture that a video begins with, for models that are shown one.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `[1, 3, 1, H, W]` in [-1, 1], of the size of the video.
    pub pixels: Tensor<5>,
    /// `[1, 3, side_px, side_px]` in 0..1, as [`Square`] says.
    pub square: Option<Tensor<4>>,
}

impl ModelSpec {
    /// Video frames of so many latent frames, at least one.
    pub fn frames(&self, n_latents: usize) -> usize {
        self.first_frames + (n_latents - 1) * self.frames_per_latent
    }
}

/// A prompt; each sentence may have its own time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimedText {
    /// Sentences in order.
    pub sentences: Vec<TimedSentence>,
}

/// One sentence, and when it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedSentence {
    /// The words.
    pub text: String,
    /// Start and end in latent frames of the take; `None` for the whole take.
    pub span: Option<(f32, f32)>,
}

impl TimedText {
    /// One text for the whole take.
    pub fn whole(text: &str) -> Self {
        Self { sentences: vec![TimedSentence { text: text.into(), span: None }] }
    }

    /// The sentences, joined by blanks.
    pub fn joined(&self) -> String {
        self.sentences.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The latent frames of one denoising.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Frame size in pixels, `(width, height)`.
    pub size: (usize, usize),
    /// Time of each latent frame, unit = one latent frame.
    pub times: Vec<f32>,
    /// Whether the window is a single image (one latent frame of equal frames).
    pub still: bool,
}

/// What can go wrong when a model is loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The weights file is damaged, or not this model's.
    #[error(transparent)]
    Weights(#[from] hibari_weights::WeightsError),
    /// The request does not fit the model.
    #[error("{message}")]
    Request {
        /// What does not fit.
        message: String,
        /// What would.
        hint: String,
    },
}

/// A way to decode, and what it asks of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// Side of a tile in pixels; `None` for whole pictures.
    pub tile_px: Option<usize>,
    /// Memory in all.
    pub bytes: u64,
    /// The part of it that the weights have before the work begins.
    pub weight_bytes: u64,
    /// The part of it that each piece of the work takes anew.
    pub piece_bytes: u64,
}

/// What a video asks of the machine, beside what every run needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Memory while the model denoises, its weights included.
    pub denoise_bytes: u64,
    /// Ways to decode, those with less memory last; at least one.
    pub decodings: Vec<Decoding>,
    /// Multiplications and additions of one call of the network.
    pub call_flop: u64,
    /// The same of decoding.
    pub decode_flop: u64,
    /// The same of encoding the picture that the model is shown, for models that are.
    pub encode_flop: u64,
}

/// A family, as the generation loop sees it.
pub trait VideoModel: Send {
    /// The family's own conditioning.
    type Cond;

    /// What the model can make.
    fn spec(&self) -> &ModelSpec;

    /// Encodes the prompt for one window. An empty text is the negative branch.
    ///
    /// # Errors
    /// if the text or the window does not fit the model
    fn condition(&mut self, text: &TimedText, window: &Window) -> Result<Self::Cond, ModelError>;

    /// The condition of token states that another program encoded, `[1, L, D]`.
    ///
    /// # Errors
    /// if the model reads texts only, or the states do not fit it
    fn condition_on_states(
        &mut self,
        _states: Tensor<3>,
        _window: &Window,
    ) -> Result<Self::Cond, ModelError> {
        let family = self.spec().family;
        Err(ModelError::Request {
            message: format!("a model of the family `{family}` takes no token states"),
            hint: "leave out the file of embeddings: this model reads the prompt itself".into(),
        })
    }

    /// Tells both conditions of a video the picture that it begins with; for models whose spec says
    /// [`FirstPicture::Shown`]. `tile_px`: as in [`Self::decode`].
    ///
    /// # Errors
    /// if the model is shown no pictures, or its files cannot be read
    fn show(
        &self,
        _picture: &Picture,
        _tile_px: Option<usize>,
        _window: &Window,
        _conds: [&mut Self::Cond; 2],
    ) -> Result<(), ModelError> {
        let family = self.spec().family;
        Err(ModelError::Request {
            message: format!("a model of the family `{family}` is shown no pictures"),
            hint: "leave out the picture".into(),
        })
    }

    /// What a window asks of the machine; `None` where that is small, as with models that are part of the program.
    fn estimate(&self, _window: &Window) -> Option<Estimate> {
        None
    }

    /// The clean estimate of `noisy`.
    ///
    /// # Shapes
    /// `[B, C, f, h, w]` in and out
    fn predict(&self, noisy: Latent, sigma: Sigma, cond: &Self::Cond) -> Latent;

    /// Pixels to unit-variance latents: `[B, 3, F, H, W]` in [-1, 1] to `[B, C, f, H/cell_px, W/cell_px]`, where `F` is
    /// [`ModelSpec::frames`] of `f`.
    fn encode(&self, pixels: Tensor<5>) -> Tensor<5>;

    /// Latents `[1, C, f, h, w]` to frames `[1, 3, H, W]` in [-1, 1], handed over in order; stops when `frame` breaks, or
    /// `piece`, which is asked before each piece of the work how many of all are done.
    ///
    /// With `tile_px`, one of those that [`Estimate::decodings`] has, in tiles: less memory, and values that differ a little.
    fn decode(
        &self,
        latent: Tensor<5>,
        tile_px: Option<usize>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    );
}
