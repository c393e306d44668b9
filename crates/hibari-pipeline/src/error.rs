//! What can go wrong between a prompt and its frames, in sentences for the person who asked.

use std::path::PathBuf;

use hibari_models::ModelError;
use hibari_weights::WeightsError;

use crate::request::MAX_PROMPT_CHARS;

/// A video that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The prompt has no words.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is longer than anyone reads.
    #[error("the prompt has {chars} characters, more than {MAX_PROMPT_CHARS}")]
    LongPrompt {
        /// Its length.
        chars: usize,
    },
    /// A setting has a value that the model cannot make.
    #[error("{setting} `{value}` cannot be made by this model")]
    Setting {
        /// Which setting, such as `size`.
        setting: &'static str,
        /// The value asked for.
        value: String,
        /// The nearest value that can be made.
        nearest: String,
        /// All that can, in words.
        valid: String,
    },
    /// The model takes no picture.
    #[error("the model `{preset}` cannot begin with the picture `{}`", path.display())]
    Image {
        /// The picture.
        path: PathBuf,
        /// The model.
        preset: String,
    },
    /// The model needs a picture.
    #[error("the model `{preset}` makes videos of a picture, and none is given")]
    NoImage {
        /// The model.
        preset: String,
    },
    /// The picture cannot be read.
    #[error(transparent)]
    Media(#[from] hibari_media::MediaError),
    /// No family knows these weights.
    #[error("weights `{}` are of no family that hibari knows", path.display())]
    Family {
        /// The file.
        path: PathBuf,
    },
    /// More files were given for a model that is in one.
    #[error("`{}` is a whole model, which takes no other files", path.display())]
    Settings {
        /// The model.
        path: PathBuf,
    },
    /// The model refuses.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of weights or latents cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file holds something else than a video in the making.
    #[error("`{}` does not hold a video in the making: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds something else than token states.
    #[error("`{name}` in `{}` is not of shape [1, L, D]", path.display())]
    States {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The state belongs to another model.
    #[error("`{}` was begun by another model", path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
    },
    /// It does not fit into the memory.
    #[error("the video needs {need_mb} MB of memory, {have_mb} are available")]
    Memory {
        /// Megabytes that it needs at least.
        need_mb: u64,
        /// Megabytes that there are.
        have_mb: u64,
        /// What fits, in words.
        nearest: Option<String>,
    },
    /// What was denoised cannot be decoded now.
    #[error("decoding needs {need_mb} MB of memory in its smallest tiles, {have_mb} are available")]
    Decoding {
        /// Megabytes that it needs at least.
        need_mb: u64,
        /// Megabytes that there are.
        have_mb: u64,
    },
    /// The model returned infinities or no numbers.
    #[error("the model returned values that are not finite")]
    NotFinite,
    /// The caller asked to stop.
    #[error("canceled")]
    Canceled,
}

impl PipelineError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::EmptyPrompt => "describe a scene, such as \"a red ball rolls on a table\"".into(),
            Self::LongPrompt { .. } => "describe the scene in a few sentences".into(),
            Self::Setting { nearest, valid, .. } => {
                format!("the nearest is `{nearest}`; it makes {valid}")
            }
            Self::Image { .. } => {
                "leave it out, or use a model that begins with one: those with `i2v` in their names"
                    .into()
            }
            Self::NoImage { .. } => "give one with `--image FILE.png`".into(),
            Self::Media(_) => "give a PNG or WebP file".into(),
            Self::Family { .. } => {
                let known: Vec<&str> = crate::FAMILIES.iter().map(|family| family.id).collect();
                format!("use weights of one of these families: {}", known.join(", "))
            }
            Self::Settings { .. } => "leave out `--with` and `--lora`".into(),
            Self::Model(ModelError::Request { hint, .. }) => hint.clone(),
            Self::Model(ModelError::Weights(error)) | Self::Weights(error) => error.hint().into(),
            Self::State { .. } => "use a file that `hibari generate` left behind".into(),
            Self::States { .. } => "give the states of one prompt, a row for each token".into(),
            Self::OtherModel { .. } => "name the model that began it".into(),
            Self::Memory { nearest, .. } => {
                let nearest = nearest.as_deref().unwrap_or("nothing of this model fits so");
                format!("{nearest}; --stream-weights leaves the weights in their files")
            }
            Self::Decoding { .. } => "close other programs".into(),
            Self::NotFinite => "use other weights, or less guidance".into(),
            Self::Canceled => "run the same command again to start over".into(),
        }
    }
}
