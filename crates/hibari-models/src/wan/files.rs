//! Finds the parts of a Wan among files, whatever their layout: a folder as `diffusers` lays it out, the authors' own, or
//! files for each part as ComfyUI keeps them, as safetensors or GGUF.
//!
//! What a file holds is told by the names of its tensors, and which sizes by their shapes; only the width of a head
//! cannot be seen in them. So a `config.json` beside the weights counts where there is one, and is not needed elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use hibari_weights::{Checkpoint, WeightsError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::config::{DitConfig, FRAMES, ImageInput, PATCH, Preset};
use super::keymap;
use super::vae::{HALVES_TIME, Vae, VaeConfig};
use crate::ModelError;
use crate::image::clip::ClipVision;
use crate::source::{Inspection, Part};
use crate::text::umt5::Umt5;
use crate::text::vocabulary::Vocabulary;

/// Width of a head in all published transformers.
const D_HEAD: usize = 128;
/// The same in the published image encoder.
const IMAGE_D_HEAD: usize = 80;
/// Where ComfyUI keeps the vocabulary in the file of a text encoder.
const PIECES: &str = "spiece_model";
/// What files of an image encoder may hold beside it.
const IMAGE_EXTRAS: [&str; 2] = ["visual_projection.weight", "embeddings.position_ids"];
/// How deep below a folder its parts lie: the authors' tokenizer is in `google/umt5-xxl`.
const DEPTH: usize = 2;
const INDEX_ENDING: &str = ".safetensors.index.json";
const PICKLES: [&str; 4] = ["bin", "pt", "pth", "ckpt"];
/// Where ComfyUI keeps parts, seen from the folder of a transformer.
const NEAR: [&str; 5] = ["", "../vae", "../text_encoders", "../clip", "../clip_vision"];

/// The parts of a model, under the names that `diffusers` gives their tensors.
#[derive(Debug)]
pub(super) struct Files {
    /// What `model_index.json` says.
    pub(super) index: Index,
    /// One, or the expert of high noise and that of low noise.
    pub(super) transformers: Vec<(Checkpoint, DitConfig)>,
    pub(super) vae: (Checkpoint, VaeConfig),
    pub(super) text: Option<(Checkpoint, Umt5)>,
    /// Of models that are shown pictures through one.
    pub(super) image: Option<(Checkpoint, ClipVision)>,
    /// Whether the image encoder sees the middle of a picture; else all of it.
    pub(super) is_middle_seen: bool,
    pub(super) tokenizer: Option<PathBuf>,
    pub(super) scheduler: Option<PathBuf>,
}

/// `model_index.json`; a model without one says nothing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Index {
    /// The pipeline of `diffusers`, such as `WanPipeline`.
    #[serde(rename = "_class_name", default)]
    class: String,
    /// The noise level, of 1, from which on the expert of high noise works.
    pub(super) boundary_ratio: Option<f64>,
    /// Whether each latent frame has its own time, and so may be given.
    pub(super) expand_timesteps: Option<bool>,
}

/// Whether the files at `path` say that they are of this family: their index, or the names of their tensors.
pub fn matches(path: &Path) -> bool {
    let index = path.join("model_index.json");
    if index.exists() {
        return read::<Index>(&index).is_ok_and(|index| index.class.starts_with("Wan"));
    }
    let is_known =
        |file: &PathBuf| Checkpoint::open(file).is_ok_and(|file| recognised(file).is_some());
    Listing::of(&[path.to_path_buf()]).is_ok_and(|listing| listing.weights.iter().any(is_known))
}

