//! The table of families, and where a family's type is erased.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Tensor;
use hibari_diffusion::{Branch, Guidance, Latent, NoisePlan, Step};
use hibari_media::Frame;
use hibari_models::lark::{self, Lark};
use hibari_models::text::{MiniLm, Names};
use hibari_models::wan;
use hibari_models::{ModelError, ModelSpec, TimedText, VideoModel, Window};
use hibari_weights::WeightIndex;
use hibari_world::NearestWord;
use hibari_world::grounding::known_names;

use crate::error::PipelineError;
use crate::pixels::{frame_from_pixels, pixels_from_frames};

/// Where a model is.
#[derive(Debug)]
pub enum Source {
    /// A file that hibari wrote.
    File(WeightIndex),
    /// A folder with a file or more for each part.
    Folder(PathBuf),
}

/// What a model is told to show, and not to.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Told {
    /// In words.
    Text {
        /// What to show.
        positive: TimedText,
        /// What not to.
        negative: TimedText,
    },
    /// In token states `[1, L, D]` that another program encoded.
    States {
        /// What to show.
        positive: Tensor<3>,
        /// What not to.
        negative: Tensor<3>,
    },
}

/// Makes a model of what is there; the second is the text encoder of models that are trained here.
pub type Load = fn(&Source, &WeightIndex) -> Result<Box<dyn Generator>, ModelError>;

/// A published architecture.
pub struct Family {
    /// Its name.
    pub id: &'static str,
    /// Whether this is a model of the family.
    pub matches: fn(&Source) -> bool,
    /// Loads them.
    pub load: Load,
}

/// All families.
pub static FAMILIES: &[Family] = &[
    Family {
        id: "lark",
        matches: |source| matches!(source, Source::File(index) if lark::matches(index)),
        load: |source, text| {
            let index = source.file()?;
            let model = Lark::new(lark::load(index)?, Arc::new(MiniLm::load(text)?));
            Ok(erase(model, Some(Lark::text_encoder), index.hash()))
        },
    },
    Family {
        id: "wan",
        matches: |source| matches!(source, Source::Folder(folder) if wan::matches(folder)),
        load: |source, _text| {
            let model = wan::load(source.path(), &hibari_models::device())?;
            let sha256 = model.fingerprint().to_owned();
            Ok(erase(model, None, &sha256))
        },
    },
];

impl Source {
    /// Opens a file or a folder.
    ///
    /// # Errors
    /// if it is a file that cannot be read, is damaged, or was not written by hibari
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        Ok(Self::File(WeightIndex::open(path)?))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(index) => index.path(),
            Self::Folder(folder) => folder,
        }
    }

    fn file(&self) -> Result<&WeightIndex, ModelError> {
        match self {
            Self::File(index) => Ok(index),
            Self::Folder(folder) => Err(ModelError::Request {
                message: format!("`{}` is a folder", folder.display()),
                hint: "name a file of weights".into(),
            }),
        }
    }
}

/// Loads a model by the family that knows it; `text` holds the text encoder of models that are trained here.
///
/// # Errors
/// if no family knows it, or it is damaged
pub fn load(source: &Source, text: &WeightIndex) -> Result<Box<dyn Generator>, PipelineError> {
    let family = FAMILIES.iter().find(|family| (family.matches)(source));
    let family =
        family.ok_or_else(|| PipelineError::Family { path: source.path().to_path_buf() })?;
    tracing::debug!(family = family.id, weights = %source.path().display(), "loading");
    Ok((family.load)(source, text)?)
}

/// A loaded model of any family.
pub trait Generator: Send {
    /// What it can make.
    fn spec(&self) -> &ModelSpec;

    /// The SHA-256 of its weights, or of what tells a folder of them from others, in hexadecimal.
    fn sha256(&self) -> &str;

    /// The vocabulary's name that is nearest to `word`, if any is near.
    fn nearest(&mut self, word: &str) -> Option<NearestWord>;

    /// Denoises `start` along `plan`, as it is told.
    ///
    /// # Shapes
    /// `[1, C, f, h, w]` in and out, `f` the length of the window
    /// # Errors
    /// if what it is told does not fit the model, or [`PipelineError::Canceled`] if `progress` breaks
    fn denoise(
        &mut self,
        told: &Told,
        window: &Window,
        start: Latent,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError>;

    /// Frames, as many as some latent frames have, to latents `[1, C, f, h, w]`.
    fn encode(&self, frames: &[Frame]) -> Tensor<5>;

    /// Frames, a whole number of latent frames of them, to latents and back: what the autoencoder loses.
    ///
    /// # Errors
    /// if the model returns nonsense
    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError>;

    /// Latents `[1, C, f, h, w]` to frames `[1, 3, H, W]` in [-1, 1], in order; stops when `frame` breaks.
    fn decode(&self, latents: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>);
}

/// Hides the type of `model`, whose weights have that hash and whose text encoder, if it can tell how near words are,
/// `encoder` names.
pub fn erase<M: VideoModel + 'static>(
    model: M,
    encoder: Option<fn(&M) -> &MiniLm>,
    sha256: &str,
) -> Box<dyn Generator> {
    Box::new(Loaded { model, encoder, names: None, sha256: sha256.to_owned() })
}

struct Loaded<M> {
    model: M,
    encoder: Option<fn(&M) -> &MiniLm>,
    /// The vocabulary, encoded when the first unknown word asks for it.
    names: Option<Names>,
    sha256: String,
}

impl<M: VideoModel> Generator for Loaded<M> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn nearest(&mut self, word: &str) -> Option<NearestWord> {
        let encoder = self.encoder?(&self.model);
        let names = self.names.get_or_insert_with(|| {
            let names: Vec<&str> = known_names().into_iter().map(|(name, _slot)| name).collect();
            Names::new(encoder, &names)
        });
        let (name, similarity) = names.nearest(encoder, word)?;
        Some(NearestWord { name: name.to_owned(), similarity })
    }

    fn denoise(
        &mut self,
        told: &Told,
        window: &Window,
        start: Latent,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError> {
        let model = &mut self.model;
        let (positive, negative) = match told {
            Told::Text { positive, negative } => {
                (model.condition(positive, window)?, model.condition(negative, window)?)
            }
            Told::States { positive, negative } => (
                model.condition_on_states(positive.clone(), window)?,
                model.condition_on_states(negative.clone(), window)?,
            ),
        };
        let mut predict = |noisy, sigma, branch| {
            let cond = match branch {
                Branch::Positive => &positive,
                Branch::Negative => &negative,
            };
            self.model.predict(noisy, sigma, cond)
        };
        let mut solver = self.model.spec().method.solver();
        let solver = solver.as_mut();
        hibari_diffusion::denoise(start, plan, solver, guidance, &mut predict, progress)
            .map_err(|_canceled| PipelineError::Canceled)
    }

    fn encode(&self, frames: &[Frame]) -> Tensor<5> {
        self.model.encode(pixels_from_frames(frames))
    }

    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError> {
        let latents = self.encode(frames);
        let mut back = Vec::with_capacity(frames.len());
        let mut failed = None;
        self.model.decode(latents, &mut |pixels| {
            match frame_from_pixels(pixels) {
                Ok(frame) => back.push(frame),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        failed.map_or(Ok(back), Err)
    }

    fn decode(&self, latents: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>) {
        self.model.decode(latents, frame);
    }
}
