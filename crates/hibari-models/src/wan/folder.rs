//! A Wan in a folder as `diffusers` lays it out: a file that names the parts, and a folder for each.
//!
//! Sizes come from the parts' own `config.json`; a published model is recognised by them. The schedule is the one that
//! the folder's scheduler file names.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hibari_diffusion::Method;
use hibari_weights::{Checkpoint, WeightsError, fingerprint};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::config::{DitConfig, Experts, ImageInput, NEGATIVE_PROMPT, Preset};
use super::dit::Dit;
use super::model::{Parts, TextEncoder, Wan};
use super::vae::{NamedTensor, Vae, VaeConfig, VaeVersion};
use crate::ModelError;
use crate::text::umt5::{TensorSource, Umt5};
use crate::text::unigram::Unigram;

/// `model_index.json`.
#[derive(Deserialize)]
struct Index {
    #[serde(rename = "_class_name")]
    class: String,
    boundary_ratio: Option<f64>,
    /// Whether each latent frame has its own time, and so may be given.
    #[serde(default)]
    expand_timesteps: bool,
}

/// `transformer/config.json`.
#[derive(Deserialize)]
struct Transformer {
    num_attention_heads: usize,
    attention_head_dim: usize,
    in_channels: usize,
    out_channels: usize,
    text_dim: usize,
    freq_dim: usize,
    ffn_dim: usize,
    num_layers: usize,
    image_dim: Option<usize>,
}

/// `vae/config.json`.
#[derive(Deserialize)]
struct Autoencoder {
    base_dim: usize,
    decoder_base_dim: Option<usize>,
    z_dim: usize,
}

/// `scheduler/scheduler_config.json`.
#[derive(Deserialize)]
struct Scheduler {
    #[serde(rename = "_class_name")]
    class: String,
    flow_shift: Option<f64>,
    shift: Option<f64>,
}

/// `text_encoder/config.json`.
#[derive(Deserialize)]
struct Encoder {
    vocab_size: usize,
    d_model: usize,
    num_layers: usize,
    num_heads: usize,
    d_kv: usize,
    d_ff: usize,
}

/// Whether a folder holds a Wan.
pub fn matches(folder: &Path) -> bool {
    read::<Index>(&folder.join("model_index.json"))
        .is_ok_and(|index| index.class.starts_with("Wan"))
}

/// Loads the model of a folder.
///
/// # Errors
/// with the file that is missing, damaged or unknown, or all tensors that are not those of its sizes
pub fn load(folder: &Path, device: &Device) -> Result<Wan, ModelError> {
    let index: Index = read(&folder.join("model_index.json"))?;
    let dit_config = DitConfig::from(read::<Transformer>(&folder.join("transformer/config.json"))?);
    let vae_config = VaeConfig::from(read::<Autoencoder>(&folder.join("vae/config.json"))?);
    let preset = preset(&dit_config, &vae_config, &index);
    let (method, shift) = schedule(folder, preset.shift)?;

    let transformer = Checkpoint::open(&folder.join("transformer"))?;
    transformer.check(&dit_config.tensors())?;
    let mut tensor = |name: &str, _shape: &[usize]| Ok(transformer.tensor_f32(name)?);
    let dit = Dit::load(&dit_config, device, &mut tensor)?;

    let autoencoder = Checkpoint::open(&folder.join("vae"))?;
    let layout = Vae::new(vae_config, device).layout();
    autoencoder.check(&layout)?;
    let tensor = |(name, shape): (String, Vec<usize>)| {
        Ok(NamedTensor { values: autoencoder.tensor_f32(&name)?, name, shape })
    };
    let tensors = layout.into_iter().map(tensor).collect::<Result<_, WeightsError>>()?;
    let vae = Vae::load(vae_config, tensors, device)?;

    let text = text_encoder(folder)?;
    let negative = NEGATIVE_PROMPT.to_owned();
    let fingerprint = fingerprint(transformer.files().chain(autoencoder.files()))?;
    Wan::new(Parts { preset, dit, vae, text, method, shift, negative, fingerprint }, device)
}

