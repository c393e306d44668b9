//! What can go wrong between a hub and a disk, in sentences for the person who asked.

use std::path::PathBuf;

/// A model that cannot be pulled, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is not one of a model on a hub.
    #[error("`{id}` is no name of a model on a hub")]
    Name {
        /// The name.
        id: String,
    },
    /// The hub has no such model, revision or file.
    #[error("the hub has no `{what}`")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// The hub wants to know who asks.
    #[error("the hub does not give `{what}` to you (status {status})")]
    Refused {
        /// What was asked for.
        what: String,
        /// 401 or 403.
        status: u16,
    },
    /// The hub answers with something else than was asked for.
    #[error("the hub gave no good answer for `{what}`: {reason}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The connection broke, again and again.
    #[error("`{what}` cannot be pulled from the hub: {reason}")]
    Connection {
        /// What was asked for.
        what: String,
        /// What the last try says.
        reason: String,
    },
    /// What arrived is not what the hub says it is, twice.
    #[error("`{file}` arrives damaged: its hash is `{found}`, not `{expected}`")]
    Damaged {
        /// The file.
        file: String,
        /// The hub's hash.
        expected: String,
        /// What arrived.
        found: String,
    },
    /// Too little room.
    #[error("the model needs {need_mb} MB more, `{}` has {have_mb}", folder.display())]
    Space {
        /// Where.
        folder: PathBuf,
        /// Megabytes to come.
        need_mb: u64,
        /// Megabytes free.
        have_mb: u64,
    },
    /// The disk refuses.
    #[error("cannot use `{}`", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The model is not on this machine.
    #[error("`{id}` is not on this machine")]
    Absent {
        /// The model.
        id: String,
    },
    /// Nothing on the hub fits the patterns.
    #[error("`{id}` has no file that was asked for")]
    Nothing {
        /// The model.
        id: String,
    },
    /// A pattern is not one.
    #[error("`{pattern}` is no pattern of file names")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// The caller asked to stop.
    #[error("canceled")]
    Canceled,
}

impl StoreError {
    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Name { .. } => {
                "write owner and name, such as `Wan-AI/Wan2.1-T2V-1.3B-Diffusers`".into()
            }
            Self::Missing { .. } => {
                "look at the spelling, capitals count; or name another hub with --hub".into()
            }
            Self::Refused { .. } => {
                "agree to its terms on the hub's page, and set HF_TOKEN to a token of yours".into()
            }
            Self::Answer { .. } => "look whether --hub names a hub of models".into(),
            Self::Connection { .. } => {
                "run the same command again: what has arrived is kept".into()
            }
            Self::Damaged { .. } => "try again later, or another hub with --hub".into(),
            Self::Space { .. } => "free some space, or set HF_HUB_CACHE to another folder".into(),
            Self::Disk { .. } => "set HF_HUB_CACHE to a folder that can be written".into(),
            Self::Absent { id } => format!(
                "`hibari model pull {id}` brings it; `hibari model list` shows what is here"
            ),
            Self::Nothing { .. } => "leave out --only to pull all that a model needs".into(),
            Self::Pattern { .. } => "write patterns such as `transformer/*` or `*.gguf`".into(),
            Self::Canceled => "run the same command again: what has arrived is kept".into(),
        }
    }
}