/// What the files at `path` hold, and what is missing to run them.
///
/// # Errors
/// if a file cannot be read, or nothing of this family is there
pub fn inspect(path: &Path) -> Result<Inspection, ModelError> {
    let listing = Listing::of(&[path.to_path_buf()])?;
    let mut found = Found::default();
    for file in &listing.weights {
        found.add(file)?;
    }
    let has_experts = found.transformers.len() > 1;
    let (mut parts, mut preset) = (Vec::new(), "wan");
    let mut needs_image = false;
    for (path, file) in &found.transformers {
        let sizes = dit_config(file, path)?;
        needs_image |= sizes.image_width.is_some();
        let is_it = |known: &Preset| known.dit == sizes && known.experts.is_some() == has_experts;
        preset = Preset::all().iter().find(|known| is_it(known)).map_or(preset, |known| known.name);
        parts.push(Part::of("transformer", path, file, &sizes.tensors()));
    }
    for (path, (file, sizes)) in &found.vaes {
        let layout = Vae::new(sizes.clone(), &Device::flex()).layout();
        parts.push(Part::of("autoencoder", path, file, &layout));
    }
    for (path, (file, sizes)) in &found.texts {
        parts.push(Part::of("text encoder", path, file, &sizes.layout()));
    }
    for (path, (file, sizes)) in &found.images {
        parts.push(Part::of("image encoder", path, file, &image_layout(file, sizes)));
    }
    let has_vocabulary = found.texts.iter().any(|(_, (file, _))| vocabulary(file).is_some());
    let lacks = [
        ("transformer", found.transformers.is_empty()),
        ("autoencoder", found.vaes.is_empty()),
        ("text encoder", found.texts.is_empty()),
        ("image encoder", needs_image && found.images.is_empty()),
        ("tokenizer.json", listing.tokenizer.is_none() && !has_vocabulary),
    ];
    let missing =
        lacks.iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| (*name).into());
    let missing = missing.collect();
    Ok(Inspection { family: "wan", preset: preset.into(), parts, missing })
}

impl Files {
    /// The parts at `main`, a file or a folder, and in `more` of both. What then lacks is looked for where ComfyUI keeps
    /// it beside a file.
    ///
    /// # Errors
    /// if a part is missing, there twice, or not to be read
    pub(super) fn find(main: &Path, more: &[PathBuf]) -> Result<Self, ModelError> {
        let given = [&[main.to_path_buf()], more].concat();
        let listing = Listing::of(&given)?;
        let mut found = Found::default();
        for file in &listing.weights {
            found.add(file)?;
        }
        let missing = |what: &str| match listing.pickles.first() {
            Some(path) => WeightsError::Pickle { path: path.clone() }.into(),
            None => refused(main, format!("there is no {what}")),
        };
        if found.transformers.is_empty() {
            return Err(missing("transformer"));
        }
        let transformers = found.experts()?;
        let (sizes, folder) = (&transformers[0].1, main.parent().filter(|_| main.is_file()));
        let mut near = Found::default();
        let mut tokenizer = listing.tokenizer.clone();
        let needs_image = sizes.image_width.is_some();
        let lacks = found.vaes.is_empty()
            || found.texts.is_empty()
            || needs_image && found.images.is_empty();
        if let Some(folder) = folder.filter(|_| lacks) {
            let folders: Vec<PathBuf> = NEAR.iter().map(|name| folder.join(name)).collect();
            let folders: Vec<PathBuf> = folders.into_iter().filter(|path| path.is_dir()).collect();
            let listing = Listing::flat(&folders)?;
            for file in listing.weights.iter().filter(|file| !given.contains(file)) {
                near.add(file)?;
            }
            tokenizer = tokenizer.or(listing.tokenizer);
        }
        let vae = chosen(found.vaes, near.vaes, "autoencoder", |(_, vae): &(_, VaeConfig)| {
            vae.channels() == sizes.out_channels
        })?;
        let vae = vae.ok_or_else(|| missing("autoencoder for it"))?;
        let text = chosen(found.texts, near.texts, "text encoder", |(_, text): &(_, Umt5)| {
            text.width == sizes.text_width
        })?;
        let image = chosen(found.images, near.images, "image encoder", |(_, image)| {
            Some(image.width) == sizes.image_width
        })?;
        let image = image.filter(|_| needs_image);
        if needs_image && image.is_none() {
            return Err(without_image_encoder(main));
        }
        let index = listing.index.map(|path| read(&path)).transpose()?.unwrap_or_default();
        let pictures: Pictures =
            listing.pictures.map(|path| read(&path)).transpose()?.unwrap_or_default();
        let (is_middle_seen, scheduler) = (pictures.do_center_crop, listing.scheduler);
        Ok(Self { index, transformers, vae, text, image, is_middle_seen, tokenizer, scheduler })
    }
}

