//! Makes a model of its files, and says which published one it is.
//!
//! Sizes come from the parts; a published model is recognised by them. The schedule is the one that the folder's
//! scheduler file names, or else the preset's.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use hibari_diffusion::Method;
use hibari_weights::{Checkpoint, Dtype, Encoding, Lora, WeightsError, fingerprint};
use serde::Deserialize;

use super::config::{DitConfig, Experts, ImageInput, NEGATIVE_PROMPT, Preset};
use super::files::{Files, Index, image_input, image_layout, read, refused, vocabulary};
use super::keymap;
use super::model::{ImageEncoder, LazyVae, Parts, TextEncoder, Transformers, Wan};
use super::vae::{Vae, VaeConfig};
use crate::ModelError;
use crate::image::clip::ClipVision;
use crate::source::{Adapted, LoraFile, Residency, Settings, TensorSource};
use crate::text::umt5::Umt5;
use crate::text::unigram::Unigram;

/// `scheduler/scheduler_config.json`.
#[derive(Deserialize)]
struct Scheduler {
    #[serde(rename = "_class_name")]
    class: String,
    flow_shift: Option<f64>,
    shift: Option<f64>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// What a scheduler file may say beside its class and shift, and the one value that is known for each.
const SCHEDULES: [(&str, &str); 18] = [
    ("num_train_timesteps", "1000"),
    ("prediction_type", "\"flow_prediction\""),
    ("use_flow_sigmas", "true"),
    ("solver_order", "2"),
    ("solver_type", "\"bh2\""),
    ("solver_p", "null"),
    ("predict_x0", "true"),
    ("lower_order_final", "true"),
    ("disable_corrector", "[]"),
    ("thresholding", "false"),
    ("final_sigmas_type", "\"zero\""),
    ("use_karras_sigmas", "false"),
    ("use_exponential_sigmas", "false"),
    ("use_beta_sigmas", "false"),
    ("use_dynamic_shifting", "false"),
    ("shift_terminal", "null"),
    ("stochastic_sampling", "false"),
    ("invert_sigmas", "false"),
];

/// Loads the model at `path`, a file or a folder.
///
/// # Errors
/// with the part that is missing, damaged or unknown, or all tensors that are not those of its sizes
pub fn load(path: &Path, settings: &Settings, device: &Device) -> Result<Wan, ModelError> {
    let Files { index, transformers, vae, text, image, is_middle_seen, tokenizer, scheduler } =
        Files::find(path, &settings.more)?;
    if index.boundary_ratio.is_some() && transformers.len() == 1 {
        return Err(refused(path, "it has two experts, and `transformer_2` is missing".into()));
    }
    let (vae_file, vae_config) = vae;
    let mut files: Vec<&Path> = transformers.iter().flat_map(|(file, _)| file.files()).collect();
    files.extend(vae_file.files());
    files.extend(image.iter().flat_map(|(file, _)| file.files()));
    files.extend(settings.loras.iter().map(|lora| lora.path.as_path()));
    let fingerprint = fingerprint(files.into_iter())?;

    let dit_config = transformers[0].1.clone();
    let input = image_input(&dit_config, &index, path)?;
    let preset = preset(&dit_config, &vae_config, &index, transformers.len(), input);
    let (method, shift) = match &scheduler {
        Some(file) => schedule(file, preset.shift)?,
        None => (Method::UniPc, preset.shift),
    };
    let sources = adapted(transformers, &settings.loras)?;
    let transformers = Transformers::new(dit_config, sources, settings.residency, device);
    let text = text.map(|found| text_encoder(found, tokenizer.as_deref())).transpose()?.flatten();
    let image = image.map(|found| image_encoder(found, is_middle_seen)).transpose()?;
    let parts = Parts {
        preset,
        transformers,
        vae: vae_of(vae_file, vae_config, settings.residency, device)?,
        text,
        image,
        method,
        shift,
        negative: NEGATIVE_PROMPT.to_owned(),
        fingerprint,
    };
    Ok(Wan::new(parts, device))
}

/// The transformers with all changes, checked.
fn adapted(
    transformers: Vec<(Checkpoint, DitConfig)>,
    loras: &[LoraFile],
) -> Result<Vec<Arc<dyn TensorSource>>, ModelError> {
    let mut is_used = vec![false; loras.len()];
    let mut sources: Vec<Arc<dyn TensorSource>> = Vec::new();
    for ((base, sizes), component) in transformers.into_iter().zip(["transformer", "transformer_2"])
    {
        let layout = sizes.tensors();
        base.check(&layout)?;
        check_types(&base, &layout)?;
        let mut changes = Vec::new();
        for (LoraFile { path, strength }, is_used) in loras.iter().zip(&mut is_used) {
            let lora = Lora::open(path, &|name| keymap::lora_module(name, component))?;
            lora.check(&layout)?;
            *is_used |= !lora.is_empty();
            changes.push((lora, *strength));
        }
        sources.push(Arc::new(Adapted { base, changes }));
    }
    match loras.iter().zip(&is_used).find(|(_, is_used)| !**is_used) {
        Some((lora, _)) => Err(refused(&lora.path, "it changes nothing of this model".into())),
        None => Ok(sources),
    }
}

fn vae_of(
    file: Checkpoint,
    config: VaeConfig,
    residency: Residency,
    device: &Device,
) -> Result<LazyVae, ModelError> {
    let layout = Vae::new(config.clone(), device).layout();
    file.check(&layout)?;
    check_types(&file, &layout)?;
    let products = residency.products();
    Ok(LazyVae { file, config, products, device: device.clone(), loaded: Mutex::default() })
}

/// Whether all tensors are floats of some kind, so that reading them later cannot fail.
fn check_types(file: &Checkpoint, layout: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
    let is_float = |encoding: &Encoding| match encoding {
        Encoding::Blocks(_) => true,
        Encoding::Plain(dtype) => {
            matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4M3)
        }
    };
    for (name, _) in layout {
        if let Some(encoding) = file.encoding(name).filter(|encoding| !is_float(encoding)) {
            let (name, dtype) = (name.clone(), encoding.to_string());
            return Err(WeightsError::Dtype { name, dtype, wanted: "F32" });
        }
    }
    Ok(())
}

