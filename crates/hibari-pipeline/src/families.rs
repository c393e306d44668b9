//! The table of families, and where a family's type is erased.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Tensor;
use hibari_diffusion::{Branch, Guidance, Latent, NoisePlan, Position, Sigma, Step};
use hibari_media::Frame;
use hibari_models::lark::{self, Lark};
use hibari_models::source::{Inspection, Settings};
use hibari_models::text::{MiniLm, Names};
use hibari_models::wan;
use hibari_models::{Estimate, ModelError, ModelSpec, Picture, TimedText, VideoModel, Window};
use hibari_weights::{Checkpoint, WeightIndex, WeightsError};
use hibari_world::NearestWord;
use hibari_world::grounding::known_names_of;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::pixels::{frame_from_pixels, pixels_from_frames};
use crate::prompt;

/// Where a model is.
#[derive(Debug)]
pub enum Source {
    /// A file that hibari wrote.
    Own(WeightIndex),
    /// A file that others wrote, or a folder with a file or more for each part.
    Published {
        /// Where it is.
        path: PathBuf,
        /// What belongs to it, and how it is loaded.
        settings: Settings,
    },
}

/// What a model is told to show, and not to.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Told {
    /// In words.
    Text {
        /// What to show, shot by shot.
        positive: Vec<ShotText>,
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

/// The text of one shot. Shots are denoised and decoded each for itself, with a cut between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShotText {
    /// How long it is, in latent frames.
    pub latents: usize,
    /// The text that the model sees.
    pub text: String,
}

/// What a model is shown beside the prompt.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The picture that the video begins with.
    pub picture: Picture,
    /// Side of the tiles that it is encoded in, if it is: less memory, and values that differ a little.
    pub tile_px: Option<usize>,
}

/// Makes a model of what is there; the second is the text encoder of models that are trained here.
pub type Load = fn(&Source, &WeightIndex) -> Result<Box<dyn Generator>, ModelError>;

/// Tells what the files at a path hold.
pub type Inspect = fn(&Path) -> Result<Inspection, ModelError>;

/// A published architecture.
pub struct Family {
    /// Its name.
    pub id: &'static str,
    /// Whether this is a model of the family.
    pub matches: fn(&Source) -> bool,
    /// Loads them.
    pub load: Load,
    /// What the files at a path hold; `None` for a family that is in one file of hibari's own.
    pub inspect: Option<Inspect>,
    /// Its published models: their names, and where they are on the hub.
    pub presets: fn() -> Vec<(&'static str, &'static str)>,
}

/// All families.
pub static FAMILIES: &[Family] = &[
    Family {
        id: "lark",
        matches: |source| matches!(source, Source::Own(index) if lark::matches(index)),
        load: |source, text| {
            let index = source.own()?;
            let model = Lark::new(lark::load(index)?, Arc::new(MiniLm::load(text)?));
            Ok(erase(model, Some(Lark::text_encoder), index.hash()))
        },
        inspect: None,
        presets: Vec::new,
    },
    Family {
        id: "wan",
        matches: |source| matches!(source, Source::Published { path, .. } if wan::matches(path)),
        load: |source, _text| {
            let (path, settings) = source.published()?;
            let model = wan::load(path, settings, &hibari_models::device())?;
            let sha256 = model.fingerprint().to_owned();
            Ok(erase(model, None, &sha256))
        },
        inspect: Some(wan::inspect),
        presets: || wan::Preset::all().map(|preset| (preset.name, preset.hub)).to_vec(),
    },
];

impl Source {
    /// Opens a file or a folder; the settings are for those that others wrote.
    ///
    /// # Errors
    /// if it is a file that cannot be read or is damaged, or was written by hibari and the settings name more files
    pub fn open(path: &Path, settings: Settings) -> Result<Self, PipelineError> {
        if !path.is_dir() && !is_gguf(path) {
            match WeightIndex::open(path) {
                Ok(index) if settings.more.is_empty() && settings.loras.is_empty() => {
                    return Ok(Self::Own(index));
                }
                Ok(_) => return Err(PipelineError::Settings { path: path.to_path_buf() }),
                Err(WeightsError::Unhashed { .. }) => {}
                // The other reader knows what else a file may be.
                Err(error) => return Err(Checkpoint::open(path).err().unwrap_or(error).into()),
            }
        }
        Ok(Self::Published { path: path.to_path_buf(), settings })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(index) => index.path(),
            Self::Published { path, .. } => path,
        }
    }

    fn own(&self) -> Result<&WeightIndex, ModelError> {
        match self {
            Self::Own(index) => Ok(index),
            Self::Published { path, .. } => Err(ModelError::Request {
                message: format!("`{}` was not written by hibari", path.display()),
                hint: "name a file of weights that `hibari train` made".into(),
            }),
        }
    }

    fn published(&self) -> Result<(&Path, &Settings), ModelError> {
        match self {
            Self::Published { path, settings } => Ok((path, settings)),
            Self::Own(index) => Err(ModelError::Request {
                message: format!("`{}` is no published model", index.path().display()),
                hint: "name a folder or a file of one".into(),
            }),
        }
    }
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gguf")
}

/// Loads a model by the family that knows it; `text` holds the text encoder of models that are trained here.
///
/// # Errors
/// if no family knows it, or it is damaged
pub fn load(source: &Source, text: &WeightIndex) -> Result<Box<dyn Generator>, PipelineError> {
    let family = family_of(source)?;
    tracing::debug!(family = family.id, weights = %source.path().display(), "loading");
    Ok((family.load)(source, text)?)
}