/// The published model of these sizes, or the smallest one's settings for sizes that nobody published.
fn preset(dit: &DitConfig, vae: &VaeConfig, index: &Index) -> Preset {
    let boundary = index.boundary_ratio;
    let is_it =
        |preset: &Preset| preset.dit == *dit && preset.experts.is_some() == boundary.is_some();
    Preset::all().into_iter().find(is_it).unwrap_or_else(|| Preset {
        name: "wan",
        dit: dit.clone(),
        experts: boundary.map(|boundary| Experts { boundary, low_guidance: 3.0 }),
        cell_px: vae.cell_px(),
        image: if index.expand_timesteps { ImageInput::FirstFrame } else { ImageInput::None },
        ..Preset::t2v_1_3b()
    })
}

/// Solver and shift of the folder's scheduler file; where that has no shift, the preset's.
fn schedule(folder: &Path, usual: f64) -> Result<(Method, f64), ModelError> {
    let path = folder.join("scheduler/scheduler_config.json");
    let Scheduler { class, flow_shift, shift } = read(&path)?;
    let method = match class.as_str() {
        "UniPCMultistepScheduler" => Method::UniPc,
        "FlowMatchEulerDiscreteScheduler" => Method::Euler,
        _ => return Err(refused(&path, format!("the scheduler `{class}` is not known"))),
    };
    Ok((method, flow_shift.or(shift).unwrap_or(usual)))
}

/// The text encoder, if the folder has one.
fn text_encoder(folder: &Path) -> Result<Option<TextEncoder>, ModelError> {
    let (config, tokenizer) =
        (folder.join("text_encoder/config.json"), folder.join("tokenizer/tokenizer.json"));
    if !config.exists() && !tokenizer.exists() {
        return Ok(None);
    }
    let Encoder { vocab_size, d_model, num_layers, num_heads, d_kv, d_ff } = read(&config)?;
    let sizes = Umt5 {
        n_words: vocab_size,
        width: d_model,
        n_layers: num_layers,
        n_heads: num_heads,
        head_width: d_kv,
        inner_width: d_ff,
    };
    let json = fs::read(&tokenizer).map_err(|error| refused(&tokenizer, error.to_string()))?;
    Ok(Some(TextEncoder {
        sizes,
        weights: Box::new(Checkpoint::open(&folder.join("text_encoder"))?),
        tokenizer: Unigram::from_json(&json, vocab_size)?,
    }))
}

impl TensorSource for Checkpoint {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor_f32_shaped(name, shape)?)
    }

    fn rows(&self, name: &str, _shape: [usize; 2], rows: &[u32]) -> Result<Vec<f32>, ModelError> {
        let row = |&row: &u32| -> Range<usize> { row as usize..row as usize + 1 };
        let rows = rows.iter().map(|at| self.rows_f32(name, row(at)));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.concat())
    }
}

impl From<Transformer> for DitConfig {
    fn from(file: Transformer) -> Self {
        Self {
            heads: file.num_attention_heads,
            d_head: file.attention_head_dim,
            ffn: file.ffn_dim,
            layers: file.num_layers,
            in_channels: file.in_channels,
            out_channels: file.out_channels,
            text_width: file.text_dim,
            time_features: file.freq_dim,
            image_width: file.image_dim,
        }
    }
}

impl From<Autoencoder> for VaeConfig {
    fn from(file: Autoencoder) -> Self {
        Self {
            version: if file.z_dim == 48 { VaeVersion::V22 } else { VaeVersion::V21 },
            encoder_base: file.base_dim,
            decoder_base: file.decoder_base_dim.unwrap_or(file.base_dim),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read(path).map_err(|error| refused(path, error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(path, error.to_string()))
}

fn refused(path: &Path, reason: String) -> ModelError {
    let path: PathBuf = path.to_path_buf();
    ModelError::Request {
        message: format!("`{}` cannot be used: {reason}", path.display()),
        hint: "a model's folder has model_index.json, and a config.json for each part".into(),
    }
}

#[cfg(test)]
mod tests;
