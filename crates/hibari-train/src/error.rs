//! What can stop a training run, in sentences for the person who started it.

use std::path::{Path, PathBuf};

use hibari_weights::WeightsError;

/// Why a run cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the run cannot be read or written.
    #[error("cannot read or write `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint cannot be written, or does not hold what the model needs.
    #[error("checkpoint `{}` is of no use", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: WeightsError,
    },
    /// A checkpoint lacks a figure about the run, or that figure is no number.
    #[error("checkpoint `{}` does not say `{key}`", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The missing figure.
        key: &'static str,
    },
    /// The folder holds checkpoints, and all of them are damaged.
    #[error("all {count} checkpoints in `{}` are damaged", folder.display())]
    AllDamaged {
        /// The folder of the run.
        folder: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// The folder holds no checkpoint where one is needed.
    #[error("there is no checkpoint in `{}`", folder.display())]
    NoCheckpoint {
        /// The folder of the run.
        folder: PathBuf,
    },
    /// The folder belongs to a run of another configuration.
    #[error("checkpoint `{}` has {what} `{stored}`, this run has `{given}`", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What differs: `config` or `seed`.
        what: &'static str,
        /// As stored.
        stored: String,
        /// As given now.
        given: String,
    },
    /// The loss or the gradient was not a number for many steps in a row.
    #[error("loss or gradient was not finite for {count} steps in a row, the last one step {step}")]
    Diverged {
        /// The last of these steps.
        step: u64,
        /// How many.
        count: u32,
    },
    /// The loss curve cannot be drawn.
    #[error("cannot draw the loss curve: {message}")]
    Curve {
        /// What the drawing library says.
        message: String,
    },
    /// The recipe is not one.
    #[error("recipe `{}`: {message}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// The training data cannot be made or read.
    #[error(transparent)]
    Data(#[from] hibari_data::DataError),
    /// A model that the recipe names cannot be read.
    #[error("model `{}` is of no use: {message}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The model to start from has other caption words than the clips to train on.
    #[error(
        "model `{}` has {has} caption words, those of the recipe's clips are {wants}",
        path.display()
    )]
    OtherWords {
        /// The file.
        path: PathBuf,
        /// Words of the model.
        has: usize,
        /// Words of the mix.
        wants: usize,
    },
    /// The model to start from has other sizes than the recipe.
    #[error("model `{}` is a {has}, the recipe wants a {wants}", path.display())]
    OtherSizes {
        /// The file.
        path: PathBuf,
        /// Sizes of the model.
        has: String,
        /// Sizes in the recipe.
        wants: String,
    },
    /// The trained weights cannot be written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// What is trained failed by itself, in a look at the averaged model.
    #[error("the look at the averaged model failed")]
    Stage {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps an error of a [`crate::Stage`].
    pub fn stage(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Stage { source: Box::new(source) }
    }

    /// For `map_err`: an input or output error at `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_path_buf(), source }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Recipe { .. } => "see the recipes in `recipes/` for what a recipe holds",
            Self::Data(error) => error.hint(),
            Self::Model { .. } => "train it first, or name another file in the recipe",
            Self::OtherWords { .. } => {
                "start from a model that was trained on the same `mix`, or leave `start` out"
            }
            Self::OtherSizes { .. } => {
                "give `model` in the recipe the sizes of the model, or leave `start` out"
            }
            Self::Weights(error) => error.hint(),
            Self::File { .. } => "check that the folder may be written and has space left",
            Self::Checkpoint { source, .. } => source.hint(),
            Self::Metadata { .. } => "use a checkpoint that a training run wrote",
            Self::AllDamaged { .. } => "restore a checkpoint from a copy, or choose another folder",
            Self::NoCheckpoint { .. } => "name the folder of a run, or one of its checkpoints",
            Self::OtherRun { .. } => {
                "choose another folder, or the configuration the run began with"
            }
            Self::Diverged { .. } => {
                "lower the learning rate; the last checkpoint is from before or within these steps"
            }
            Self::Curve { .. } => "the training itself is not affected: checkpoints are complete",
            Self::Stage { .. } => "the last checkpoint is complete: mend the cause and start again",
        }
    }
}