/// The files of some folders that matter, by their names alone.
#[derive(Debug, Default)]
struct Listing {
    /// Indices of shards, and files that are no shards.
    weights: Vec<PathBuf>,
    pickles: Vec<PathBuf>,
    index: Option<PathBuf>,
    tokenizer: Option<PathBuf>,
    scheduler: Option<PathBuf>,
    pictures: Option<PathBuf>,
}

impl Listing {
    /// Files as they are, and all in folders.
    fn of(paths: &[PathBuf]) -> Result<Self, ModelError> {
        let mut listing = Self::default();
        for path in paths {
            if path.is_dir() {
                listing.add_folder(path, DEPTH)?;
            } else {
                listing.add(path, false);
            }
        }
        Ok(listing)
    }

    /// The files of folders, but not of the folders in those.
    fn flat(folders: &[PathBuf]) -> Result<Self, ModelError> {
        let mut listing = Self::default();
        for folder in folders {
            listing.add_folder(folder, 0)?;
        }
        Ok(listing)
    }

    fn add_folder(&mut self, folder: &Path, depth: usize) -> Result<(), ModelError> {
        let failed = |error: std::io::Error| refused(folder, error.to_string());
        let entries = fs::read_dir(folder).map_err(failed)?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let has_shards = paths.iter().any(|path| path.to_string_lossy().ends_with(INDEX_ENDING));
        for path in paths {
            match path.is_dir() {
                true if depth > 0 => self.add_folder(&path, depth - 1)?,
                true => {}
                false => self.add(&path, has_shards),
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, has_shards: bool) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let own = || Some(path.to_path_buf());
        match &*name {
            "model_index.json" => self.index = self.index.take().or_else(own),
            "tokenizer.json" => self.tokenizer = self.tokenizer.take().or_else(own),
            "preprocessor_config.json" => self.pictures = self.pictures.take().or_else(own),
            "scheduler_config.json" => self.scheduler = self.scheduler.take().or_else(own),
            _ if name.ends_with(INDEX_ENDING) => self.weights.push(path.to_path_buf()),
            _ if has_shards && name.contains("-of-") => {}
            _ if ["safetensors", "gguf"].contains(&&*ending) => {
                self.weights.push(path.to_path_buf());
            }
            _ if PICKLES.contains(&&*ending) => self.pickles.push(path.to_path_buf()),
            _ => {}
        }
    }
}

/// What a file holds.
enum Kind {
    Transformer(Checkpoint),
    Vae(Checkpoint),
    Text(Checkpoint),
    Image(Checkpoint),
}

/// What the tensors of a file are, under their own names; `None` if they are of nothing known.
fn recognised(file: Checkpoint) -> Option<Kind> {
    let has = |rename: fn(&str) -> String, wanted: &str| file.names().any(|n| rename(n) == wanted);
    if has(keymap::dit, "blocks.0.attn1.to_q.weight") {
        return Some(Kind::Transformer(file.renamed(&keymap::dit)));
    }
    if has(keymap::vae, "post_quant_conv.weight") {
        return Some(Kind::Vae(file.renamed(&keymap::vae)));
    }
    if has(keymap::text, "encoder.block.0.layer.0.SelfAttention.q.weight") {
        return Some(Kind::Text(file.renamed(&keymap::text)));
    }
    if has(keymap::image, "pre_layrnorm.weight") {
        return Some(Kind::Image(file.renamed(&keymap::image)));
    }
    None
}

#[derive(Default)]
struct Found {
    transformers: Vec<(PathBuf, Checkpoint)>,
    vaes: Vec<(PathBuf, (Checkpoint, VaeConfig))>,
    texts: Vec<(PathBuf, (Checkpoint, Umt5))>,
    images: Vec<(PathBuf, (Checkpoint, ClipVision))>,
}

impl Found {
    fn add(&mut self, path: &Path) -> Result<(), ModelError> {
        let own = path.to_path_buf();
        match recognised(Checkpoint::open(path)?) {
            Some(Kind::Transformer(file)) => self.transformers.push((own, file)),
            Some(Kind::Vae(file)) => {
                let sizes = vae_config(&file, path)?;
                self.vaes.push((own, (file, sizes)));
            }
            Some(Kind::Text(file)) => {
                let sizes = umt5(&file)?;
                self.texts.push((own, (file, sizes)));
            }
            Some(Kind::Image(file)) => {
                let sizes = clip_vision(&file, path)?;
                self.images.push((own, (file, sizes)));
            }
            None => tracing::debug!(path = %path.display(), "holds no part of the model"),
        }
        Ok(())
    }

