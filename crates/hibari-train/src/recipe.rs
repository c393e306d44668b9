//! Recipes: what is trained, on which data and for how long, as TOML.

use std::path::{Path, PathBuf};

use hibari_data::ClipPlan;
use hibari_models::lark::config::{AeConfig, DitConfig};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Length, Schedule, Settings};

/// How long and how fast; the same for all stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The folder of the run.
    pub folder: PathBuf,
    /// Seed of all randomness.
    pub seed: u64,
    /// Number of steps; or else:
    pub steps: Option<u64>,
    /// minutes of training.
    pub minutes: Option<f64>,
    /// Learning rate.
    pub rate: f32,
    /// Steps in which the rate rises.
    pub warmup_steps: u64,
    /// Last part of the run in which the rate falls to zero.
    pub decay_share: f32,
    /// Decay of the averaged model.
    pub ema_decay: f32,
    /// Steps between looks at the averaged model.
    pub inspect_every: u64,
}

/// Recipe of `hibari train ae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AeRecipe {
    /// How long and how fast.
    pub run: Run,
    /// Clips to train on.
    pub clips: ClipPlan,
    /// Clips to look at.
    pub held_out: ClipPlan,
    /// Folder of the rendered frames.
    pub data: PathBuf,
    /// A file with an autoencoder of these sizes to start from.
    pub start: Option<PathBuf>,
    /// Whether only the decoder learns; makes sense with `start`.
    #[serde(default)]
    pub frozen_encoder: bool,
    /// Sizes of the network.
    pub model: AeConfig,
    /// Runs in a batch.
    pub batch: usize,
    /// Width and height of the regions that are cut out.
    pub crop: (usize, usize),
}

/// Recipe of `hibari train dit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitRecipe {
    /// How long and how fast.
    pub run: Run,
    /// The trained autoencoder.
    pub ae: PathBuf,
    /// A model to start from.
    pub start: Option<PathBuf>,
    /// Clips that give a still each.
    pub stills: ClipPlan,
    /// Clips that give windows.
    pub clips: ClipPlan,
    /// Clips to look at.
    pub held_out: ClipPlan,
    /// Folder of the latents.
    pub data: PathBuf,
    /// Sizes of the network but the rows of its word table, which the world sets.
    pub model: DitModel,
    /// Stills in a batch.
    pub batch_stills: usize,
    /// Windows in a batch.
    pub batch_windows: usize,
    /// Share of batches that are stills.
    pub still_share: f64,
    /// Lengths of windows, in latent frames.
    pub lengths: Vec<usize>,
    /// Share of windows whose frames all have one noise level.
    pub all_equal: f64,
}

/// Sizes of a transformer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitModel {
    /// Width.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the gated layer.
    pub hidden: usize,
    /// One letter a layer.
    pub layers: String,
    /// Blocks of the text refiner.
    pub refiner: usize,
}

/// Recipe of `hibari train judge`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRecipe {
    /// How long and how fast.
    pub run: Run,
    /// Clips to train on.
    pub clips: ClipPlan,
    /// Clips to look at.
    pub held_out: ClipPlan,
    /// Folder of the rendered frames.
    pub data: PathBuf,
    /// Clips in a batch.
    pub batch: usize,
}

impl AeRecipe {
    /// Why the regions that are cut out cannot be, if that is so.
    pub fn crop_fault(&self) -> Option<String> {
        let (width, height) = self.crop;
        // Frames are 256x144; where other sizes are drawn too, only 144 pixels are common to all.
        let widest = if self.clips.other_sizes > 0.0 { 144 } else { 256 };
        let is_cut = |side: usize, most: usize| side > 0 && side <= most && side.is_multiple_of(16);
        let is_possible = is_cut(width, widest) && is_cut(height, 144);
        (!is_possible).then(|| {
            format!("`crop` of {width}x{height} is not of multiples of 16 up to {widest}x144")
        })
    }
}

impl DitModel {
    /// The sizes for latents of `channels` and a word table of `words` rows.
    pub fn config(&self, channels: usize, words: usize) -> DitConfig {
        let Self { width, heads, hidden, layers, refiner } = self.clone();
        DitConfig { width, heads, hidden, layers, refiner, channels, words }
    }
}

impl Run {
    /// The settings of the training loop.
    ///
    /// # Errors
    /// [`Error::Recipe`] unless exactly one of steps and minutes is given
    pub fn settings(&self) -> Result<Settings, Error> {
        let length = match (self.steps, self.minutes) {
            (Some(steps), None) => Length::Steps(steps),
            (None, Some(minutes)) => Length::BudgetSecs(minutes * 60.0),
            _ => {
                return Err(Error::Recipe {
                    path: self.folder.clone(),
                    message: "`run` wants either `steps` or `minutes`".into(),
                });
            }
        };
        let Self { rate, warmup_steps, decay_share, .. } = *self;
        Ok(Settings {
            length,
            schedule: Schedule { rate, warmup_steps, decay_share },
            clip: 1.0,
            ema_decay: self.ema_decay,
            checkpoint_secs: 300.0,
            inspect_every: self.inspect_every,
            folder: self.folder.clone(),
            seed: self.seed,
        })
    }
}

/// Reads a recipe.
///
/// # Errors
/// [`Error::Recipe`] with the line if it is not one, [`Error::File`] if it cannot be read
pub fn read<R: DeserializeOwned>(path: &Path) -> Result<R, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    toml::from_str(&text).map_err(|error| Error::Recipe {
        path: path.to_path_buf(),
        message: error.to_string().trim().replace('\n', " "),
    })
}
