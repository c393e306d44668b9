//! A `lark` in one safetensors file: tensors `ae.*` and `dit.*`, sizes and words as JSON in the metadata.

use std::collections::BTreeMap;
use std::path::Path;

use hibari_ops::device;
use hibari_weights::{
    WeightIndex, WeightsError,
    module::{NamedTensor, collect, load as load_module},
    quantize::{Storage, store},
    write_safetensors,
};
use serde::{Deserialize, Serialize};

use super::config::{AeConfig, DitConfig};
use super::dit::Dit;
use super::text::Words;
use super::vae::Ae;
use crate::ModelError;

/// The metadata key of the autoencoder's sizes, in files of the autoencoder and of the whole model.
const AE_KEY: &str = "hibari.lark.ae";
/// The metadata key of the rest of the model.
const LARK_KEY: &str = "hibari.lark";

/// The networks of a `lark`, and what describes them.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Name of the model.
    pub preset: String,
    /// Sizes of the autoencoder.
    pub ae_config: AeConfig,
    /// Sizes of the transformer.
    pub dit_config: DitConfig,
    /// The caption words.
    pub words: Words,
    /// The autoencoder.
    pub ae: Ae,
    /// The transformer.
    pub dit: Dit,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    preset: String,
    dit: DitConfig,
    words: Vec<String>,
}

/// Whether a file holds a whole `lark`.
pub fn matches(index: &WeightIndex) -> bool {
    index.metadata(LARK_KEY).is_some()
}

/// Reads a model.
///
/// # Errors
/// [`ModelError::Request`] if the file is no `lark`, [`ModelError::Weights`] if its tensors are not those of its sizes
pub fn load(index: &WeightIndex) -> Result<Parts, ModelError> {
    let (ae_config, ae) = load_ae(index)?;
    let Stored { preset, dit: dit_config, words } = stored(index, LARK_KEY)?;
    if !words.is_sorted() {
        return Err(no_lark(format!("the words of `{}` are not sorted", index.path().display())));
    }
    possible(index, dit_config.fault())?;
    let dit = Dit::new(&dit_config, &device());
    let dit = load_module(dit, index.named_tensors("dit.")?)?;
    Ok(Parts { preset, ae_config, dit_config, words: Words::new(words), ae, dit })
}

/// Reads the autoencoder of its own file or of a whole model's.
///
/// # Errors
/// as [`load`]
pub fn load_ae(index: &WeightIndex) -> Result<(AeConfig, Ae), ModelError> {
    let config: AeConfig = stored(index, AE_KEY)?;
    possible(index, config.fault())?;
    let ae = load_module(Ae::new(&config, &device()), index.named_tensors("ae.")?)?;
    Ok((config, ae))
}

/// Writes a model, with `metadata` beside its sizes.
///
/// # Errors
/// if the disk refuses; then nothing is left
pub fn save(
    path: &Path,
    parts: &Parts,
    storage: Storage,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let mut tensors = prefixed("ae", collect(&parts.ae));
    tensors.extend(prefixed("dit", collect(&parts.dit)));
    let rest = Stored {
        preset: parts.preset.clone(),
        dit: parts.dit_config.clone(),
        words: parts.words.as_slice().to_vec(),
    };
    let mut metadata = metadata.clone();
    metadata.insert(AE_KEY.into(), json(&parts.ae_config));
    metadata.insert(LARK_KEY.into(), json(&rest));
    write_safetensors(path, &store(&tensors, storage), &metadata)
}

/// Writes an autoencoder by itself.
///
/// # Errors
/// as [`save`]
pub fn save_ae(
    path: &Path,
    config: &AeConfig,
    ae: &Ae,
    storage: Storage,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let mut metadata = metadata.clone();
    metadata.insert(AE_KEY.into(), json(config));
    write_safetensors(path, &store(&prefixed("ae", collect(ae)), storage), &metadata)
}

fn no_lark(message: String) -> ModelError {
    ModelError::Request { message, hint: "give a weights file that `hibari train` wrote".into() }
}

fn stored<T: serde::de::DeserializeOwned>(index: &WeightIndex, key: &str) -> Result<T, ModelError> {
    let path = index.path().display();
    let json = index.metadata(key).ok_or_else(|| no_lark(format!("`{path}` lacks `{key}`")))?;
    serde_json::from_str(json).map_err(|error| no_lark(format!("`{key}` of `{path}`: {error}")))
}

fn possible(index: &WeightIndex, fault: Option<String>) -> Result<(), ModelError> {
    fault.map_or(Ok(()), |fault| Err(no_lark(format!("`{}`: {fault}", index.path().display()))))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain values")
}

fn prefixed(prefix: &str, tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    let name =
        |tensor: NamedTensor| NamedTensor { name: format!("{prefix}.{}", tensor.name), ..tensor };
    tensors.into_iter().map(name).collect()
}
