//! What can go wrong with a weights file, in sentences for the person who gave it.

use std::path::PathBuf;

/// A weights file that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or mapped.
    #[error("cannot read weights `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be written; nothing is left behind.
    #[error("cannot write weights `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file ends before its header or its tensors do.
    #[error("weights `{path}` are cut short")]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The header is not a safetensors header.
    #[error("weights `{path}` have a damaged header: {message}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// The file carries no hash, so its bytes cannot be checked.
    #[error("weights `{path}` carry no `hibari.sha256`")]
    Unhashed {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not those that were written.
    #[error("weights `{path}` are damaged: their SHA-256 is `{found}`, not `{expected}`")]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash in the header.
        expected: String,
        /// The hash of the bytes.
        found: String,
    },
    /// The tensors are not those of the model.
    #[error("weights do not fit the model: {}", mismatch_text(missing, extra, misshapen))]
    Mismatch {
        /// Names that the model has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the model lacks.
        extra: Vec<String>,
        /// Names with another shape: the name, the model's shape, the file's.
        misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// A tensor has a storage type that cannot be read as asked.
    #[error("tensor `{name}` is stored as `{dtype}`, which cannot be read as `{wanted}`")]
    Dtype {
        /// The tensor.
        name: String,
        /// How it is stored.
        dtype: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The tensors to write contradict themselves.
    #[error("tensor `{name}` cannot be stored: {message}")]
    Invalid {
        /// The tensor.
        name: String,
        /// What is wrong.
        message: String,
    },
}

impl WeightsError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check that the file exists and that you may read it",
            Self::Write { .. } => {
                "check that the folder exists, may be written, and has space left"
            }
            Self::Truncated { .. } | Self::Header { .. } | Self::Hash { .. } => {
                "the file changed after it was written: copy or download it again"
            }
            Self::Unhashed { .. } => "use a file that hibari wrote",
            Self::Mismatch { .. } => "use weights of this model and preset",
            Self::Dtype { .. } => "write the file again with a storage type that hibari reads",
            Self::Invalid { .. } => "this is a fault of the program that writes the file",
        }
    }
}

/// Lists what differs, at most eight names of each kind.
fn mismatch_text(
    missing: &[String],
    extra: &[String],
    misshapen: &[(String, Vec<usize>, Vec<usize>)],
) -> String {
    const SHOWN: usize = 8;
    let list = |kind: &str, names: Vec<String>| -> Option<String> {
        if names.is_empty() {
            return None;
        }
        let rest = names.len().saturating_sub(SHOWN);
        let mut text =
            format!("{} {kind} (`{}`", names.len(), names[..names.len() - rest].join("`, `"));
        if rest > 0 {
            text.push_str(&format!(", and {rest} more"));
        }
        text.push(')');
        Some(text)
    };
    let shapes = misshapen
        .iter()
        .map(|(name, model, file)| format!("{name}: model {model:?}, file {file:?}"))
        .collect();
    let parts: Vec<String> = [
        list("missing", missing.to_vec()),
        list("unknown", extra.to_vec()),
        list("of another shape", shapes),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join("; ")
}