/// The family that knows a model.
fn family_of(source: &Source) -> Result<&'static Family, PipelineError> {
    if let Some(family) = FAMILIES.iter().find(|family| (family.matches)(source)) {
        return Ok(family);
    }
    let path = source.path().to_path_buf();
    // What it is not, it may not be because it is damaged.
    if matches!(source, Source::Published { .. }) && path.is_file() {
        Checkpoint::open(&path)?;
    }
    Err(PipelineError::Family { path })
}

/// Where a published model of this name is on the hub.
pub fn hub_id(preset: &str) -> Option<&'static str> {
    let mut all = FAMILIES.iter().flat_map(|family| (family.presets)());
    all.find(|(name, _)| *name == preset).map(|(_, id)| id)
}

/// What the files at `path` hold.
///
/// # Errors
/// if no family knows them, or they are damaged
pub fn inspect(path: &Path) -> Result<Inspection, PipelineError> {
    let source = Source::Published { path: path.to_path_buf(), settings: Settings::default() };
    let unknown = || PipelineError::Family { path: path.to_path_buf() };
    Ok((family_of(&source)?.inspect.ok_or_else(unknown)?)(path)?)
}

/// A loaded model of any family.
pub trait Generator: Send {
    /// What it can make.
    fn spec(&self) -> &ModelSpec;

    /// The SHA-256 of its weights, or of what tells a folder of them from others, in hexadecimal.
    fn sha256(&self) -> &str;

    /// The vocabulary's name that is nearest to `word`, if any is near.
    fn nearest(&mut self, word: &str) -> Option<NearestWord>;

    /// Denoises along `plan` from `start` on, as it is told and shown.
    ///
    /// # Shapes
    /// `[1, C, f, h, w]` in and out, `f` the length of the window
    /// # Errors
    /// if what it is told does not fit the model, or [`PipelineError::Canceled`] if `progress` breaks
    fn denoise(
        &mut self,
        told: &Told,
        shown: Option<&Shown>,
        window: &Window,
        start: Position,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError>;

    /// Frames, as many as some latent frames have, to latents `[1, C, f, h, w]`.
    fn encode(&self, frames: &[Frame]) -> Tensor<5>;

    /// Frames, a whole number of latent frames of them, to latents and back: what the autoencoder loses.
    ///
    /// # Errors
    /// if the model returns nonsense
    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError>;

    /// What a window asks of the machine, if that is much.
    fn estimate(&self, window: &Window) -> Option<Estimate>;

    /// Latents to frames, see [`VideoModel::decode`].
    fn decode(
        &self,
        latents: Tensor<5>,
        tile_px: Option<usize>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    );
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

/// How one shot is conditioned.
struct Conds<C> {
    latents: usize,
    positive: C,
    negative: C,
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
        let mix = prompt::mix_of(self.model.spec())?;
        let names = self.names.get_or_insert_with(|| {
            let names: Vec<&str> =
                known_names_of(mix).into_iter().map(|(name, _slot)| name).collect();
            Names::new(encoder, &names)
        });
        let (name, similarity) = names.nearest(encoder, word)?;
        Some(NearestWord { name: name.to_owned(), similarity })
    }

    fn denoise(
        &mut self,
        told: &Told,
        shown: Option<&Shown>,
        window: &Window,
        start: Position,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError> {
        let model = &mut self.model;
        let mut shots = match told {
            Told::Text { positive, negative } => {
                let conds = |shot: &ShotText| {
                    let times = window.times[..shot.latents].to_vec();
                    let window = Window { times, ..window.clone() };
                    let positive = model.condition(&TimedText::whole(&shot.text), &window)?;
                    let negative = model.condition(negative, &window)?;
                    Ok(Conds { latents: shot.latents, positive, negative })
                };
                positive.iter().map(conds).collect::<Result<Vec<_>, ModelError>>()?
            }
            Told::States { positive, negative } => vec![Conds {
                latents: window.times.len(),
                positive: model.condition_on_states(positive.clone(), window)?,
                negative: model.condition_on_states(negative.clone(), window)?,
            }],
        };
        if let Some(Shown { picture, tile_px }) = shown {
            for Conds { positive, negative, .. } in &mut shots {
                model.show(picture, *tile_px, window, [positive, negative])?;
            }
        }
        let mut predict = |noisy: Latent, sigma: Sigma, branch| {
            let mut from = 0;
            let clean = shots.iter().map(|shot| {
                let cond = match branch {
                    Branch::Positive => &shot.positive,
                    Branch::Negative => &shot.negative,
                };
                let (at, n) = (from, shot.latents);
                from += n;
                let noisy = Latent { video: noisy.video.clone().narrow(2, at, n) };
                let [video, time] =
                    [&sigma.video, &sigma.time].map(|levels| levels.clone().narrow(1, at, n));
                self.model.predict(noisy, Sigma { video, time }, cond).video
            });
            Latent { video: Tensor::cat(clean.collect(), 2) }
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
        let go_on = &mut |_, _| ControlFlow::Continue(());
        self.model.decode(latents, None, go_on, &mut |pixels| {
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

    fn estimate(&self, window: &Window) -> Option<Estimate> {
        self.model.estimate(window)
    }

    fn decode(
        &self,
        latents: Tensor<5>,
        tile_px: Option<usize>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    ) {
        self.model.decode(latents, tile_px, piece, frame);
    }
}