/// The published model of these sizes, or the smallest one's settings for sizes that nobody published.
fn preset(
    dit: &DitConfig,
    vae: &VaeConfig,
    index: &Index,
    n_transformers: usize,
    image: ImageInput,
) -> Preset {
    let has_experts = n_transformers > 1;
    let is_it = |preset: &Preset| preset.dit == *dit && preset.experts.is_some() == has_experts;
    let known = Preset::all().into_iter().find(is_it);
    let usual = known.unwrap_or_else(|| Preset {
        name: "wan",
        dit: dit.clone(),
        cell_px: vae.cell_px(),
        image,
        ..match (image, has_experts) {
            (ImageInput::Channels | ImageInput::ChannelsAndClip, true) => Preset::i2v_a14b(),
            (ImageInput::Channels | ImageInput::ChannelsAndClip, false) => Preset::i2v_14b(),
            (_, true) => Preset::t2v_a14b(),
            (_, false) => Preset::t2v_1_3b(),
        }
    });
    let boundary = |experts: Experts| Experts {
        boundary: index.boundary_ratio.unwrap_or(experts.boundary),
        ..experts
    };
    Preset { experts: usual.experts.map(boundary), ..usual }
}

fn image_encoder(
    (file, sizes): (Checkpoint, ClipVision),
    is_middle_seen: bool,
) -> Result<ImageEncoder, ModelError> {
    file.check(&image_layout(&file, &sizes))?;
    check_types(&file, &sizes.layout())?;
    Ok(ImageEncoder { sizes, weights: Box::new(file), is_middle_seen })
}

/// Solver and shift of the folder's scheduler file; where that has no shift, the preset's.
fn schedule(path: &Path, usual: f64) -> Result<(Method, f64), ModelError> {
    let Scheduler { class, flow_shift, shift, others } = read(path)?;
    let method = match class.as_str() {
        "UniPCMultistepScheduler" => Method::UniPc,
        "FlowMatchEulerDiscreteScheduler" => Method::Euler,
        _ => return Err(unknown_schedule(path, format!("the scheduler `{class}` is not known"))),
    };
    for (name, known) in SCHEDULES {
        let value = others.get(name).map(serde_json::Value::to_string);
        if let Some(value) = value.filter(|value| value != known) {
            let reason = format!("its `{name}` is {value}, and only {known} is known");
            return Err(unknown_schedule(path, reason));
        }
    }
    Ok((method, flow_shift.or(shift).unwrap_or(usual)))
}

fn unknown_schedule(path: &Path, reason: String) -> ModelError {
    ModelError::Request {
        message: format!("`{}` cannot be used: {reason}", path.display()),
        hint: "change it there, or move the file away: then steps go as for the published model"
            .into(),
    }
}

/// The text encoder, with the tokenizer of a file or that in its own; without one there is none.
fn text_encoder(
    (file, sizes): (Checkpoint, Umt5),
    tokenizer: Option<&Path>,
) -> Result<Option<TextEncoder>, ModelError> {
    file.check(&sizes.layout())?;
    let tokenizer = match (tokenizer, vocabulary(&file)) {
        (Some(path), _) => {
            let json = fs::read(path).map_err(|error| refused(path, error.to_string()))?;
            Unigram::from_json(&json, sizes.n_words)?
        }
        (None, Some(pieces)) => Unigram::from_pieces(pieces, sizes.n_words)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(TextEncoder { sizes, weights: Box::new(file), tokenizer }))
}

#[cfg(test)]
mod tests;