    /// The transformer, or the experts of high and of low noise, in this order.
    fn experts(&mut self) -> Result<Vec<(Checkpoint, DitConfig)>, ModelError> {
        let mut by_noise: BTreeMap<Option<Noise>, (PathBuf, Checkpoint)> = BTreeMap::new();
        for (path, file) in std::mem::take(&mut self.transformers) {
            let noise = Noise::of(&path);
            if let Some((other, _)) = by_noise.insert(noise, (path.clone(), file)) {
                let reason = format!("`{}` is a transformer, too", other.display());
                return Err(refused(&path, reason));
            }
        }
        let alone = |path: &Path, other: &str| {
            let reason = format!("it is one of two experts, and that of {other} noise is missing");
            Err(refused(path, reason))
        };
        match by_noise.keys().copied().collect::<Vec<_>>()[..] {
            [Some(Noise::High)] => return alone(&by_noise[&Some(Noise::High)].0, "low"),
            [Some(Noise::Low)] => return alone(&by_noise[&Some(Noise::Low)].0, "high"),
            [None, Some(_), ..] => {
                let reason = "files of two experts have `high` and `low` in their names".into();
                return Err(refused(&by_noise[&None].0, reason));
            }
            _ => {}
        }
        let sized = |(path, file): (PathBuf, Checkpoint)| {
            let sizes = dit_config(&file, &path)?;
            Ok((file, sizes))
        };
        by_noise.into_values().map(sized).collect()
    }
}

/// Which noise an expert is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Noise {
    High,
    Low,
}

impl Noise {
    /// By the name of the file or of its folder: `wan2.2_t2v_high_noise_14B.gguf`, `low_noise_model`, `transformer_2`.
    fn of(path: &Path) -> Option<Self> {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = path.file_name().unwrap_or_default();
        if folder == "transformer" {
            let second = path.parent()?.with_file_name("transformer_2");
            return second.is_dir().then_some(Self::High);
        }
        if folder == "transformer_2" {
            return Some(Self::Low);
        }
        [name, folder].iter().find_map(|name| {
            let name = name.to_string_lossy().to_lowercase();
            let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
            let says =
                |word: &str| words.iter().any(|w| *w == word || *w == format!("{word}noise"));
            match (says("high"), says("low")) {
                (true, false) => Some(Self::High),
                (false, true) => Some(Self::Low),
                _ => None,
            }
        })
    }
}

/// The one part that was given, or else the one nearby that fits.
fn chosen<T>(
    mut given: Vec<(PathBuf, T)>,
    near: Vec<(PathBuf, T)>,
    what: &str,
    fits: impl Fn(&T) -> bool,
) -> Result<Option<T>, ModelError> {
    if given.is_empty() {
        given = near.into_iter().filter(|(_, part)| fits(part)).collect();
    }
    if let [(first, _), (second, _), ..] = &given[..] {
        return Err(ModelError::Request {
            message: format!(
                "`{}` and `{}` are both the model's {what}",
                first.display(),
                second.display()
            ),
            hint: "name the one to use with `--with`, or move the other away".into(),
        });
    }
    Ok(given.pop().map(|(_, part)| part))
}

