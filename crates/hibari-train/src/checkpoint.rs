//! A checkpoint: one hashed safetensors file with all that a run needs to go on as if it had never stopped.
//!
//! Tensors are `value/NAME`, `average/NAME` and the moments `first/NAME`, `second/NAME`; the metadata says where the
//! run is, and whose run it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hibari_weights::{NamedTensor, StoredTensor, WeightIndex, WeightsError, write_safetensors};

use crate::error::Error;
use crate::optim::{Parameter, Parameters};
use crate::schedule::Length;

/// How many checkpoints of a run are kept.
pub const KEPT: usize = 3;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    /// Steps done.
    pub(crate) step: u64,
    /// Steps in all, once known.
    pub(crate) total: Option<u64>,
    /// Time spent, in seconds.
    pub(crate) elapsed_secs: f64,
    /// Steps that changed nothing, since their loss or gradient was not finite.
    pub(crate) skipped: u64,
    /// How many of these were the last ones.
    pub(crate) skipped_in_row: u32,
}

impl Position {
    /// The beginning.
    pub(crate) const START: Self =
        Self { step: 0, total: None, elapsed_secs: 0.0, skipped: 0, skipped_in_row: 0 };
}

/// Whose run it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Configuration of the stage.
    pub(crate) config: String,
    /// Seed of the run.
    pub(crate) seed: u64,
    /// Its length. A run may go on with another one; then the number of steps is found anew.
    pub(crate) length: Length,
}

/// The final weights of a run, by parameter name: of its newest checkpoint if `path` is a folder, else of that file.
///
/// # Errors
/// if there is no checkpoint, or it is damaged
pub fn export(path: &Path, averaged: bool) -> Result<Vec<NamedTensor>, Error> {
    let index = if path.is_dir() {
        newest(path)?.ok_or_else(|| Error::NoCheckpoint { folder: path.to_path_buf() })?
    } else {
        WeightIndex::open(path).map_err(|source| unusable(path, source))?
    };
    let prefix = if averaged { "average/" } else { "value/" };
    index.named_tensors(prefix).map_err(|source| unusable(index.path(), source))
}

/// The newest checkpoint of the folder whose bytes are those that were written; `None` if the folder has none at all.
///
/// # Errors
/// if all of them are damaged
pub fn newest(folder: &Path) -> Result<Option<WeightIndex>, Error> {
    let files = files(folder)?;
    for (_, path) in files.iter().rev() {
        match WeightIndex::open(path) {
            Ok(index) => return Ok(Some(index)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "left out a damaged checkpoint");
            }
        }
    }
    match files.len() {
        0 => Ok(None),
        count => Err(Error::AllDamaged { folder: folder.to_path_buf(), count }),
    }
}

/// Reads the parameters from a checkpoint of the same run.
pub(crate) fn restore(
    index: &WeightIndex,
    parameters: &mut Parameters,
    identity: &Identity,
) -> Result<Position, Error> {
    let path = index.path();
    for (what, given) in [("config", identity.config.clone()), ("seed", identity.seed.to_string())]
    {
        let stored = text(index, what)?.to_owned();
        if stored != given {
            return Err(Error::OtherRun { path: path.to_path_buf(), what, stored, given });
        }
    }
    read_tensors(index, parameters).map_err(|source| unusable(path, source))?;
    let is_same_length = text(index, "length")? == format!("{:?}", identity.length);
    Ok(Position {
        step: number(index, "step")?,
        total: is_same_length.then(|| number(index, "total_steps").ok()).flatten(),
        elapsed_secs: number(index, "elapsed_secs")?,
        skipped: number(index, "skipped")?,
        skipped_in_row: number(index, "skipped_in_row")?,
    })
}

/// Writes a checkpoint and removes the oldest ones. Gives the new file.
pub(crate) fn save(
    folder: &Path,
    parameters: &Parameters,
    identity: &Identity,
    position: &Position,
) -> Result<PathBuf, Error> {
    let mut tensors = Vec::new();
    for parameter in parameters.iter() {
        for (part, values) in parts(parameter) {
            let name = format!("{part}/{}", parameter.name);
            tensors.push(StoredTensor::from_f32(&name, &parameter.shape, values));
        }
    }
    let mut metadata = BTreeMap::from([
        ("config".to_owned(), identity.config.clone()),
        ("seed".to_owned(), identity.seed.to_string()),
        ("length".to_owned(), format!("{:?}", identity.length)),
        ("step".to_owned(), position.step.to_string()),
        ("elapsed_secs".to_owned(), position.elapsed_secs.to_string()),
        ("skipped".to_owned(), position.skipped.to_string()),
        ("skipped_in_row".to_owned(), position.skipped_in_row.to_string()),
    ]);
    metadata.extend(position.total.map(|total| ("total_steps".to_owned(), total.to_string())));

    let path = folder.join(format!("step-{:08}.safetensors", position.step));
    write_safetensors(&path, &tensors, &metadata).map_err(|source| unusable(&path, source))?;
    let files = files(folder)?;
    for (_, old) in &files[..files.len().saturating_sub(KEPT)] {
        fs::remove_file(old).map_err(Error::file(old))?;
    }
    Ok(path)
}

/// The vectors of a parameter that are not empty, with the first part of their names.
fn parts(parameter: &Parameter) -> impl Iterator<Item = (&'static str, &Vec<f32>)> {
    let Parameter { value, first, second, average, .. } = parameter;
    [("value", value), ("first", first), ("second", second), ("average", average)]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
}

fn read_tensors(index: &WeightIndex, parameters: &mut Parameters) -> Result<(), WeightsError> {
    let known: Vec<String> =
        parameters.iter().map(|parameter| format!("value/{}", parameter.name)).collect();
    let extra: Vec<String> = index
        .names()
        .filter(|name| name.starts_with("value/") && !known.iter().any(|k| k == name))
        .map(str::to_owned)
        .collect();
    if !extra.is_empty() {
        return Err(WeightsError::Mismatch {
            missing: Vec::new(),
            extra,
            doubled: Vec::new(),
            misshapen: Vec::new(),
        });
    }
    for Parameter { name, shape, value, first, second, average, .. } in parameters.iter_mut() {
        for (part, values) in
            [("value", value), ("first", first), ("second", second), ("average", average)]
        {
            if !values.is_empty() {
                *values = index.tensor_f32_shaped(&format!("{part}/{name}"), shape)?;
            }
        }
    }
    Ok(())
}

/// The checkpoints of the folder with their steps, oldest first.
fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let failed = || Error::file(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digits = name
            .and_then(|name| name.strip_prefix("step-"))
            .and_then(|name| name.strip_suffix(".safetensors"));
        if let Some(step) = digits.and_then(|digits| digits.parse().ok()) {
            files.push((step, path));
        }
    }
    files.sort();
    Ok(files)
}

fn text<'a>(index: &'a WeightIndex, key: &'static str) -> Result<&'a str, Error> {
    index.metadata(key).ok_or_else(|| Error::Metadata { path: index.path().to_path_buf(), key })
}

fn number<T: FromStr>(index: &WeightIndex, key: &'static str) -> Result<T, Error> {
    let unsaid = || Error::Metadata { path: index.path().to_path_buf(), key };
    text(index, key)?.parse().map_err(|_| unsaid())
}

fn unusable(path: &Path, source: WeightsError) -> Error {
    Error::Checkpoint { path: path.to_path_buf(), source }
}
