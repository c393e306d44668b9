//! What can go wrong while training data is made or read.

use std::path::PathBuf;

/// Training data that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The folder cannot be made.
    #[error("cannot make the folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A shard cannot be read or written.
    #[error(transparent)]
    Shard(#[from] hibari_weights::WeightsError),
    /// A shard was made for other settings.
    #[error("`{path}` was made for other data than this recipe asks for")]
    OtherData {
        /// The shard.
        path: PathBuf,
    },
    /// The captions have a word that the model's table of words lacks.
    #[error("the model does not know `{word}`, a word of the captions of these clips")]
    Word {
        /// The first such word.
        word: &'static str,
    },
    /// The caller asked to stop.
    #[error("canceled")]
    Canceled,
}

impl DataError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "give a folder that can be written",
            Self::Shard(_) => "delete the shard that is named; it is made again",
            Self::OtherData { .. } => "give another folder, or delete this one",
            Self::Word { .. } => "use a model that was trained on clips of the same `mix`",
            Self::Canceled => "finished shards are kept; the same command goes on from there",
        }
    }
}
