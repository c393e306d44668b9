//! What can go wrong with a weights file, in sentences for the person who gave it.

use std::collections::{BTreeMap, BTreeSet};
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
    #[error("weights do not fit the model: {}", mismatch_text(missing, extra, doubled, misshapen))]
    Mismatch {
        /// Names that the model has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the model lacks.
        extra: Vec<String>,
        /// Names that two tensors of the file claim, and which those are.
        doubled: Vec<String>,
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
    /// The file is a Python pickle, which may run code when it is read.
    #[error("weights `{path}` are a Python pickle, which hibari does not read")]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A folder with no weights, or with more than one set of them.
    #[error("cannot tell which weights to read from `{path}`: {message}")]
    Choice {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        message: String,
    },
    /// The index of a sharded file and its shards contradict each other.
    #[error("the index `{path}` and its shards disagree: {message}")]
    Shards {
        /// The index.
        path: PathBuf,
        /// Where they differ.
        message: String,
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
    /// The file lacks this tensor.
    pub(crate) fn missing(name: &str) -> Self {
        Self::Mismatch {
            missing: vec![name.to_owned()],
            extra: Vec::new(),
            doubled: Vec::new(),
            misshapen: Vec::new(),
        }
    }

    /// The tensor has this shape instead of the `wanted` one.
    pub(crate) fn misshapen(name: &str, wanted: &[usize], found: &[usize]) -> Self {
        Self::Mismatch {
            missing: Vec::new(),
            extra: Vec::new(),
            doubled: Vec::new(),
            misshapen: vec![(name.to_owned(), wanted.to_vec(), found.to_vec())],
        }
    }

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
            Self::Pickle { .. } => {
                "use a safetensors or GGUF file of this model, or convert it: `reference/pickle_to_safetensors.py`"
            }
            Self::Choice { .. } => "name one file, or a folder that holds one model",
            Self::Shards { .. } => "download the index and all shards again, from one version",
            Self::Dtype { .. } => {
                "use a file in F32, BF16, F16, scaled F8_E4M3, or GGUF Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K"
            }
            Self::Invalid { .. } => "this is a fault of the program that writes the file",
        }
    }
}

/// Lists what differs, at most eight names of each kind.
fn mismatch_text(
    missing: &[String],
    extra: &[String],
    doubled: &[String],
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
        list("doubled", doubled.to_vec()),
        list("of another shape", shapes),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join("; ")
}

/// Holds the names and shapes that were found against those of a model.
///
/// # Errors
/// [`WeightsError::Mismatch`] with every missing, unknown, doubled and misshapen name
pub(crate) fn compare(
    layout: &[(String, Vec<usize>)],
    found: &BTreeMap<&str, &[usize]>,
    doubled: Vec<String>,
) -> Result<(), WeightsError> {
    let mut missing = Vec::new();
    let mut misshapen = Vec::new();
    for (name, shape) in layout {
        match found.get(name.as_str()) {
            None => missing.push(name.clone()),
            Some(&other) if other != shape.as_slice() => {
                misshapen.push((name.clone(), shape.clone(), other.to_vec()));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<&str> = layout.iter().map(|(name, _)| name.as_str()).collect();
    let extra: Vec<String> =
        found.keys().filter(|name| !known.contains(*name)).map(|&name| name.to_owned()).collect();
    if missing.is_empty() && extra.is_empty() && doubled.is_empty() && misshapen.is_empty() {
        return Ok(());
    }
    Err(WeightsError::Mismatch { missing, extra, doubled, misshapen })
}