/// `config.json` as `diffusers` writes it beside a transformer.
#[derive(Deserialize)]
pub(super) struct Transformer {
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

/// `config.json` as the authors write it.
#[derive(Deserialize)]
struct Original {
    num_heads: usize,
    num_layers: usize,
}

/// `config.json` as `transformers` writes it beside an image encoder.
#[derive(Deserialize)]
struct ImageEncoder {
    num_attention_heads: usize,
    hidden_act: String,
}

/// `preprocessor_config.json`; the authors squeeze all of a picture into a square.
#[derive(Debug, Default, Deserialize)]
struct Pictures {
    #[serde(default)]
    do_center_crop: bool,
}

/// `config.json` as `diffusers` writes it beside an autoencoder: what the shapes of tensors do not tell.
#[derive(Deserialize)]
struct Autoencoder {
    #[serde(rename = "_class_name")]
    class: String,
    latents_mean: Option<Vec<f32>>,
    latents_std: Option<Vec<f32>>,
    temperal_downsample: Option<Vec<bool>>,
    attn_scales: Option<Vec<f32>>,
}

impl Autoencoder {
    /// The sizes with the statistics of the file, or why they cannot be.
    fn applied(self, sizes: VaeConfig) -> Result<VaeConfig, String> {
        if self.class != "AutoencoderKLWan" {
            return Ok(sizes);
        }
        if self.temperal_downsample.is_some_and(|halves| halves != HALVES_TIME) {
            return Err(format!("its `temperal_downsample` is not {HALVES_TIME:?}"));
        }
        if self.attn_scales.is_some_and(|scales| !scales.is_empty()) {
            return Err("its `attn_scales` are not empty".into());
        }
        let channels = sizes.channels();
        let statistics = |name: &str, own: Option<Vec<f32>>, usual: &[f32]| match own {
            Some(own) if own.len() == channels => Ok(own),
            Some(own) => {
                Err(format!("its `{name}` has {} values for {channels} channels", own.len()))
            }
            None => Ok(usual.to_vec()),
        };
        let latent_mean = statistics("latents_mean", self.latents_mean, &sizes.latent_mean)?;
        let latent_std = statistics("latents_std", self.latents_std, &sizes.latent_std)?;
        if latent_std.contains(&0.0) {
            return Err("its `latents_std` has a zero".into());
        }
        Ok(VaeConfig { latent_mean, latent_std, ..sizes })
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

/// The sizes of a transformer: those of the file beside it, or else those that its tensors have.
fn dit_config(file: &Checkpoint, path: &Path) -> Result<DitConfig, ModelError> {
    let beside = path.with_file_name("config.json");
    let json: Option<serde_json::Value> = beside.exists().then(|| read(&beside)).transpose()?;
    let mut original = None;
    if let Some(json) = json {
        if json.get("num_attention_heads").is_some() {
            let sizes: Transformer = serde_json::from_value(json)
                .map_err(|error| refused(&beside, error.to_string()))?;
            return Ok(sizes.into());
        }
        original = serde_json::from_value::<Original>(json).ok();
    }
    let axis = |name: &str, axis: usize| file.axis_len(name, axis);
    let width = axis("patch_embedding.weight", 0)?;
    let heads = original.as_ref().map_or(width / D_HEAD, |sizes| sizes.num_heads);
    if heads == 0 || !width.is_multiple_of(heads) || original.is_none() && width % D_HEAD != 0 {
        let reason = format!("its tokens are {width} wide, which are no heads of {D_HEAD}");
        return Err(refused(&beside, format!("it is needed beside this transformer: {reason}")));
    }
    let image = "condition_embedder.image_embedder.norm1.weight";
    Ok(DitConfig {
        heads,
        d_head: width / heads,
        ffn: axis("blocks.0.ffn.net.0.proj.weight", 0)?,
        layers: original.map_or_else(|| n_layers(file, "blocks."), |sizes| sizes.num_layers),
        in_channels: axis("patch_embedding.weight", 1)?,
        out_channels: axis("proj_out.weight", 0)? / (PATCH * PATCH),
        text_width: axis("condition_embedder.text_embedder.linear_1.weight", 1)?,
        time_features: axis("condition_embedder.time_embedder.linear_1.weight", 1)?,
        image_width: file.shape(image).and_then(|shape| shape.first().copied()),
    })
}

fn vae_config(file: &Checkpoint, path: &Path) -> Result<VaeConfig, ModelError> {
    let channels = file.axis_len("post_quant_conv.weight", 0)?;
    let published = if channels == 48 { VaeConfig::wan22() } else { VaeConfig::wan21() };
    let decoder_base = file.axis_len("decoder.conv_out.weight", 1)?;
    let mut multiples = published.multiples;
    for (level, multiple) in multiples.iter_mut().rev().enumerate() {
        let first = format!("decoder.up_blocks.{level}.resnets.0.conv1.weight");
        *multiple = file.axis_len(&first, 0)? / decoder_base.max(1);
    }
    let sizes = VaeConfig {
        encoder_base: file.axis_len("encoder.conv_in.weight", 0)?,
        decoder_base,
        multiples,
        blocks: n_layers(file, "decoder.up_blocks.0.resnets.").saturating_sub(1),
        ..published
    };
    match beside::<Autoencoder>(path)? {
        Some((file, own)) => own.applied(sizes).map_err(|reason| refused(&file, reason)),
        None => Ok(sizes),
    }
}

fn umt5(file: &Checkpoint) -> Result<Umt5, ModelError> {
    let axis = |name: &str, axis: usize| file.axis_len(name, axis);
    let layer = |part: &str| format!("encoder.block.0.layer.{part}.weight");
    let n_heads = axis(&layer("0.SelfAttention.relative_attention_bias"), 1)?;
    Ok(Umt5 {
        n_words: axis("shared.weight", 0)?,
        width: axis("shared.weight", 1)?,
        n_layers: n_layers(file, "encoder.block."),
        n_heads,
        head_width: axis(&layer("0.SelfAttention.q"), 0)? / n_heads.max(1),
        inner_width: axis(&layer("1.DenseReluDense.wi_0"), 0)?,
    })
}

fn clip_vision(file: &Checkpoint, path: &Path) -> Result<ClipVision, ModelError> {
    let axis = |name: &str, axis: usize| file.axis_len(name, axis);
    let width = axis("embeddings.patch_embedding.weight", 0)?;
    let patch_px = axis("embeddings.patch_embedding.weight", 3)?;
    let n_rows = axis("embeddings.position_embedding.weight", 0)?;
    let own = beside::<ImageEncoder>(path)?;
    if let Some((file, ImageEncoder { hidden_act, .. })) =
        own.as_ref().filter(|(_, own)| own.hidden_act != "gelu")
    {
        let reason = format!("its image encoder has the activation `{hidden_act}`, not `gelu`");
        return Err(refused(file, reason));
    }
    let n_heads = own.map_or(width / IMAGE_D_HEAD, |(_, own)| own.num_attention_heads);
    if n_heads == 0 || !width.is_multiple_of(n_heads) {
        let reason = format!("rows of its image encoder are {width} wide, which are no heads");
        return Err(refused(path, reason));
    }
    Ok(ClipVision {
        side_px: n_rows.saturating_sub(1).isqrt() * patch_px,
        patch_px,
        width,
        n_layers: n_layers(file, "encoder.layers."),
        n_heads,
        inner_width: axis("encoder.layers.0.mlp.fc1.weight", 0)?,
    })
}

/// The vocabulary in a file of a text encoder, if it has one, or what is wrong with it.
pub(super) fn vocabulary(file: &Checkpoint) -> Option<Result<Vocabulary, String>> {
    if let Ok(bytes) = file.bytes(PIECES) {
        return Some(Vocabulary::from_sentencepiece(bytes));
    }
    Vocabulary::from_metadata(&|key| file.metadata(key)).transpose()
}

/// The tensors of the image encoder, and those of what else the file may hold.
pub(super) fn image_layout(file: &Checkpoint, sizes: &ClipVision) -> Vec<(String, Vec<usize>)> {
    let extra = |name: &&str| Some(((*name).to_owned(), file.shape(name)?.to_vec()));
    let extras = IMAGE_EXTRAS.iter().filter_map(extra);
    sizes.layout().into_iter().chain(extras).collect()
}

/// How a transformer is given a picture, by the channels that it takes more than it gives.
pub(super) fn image_input(
    dit: &DitConfig,
    index: &Index,
    path: &Path,
) -> Result<ImageInput, ModelError> {
    let is_plain = dit.in_channels == dit.out_channels;
    let is_masked = dit.in_channels == 2 * dit.out_channels + FRAMES;
    match dit.image_width {
        None if is_plain && index.expand_timesteps == Some(true) => Ok(ImageInput::FirstFrame),
        None if is_plain => Ok(ImageInput::None),
        None if is_masked => Ok(ImageInput::Channels),
        Some(_) if is_masked => Ok(ImageInput::ChannelsAndClip),
        _ => {
            let DitConfig { in_channels, out_channels, .. } = dit;
            let reason = format!(
                "its transformer takes {in_channels} channels and gives {out_channels}, which is no use of pictures that is known"
            );
            Err(refused(path, reason))
        }
    }
}

/// How many layers the names count.
fn n_layers(file: &Checkpoint, prefix: &str) -> usize {
    let number = |name: &str| {
        let (number, _) = name.strip_prefix(prefix)?.split_once('.')?;
        number.parse::<usize>().ok()
    };
    file.names().filter_map(number).max().map_or(0, |last| last + 1)
}

/// The `config.json` beside a file, if there is one and it is of this kind: it may be that of another part.
fn beside<T: DeserializeOwned>(path: &Path) -> Result<Option<(PathBuf, T)>, ModelError> {
    let file = path.with_file_name("config.json");
    let json: Option<serde_json::Value> = file.exists().then(|| read(&file)).transpose()?;
    Ok(json.and_then(|json| serde_json::from_value(json).ok()).map(|own| (file, own)))
}

pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = fs::read(path).map_err(|error| refused(path, error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(path, error.to_string()))
}

pub(super) fn refused(path: &Path, reason: String) -> ModelError {
    ModelError::Request {
        message: format!("`{}` cannot be used: {reason}", path.display()),
        hint: "a model is a transformer and an autoencoder, and to read prompts a text encoder and its tokenizer.json: \
            give a folder with all of them, or name more files with `--with`"
            .into(),
    }
}

fn without_image_encoder(path: &Path) -> ModelError {
    let Preset { name, .. } = Preset::i2v_14b();
    ModelError::Request {
        message: format!("`{}` cannot be used: there is no image encoder for it", path.display()),
        hint: format!(
            "`hibari model pull {name} --only 'image_encoder/*' --only 'image_processor/*'` brings one, and ComfyUI's \
            `clip_vision_h.safetensors` is one: name its file or folder with `--with`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_are_told_by_their_names() {
        let of = |path: &str| Noise::of(Path::new(path));
        assert_eq!(
            of("models/wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors"),
            Some(Noise::High)
        );
        assert_eq!(of("Wan2.2-T2V-A14B-LowNoise-Q8_0.gguf"), Some(Noise::Low));
        assert_eq!(of("low_noise_model/model.safetensors.index.json"), Some(Noise::Low));
        assert_eq!(of("transformer_2/model.safetensors"), Some(Noise::Low));
        assert_eq!(of("transformer/model.safetensors"), None, "there is no second one");
        assert_eq!(of("flowers/slow.safetensors"), None);
    }
}
