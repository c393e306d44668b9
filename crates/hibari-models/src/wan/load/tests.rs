//! A tiny model in files of every layout, from files to latents, against what the original pipeline makes of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use burn::tensor::{Tensor, TensorData};
use hibari_diffusion::{Branch, Guidance, Latent, Position, Sigma, denoise};
use hibari_weights::{Dtype, StoredTensor, write_safetensors};
use serde_json::Value;

use super::super::files::Transformer;
use super::super::{inspect, matches};
use super::*;
use crate::oracle::{fill, summary, uni};
use crate::source::Residency;
use crate::{FirstPicture, Picture, Square, TimedText, VideoModel, Window};

const T2V: [f64; 3] = [-0.032626, 1.542942, 2.200456];

const INDEX: &str = r#"{"_class_name": "WanPipeline", "_diffusers_version": "0.42.1"}"#;
const TRANSFORMER: &str = r#"{"_class_name": "WanTransformer3DModel", "num_attention_heads": 2, "attention_head_dim": 20,
    "in_channels": 16, "out_channels": 16, "text_dim": 24, "freq_dim": 32, "ffn_dim": 72, "num_layers": 2,
    "image_dim": null, "patch_size": [1, 2, 2]}"#;
const VAE: &str = r#"{"_class_name": "AutoencoderKLWan", "base_dim": 4, "z_dim": 16}"#;
const IMAGE_INDEX: &str = r#"{"_class_name": "WanImageToVideoPipeline", "expand_timesteps": true}"#;
const VAE_22: &str =
    r#"{"_class_name": "AutoencoderKLWan", "base_dim": 4, "decoder_base_dim": 6, "z_dim": 48}"#;
const SCHEDULER: &str =
    r#"{"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0, "use_flow_sigmas": true}"#;

/// Writes the folder of the tiny text-to-video model.
fn written(folder: &Path) {
    write_folder(folder, [INDEX, TRANSFORMER, VAE, SCHEDULER]);
}

/// Writes a folder: index, configuration of transformer and autoencoder, scheduler, and weights by the formula.
fn write_folder(folder: &Path, [index, transformer, vae, scheduler]: [&str; 4]) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("model_index.json", index);
    write("transformer/config.json", transformer);
    write("vae/config.json", vae);
    write("scheduler/scheduler_config.json", scheduler);
    let dit = DitConfig::from(serde_json::from_str::<Transformer>(transformer).unwrap());
    let vae = vae_sizes(vae);
    let layouts =
        [("transformer", dit.tensors()), ("vae", Vae::new(vae, &Device::default()).layout())];
    for (part, layout) in layouts {
        let stored = layout
            .iter()
            .map(|(name, shape)| StoredTensor::from_f32(name, shape, &fill(name, shape)));
        let path = folder.join(part).join("diffusion_pytorch_model.safetensors");
        write_safetensors(&path, &stored.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
    }
}

fn vae_sizes(json: &str) -> VaeConfig {
    let json: Value = serde_json::from_str(json).unwrap();
    let number = |key: &str| json[key].as_u64().map(|n| usize::try_from(n).unwrap());
    let encoder_base = number("base_dim").unwrap();
    let is_22 = number("z_dim") == Some(48);
    VaeConfig {
        encoder_base,
        decoder_base: number("decoder_base_dim").unwrap_or(encoder_base),
        ..if is_22 { VaeConfig::wan22() } else { VaeConfig::wan21() }
    }
}

fn settings(residency: Residency) -> Settings {
    Settings { residency, more: Vec::new(), loras: Vec::new() }
}

fn opened(path: &Path) -> Wan {
    load(path, &settings(Residency::F32), &Device::flex()).unwrap()
}

/// Token states, of which those behind the 13th are zero.
fn states(name: &str, rows: usize) -> Tensor<3> {
    let mut values = uni(name, &[rows, 24]);
    values[13 * 24..].fill(0.0);
    Tensor::from_data(TensorData::new(values, [1, rows, 24]), &Device::default())
}

/// Three latent frames of so many cells in four steps, guided by 3; the first may be given.
fn denoised(wan: &mut Wan, cells: [usize; 2], first: Option<Tensor<5>>) -> Tensor<5> {
    let shift = wan.spec().shift;
    denoised_on(wan, shift, cells, first, None)
}

fn denoised_on(
    wan: &mut Wan,
    shift: f64,
    [h, w]: [usize; 2],
    first: Option<Tensor<5>>,
    shown: Option<&Picture>,
) -> Tensor<5> {
    let spec = wan.spec().clone();
    let size = (w * spec.cell_px, h * spec.cell_px);
    let window = Window { size, times: vec![0.0, 1.0, 2.0], still: false };
    // With an image encoder the text has all of its rows.
    let rows = if shown.is_some_and(|picture| picture.square.is_some()) { 512 } else { 24 };
    let mut positive = wan.condition_on_states(states("pos", rows), &window).unwrap();
    let mut negative = wan.condition_on_states(states("neg", rows), &window).unwrap();
    if let Some(picture) = shown {
        wan.show(picture, None, &window, [&mut positive, &mut negative]).unwrap();
    }
    let dims = [1, spec.channels, 3, h, w];
    let mut video =
        Tensor::from_data(TensorData::new(uni("latents", &dims), dims), &Device::default());
    let given = [first.is_some(), false, false];
    if let Some(first) = first {
        video = Tensor::cat(vec![first, video.narrow(2, 1, 2)], 2);
    }
    let plan = spec.method.plan(4, shift, &given);
    let guidance = Guidance {
        weight: if spec.low_noise.is_some() { 4.0 } else { 3.0 },
        low: spec.low_noise.map(|low| (low.below, low.guidance)),
        from: spec.guided.0,
        to: spec.guided.1,
    };
    let mut predict = |noisy: Latent, sigma, branch| match branch {
        Branch::Positive => wan.predict(noisy, sigma, &positive),
        Branch::Negative => wan.predict(noisy, sigma, &negative),
    };
    let mut solver = spec.method.solver();
    let start = Position::start(Latent { video });
    let done = denoise(start, &plan, solver.as_mut(), &guidance, &mut predict, &mut |_| {
        ControlFlow::Continue(())
    });
    done.unwrap().video
}

#[track_caller]
fn assert_near(latents: &Tensor<5>, expected: [f64; 3]) {
    assert_summary(&latents.clone().into_data().try_into_vec::<f32>().unwrap(), expected, 1e-4);
}

#[track_caller]
fn assert_summary(values: &[f32], [mean, rms, first]: [f64; 3], tolerance: f64) {
    let found = summary(values);
    let near = |a: f64, b: f64| (a - b).abs() <= tolerance;
    assert!(
        near(found.mean, mean) && near(found.rms, rms) && near(found.first, first),
        "{found:?}"
    );
}

#[test]
fn a_video_that_begins_with_a_picture_is_that_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let transformer = TRANSFORMER.replace("_channels\": 16", "_channels\": 48");
    let scheduler = SCHEDULER.replace("3.0", "5.0");
    write_folder(folder.path(), [IMAGE_INDEX, &transformer, VAE_22, &scheduler]);
    let mut wan = opened(folder.path());
    assert_eq!(wan.spec().first_picture, FirstPicture::Frame);
    let dims = [1, 3, 1, 32, 64];
    let picture = TensorData::new(uni("image", &dims), dims);
    let first = wan.encode(Tensor::from_data(picture, &Device::default()));
    let done = denoised(&mut wan, [2, 4], Some(first));
    assert_near(&done, [0.024644, 1.221452, 1.103173]);
}

/// The picture of the original pipeline's test, for a video of 48x32.
fn picture(has_square: bool) -> Picture {
    let tensor = |name, dims: &[usize]| uni(name, dims);
    let pixels = TensorData::new(tensor("image", &[1, 3, 1, 32, 48]), [1, 3, 1, 32, 48]);
    let square = TensorData::new(tensor("square", &[1, 3, 28, 28]), [1, 3, 28, 28]);
    let square: Tensor<4> = Tensor::from_data(square, &Device::default());
    Picture {
        pixels: Tensor::from_data(pixels, &Device::default()),
        square: has_square.then(|| square * 0.5 + 0.5),
    }
}

const CLIP: ClipVision =
    ClipVision { side_px: 28, patch_px: 14, width: 28, n_layers: 3, n_heads: 2, inner_width: 56 };

/// Writes the folder of a tiny model that is shown pictures, with or without an image encoder.
fn write_shown(folder: &Path, has_encoder: bool) {
    let image = if has_encoder { "\"image_dim\": 28" } else { "\"image_dim\": null" };
    let transformer = TRANSFORMER
        .replace("\"in_channels\": 16", "\"in_channels\": 36")
        .replace("\"image_dim\": null", image);
    write_folder(folder, [INDEX, &transformer, VAE, SCHEDULER]);
}

/// Writes an image encoder as older versions of transformers name its tensors, and with what ComfyUI has beside it.
fn write_image_encoder(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let name = |name: &str| format!("vision_model.{name}");
    let layout = CLIP.layout();
    let weights = layout
        .iter()
        .map(|(own, shape)| StoredTensor::from_f32(&name(own), shape, &fill(own, shape)));
    let beside = StoredTensor::from_f32("visual_projection.weight", &[4, 28], &[0.0; 112]);
    let stored: Vec<StoredTensor> = weights.chain([beside]).collect();
    write_safetensors(path, &stored, &BTreeMap::new()).unwrap();
    let config = r#"{"num_attention_heads": 2, "hidden_act": "gelu", "image_size": 28}"#;
    fs::write(path.with_file_name("config.json"), config).unwrap();
}

#[test]
fn a_model_that_is_shown_pictures_through_an_encoder_is_that_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    write_shown(folder.path(), true);
    let error = load(folder.path(), &settings(Residency::F32), &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("no image encoder"), "{error}");
    let ModelError::Request { hint, .. } = error else { panic!("{error}") };
    assert!(hint.contains("hibari model pull wan2.1-i2v-14b") && hint.contains("--with"), "{hint}");
    let missing = inspect(folder.path()).unwrap().missing;
    assert_eq!(missing, ["text encoder", "image encoder", "tokenizer.json"]);

    write_image_encoder(&folder.path().join("image_encoder/model.safetensors"));
    let inspection = inspect(folder.path()).unwrap();
    let part = inspection.parts.iter().find(|part| part.name == "image encoder").unwrap();
    assert_eq!((&part.problem, part.parameters), (&None, 36_484 + 112));
    let mut wan = opened(folder.path());
    let square = |is_middle| FirstPicture::Shown(Some(Square { side_px: 28, is_middle }));
    assert_eq!(wan.spec().first_picture, square(false));
    let done = denoised_on(&mut wan, 3.0, [4, 6], None, Some(&picture(true)));
    assert_near(&done, [-0.008488, 1.465148, 0.709229]);
    assert_decoded(&wan, done, [-0.009090, 0.452649, 0.419821]);

    let settings_of_pictures = folder.path().join("image_processor/preprocessor_config.json");
    fs::create_dir_all(settings_of_pictures.parent().unwrap()).unwrap();
    fs::write(&settings_of_pictures, r#"{"do_center_crop": true}"#).unwrap();
    assert_eq!(opened(folder.path()).spec().first_picture, square(true));
    let config = folder.path().join("image_encoder/config.json");
    fs::write(&config, r#"{"num_attention_heads": 2, "hidden_act": "quick_gelu"}"#).unwrap();
    let error = load(folder.path(), &settings(Residency::F32), &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("`quick_gelu`"), "{error}");
}

fn sizes_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Holds all values of all frames against the original's.
#[track_caller]
fn assert_decoded(wan: &Wan, latents: Tensor<5>, expected: [f64; 3]) {
    let mut frames = Vec::new();
    wan.decode(latents, None, &mut |_, _| ControlFlow::Continue(()), &mut |frame| {
        frames.push(frame.unsqueeze_dim::<5>(2));
        ControlFlow::Continue(())
    });
    assert_near(&Tensor::cat(frames, 2), expected);
}

#[test]
fn experts_that_are_shown_pictures_are_those_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    write_shown(folder.path(), false);
    let index = r#"{"_class_name": "WanImageToVideoPipeline", "boundary_ratio": 0.9}"#;
    fs::write(folder.path().join("model_index.json"), index).unwrap();
    let second = folder.path().join("transformer_2");
    let sizes = folder.path().join("transformer/config.json");
    write_transformer_of(
        &second.join("diffusion_pytorch_model.safetensors"),
        &sizes_of(&sizes),
        str::to_owned,
        lower,
    );
    fs::copy(&sizes, second.join("config.json")).unwrap();
    let mut wan = opened(folder.path());
    assert_eq!(wan.spec().first_picture, FirstPicture::Shown(None));
    assert_eq!((wan.spec().preset.as_str(), wan.spec().guidance), ("wan", 3.5));
    let done = denoised_on(&mut wan, 5.0, [4, 6], None, Some(&picture(false)));
    assert_near(&done, [0.010361, 1.202384, -1.228533]);
    assert_decoded(&wan, done, [-0.010826, 0.443234, -0.067238]);

    let odd = sizes_of(&sizes).replace("\"in_channels\": 36", "\"in_channels\": 20");
    let path = folder.path().join("odd/model.safetensors");
    write_transformer_of(&path, &odd, str::to_owned, as_f32);
    fs::write(path.with_file_name("config.json"), &odd).unwrap();
    let error = load(&path, &settings(Residency::F32), &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("takes 20 channels and gives 16"), "{error}");
}

#[test]
fn latents_are_those_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    assert!(matches(folder.path()) && !matches(&folder.path().join("scheduler")));
    let mut wan = opened(folder.path());
    let spec = wan.spec().clone();
    assert_eq!((spec.method, spec.shift, spec.side_step), (Method::UniPc, 3.0, Some(16)));

    let done = denoised(&mut wan, [4, 6], None);
    assert_near(&done, T2V);
    let mut frames = 0;
    wan.decode(done, None, &mut |_, _| ControlFlow::Continue(()), &mut |frame| {
        assert_eq!(frame.dims(), [1, 3, 32, 48]);
        frames += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(frames, spec.frames(3));
}

#[test]
fn an_autoencoder_has_the_sizes_and_statistics_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let sizes = VaeConfig { multiples: [1, 2, 2, 3], blocks: 1, ..vae_sizes(VAE) };
    let layout = Vae::new(sizes.clone(), &Device::default()).layout();
    let stored = layout.iter().map(|(name, shape)| {
        let values = fill(name, shape);
        StoredTensor::from_f32(name, shape, &values)
    });
    let file = folder.path().join("vae/diffusion_pytorch_model.safetensors");
    write_safetensors(&file, &stored.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
    let found = || Files::find(folder.path(), &[]).map(|files| files.vae.1);
    assert_eq!(found().unwrap(), sizes);

    let config = folder.path().join("vae/config.json");
    let with = |more: &str| fs::write(&config, VAE.replace('}', &format!(", {more}}}"))).unwrap();
    let [mean, std] =
        ["latents_mean", "latents_std"].map(|name| format!("\"{name}\": {:?}", [0.5; 16]));
    with(&format!("{mean}, {std}"));
    let own = VaeConfig { latent_mean: vec![0.5; 16], latent_std: vec![0.5; 16], ..sizes };
    assert_eq!(found().unwrap(), own);
    let message = || found().unwrap_err().to_string();
    with("\"latents_mean\": [0.5, 0.5]");
    assert!(message().contains("`latents_mean` has 2 values for 16 channels"), "{}", message());
    with(&std.replacen("0.5", "0.0", 1));
    assert!(message().contains("`latents_std` has a zero"), "{}", message());
    with("\"temperal_downsample\": [true, true, true]");
    assert!(message().contains("`temperal_downsample`"), "{}", message());
    with("\"attn_scales\": [1.0]");
    assert!(message().contains("`attn_scales`"), "{}", message());
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let plain = settings(Residency::F32);
    let message = |folder: &Path| load(folder, &plain, &Device::flex()).err().unwrap().to_string();

    let mut wan = opened(folder.path());
    let window = Window { size: (48, 32), times: vec![0.0], still: false };
    let error = wan.condition(&TimedText::whole("a dog"), &window).err().unwrap();
    assert!(error.to_string().contains("no text encoder"), "{error}");
    let narrow = Tensor::zeros([1, 4, 23], &Device::default());
    let error = wan.condition_on_states(narrow, &window).err().unwrap();
    assert!(error.to_string().contains("23 wide, the model takes 24"), "{error}");

    let path = folder.path().join("scheduler/scheduler_config.json");
    fs::write(&path, SCHEDULER.replace("UniPC", "Magic")).unwrap();
    assert!(message(folder.path()).contains("MagicMultistepScheduler"));
    fs::write(&path, SCHEDULER.replace("\"flow_shift\"", "\"solver_order\": 3, \"flow_shift\""))
        .unwrap();
    assert!(message(folder.path()).contains("its `solver_order` is 3, and only 2 is known"));
    fs::write(&path, SCHEDULER).unwrap();
    let path = folder.path().join("transformer/config.json");
    fs::write(&path, TRANSFORMER.replace("\"num_layers\": 2", "\"num_layers\": 3")).unwrap();
    assert!(message(folder.path()).contains("blocks.2."));
    fs::write(&path, TRANSFORMER.replace("\"in_channels\": 16", "\"in_channels\": 36")).unwrap();
    assert!(message(folder.path()).contains("patch_embedding.weight"));
    fs::remove_file(&path).unwrap();
    assert!(message(folder.path()).contains("transformer/config.json"));
}

/// The names that the authors give to the tensors of the tiny transformer; see `keymap` for all of them.
fn original_dit_name(name: &str) -> String {
    let pairs = [
        ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
        ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
        ("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
        ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
        ("condition_embedder.time_proj", "time_projection.1"),
        ("attn1.", "self_attn."),
        ("attn2.", "cross_attn."),
        ("norm2.", "norm3."),
        ("to_out.0", "o"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("ffn.net.0.proj", "ffn.0"),
        ("ffn.net.2", "ffn.2"),
        ("proj_out", "head.head"),
    ];
    let name =
        pairs.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs));
    match name.strip_suffix("scale_shift_table") {
        Some("") => "head.modulation".to_owned(),
        Some(block) => format!("{block}modulation"),
        None => name,
    }
}

/// The tiny transformer, and changes of its names and of how its tensors are stored.
fn write_transformer(
    path: &Path,
    rename: impl Fn(&str) -> String,
    stored: impl Fn(&str, &[usize], &[f32]) -> Vec<StoredTensor>,
) {
    write_transformer_of(path, TRANSFORMER, rename, stored);
}

/// The same of these sizes.
fn write_transformer_of(
    path: &Path,
    sizes: &str,
    rename: impl Fn(&str) -> String,
    stored: impl Fn(&str, &[usize], &[f32]) -> Vec<StoredTensor>,
) {
    let sizes = DitConfig::from(serde_json::from_str::<Transformer>(sizes).unwrap());
    let tensors = sizes.tensors().into_iter();
    let tensors =
        tensors.flat_map(|(name, shape)| stored(&rename(&name), &shape, &fill(&name, &shape)));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_safetensors(path, &tensors.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
}

/// Weights of the second expert: the first one's times 0.8, but for vectors.
fn lower(name: &str, shape: &[usize], values: &[f32]) -> Vec<StoredTensor> {
    let factor = if shape.len() >= 2 { 0.8 } else { 1.0 };
    as_f32(name, shape, &values.iter().map(|value| value * factor).collect::<Vec<_>>())
}

fn as_f32(name: &str, shape: &[usize], values: &[f32]) -> Vec<StoredTensor> {
    vec![StoredTensor::from_f32(name, shape, values)]
}

fn write_vae(path: &Path) {
    let layout = Vae::new(vae_sizes(VAE), &Device::flex()).layout();
    let stored = layout.iter().flat_map(|(name, shape)| as_f32(name, shape, &fill(name, shape)));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_safetensors(path, &stored.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
}

/// What the authors write beside their transformer; of published sizes it is not needed.
const ORIGINAL: &str =
    r#"{"dim": 40, "ffn_dim": 72, "model_type": "t2v", "num_heads": 2, "num_layers": 2}"#;

/// Cosine of the angle between two videos.
fn cosine(a: &Tensor<5>, b: &Tensor<5>) -> f64 {
    let values = |x: &Tensor<5>| x.clone().into_data().try_into_vec::<f32>().unwrap();
    let (a, b) = (values(a), values(b));
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn files_of_each_part_are_found_beside_the_transformer() {
    let place = tempfile::tempdir().unwrap();
    let transformer = place.path().join("diffusion_models/tiny.safetensors");
    write_transformer(
        &transformer,
        |n| format!("model.diffusion_model.{}", original_dit_name(n)),
        as_f32,
    );
    write_vae(&place.path().join("vae/wan_2.1_vae.safetensors"));
    fs::write(transformer.with_file_name("config.json"), ORIGINAL).unwrap();
    assert!(matches(&transformer));
    let mut wan = opened(&transformer);
    let spec = wan.spec().clone();
    assert_eq!((spec.method, spec.shift), (Method::UniPc, 8.0), "no scheduler file: the preset's");
    assert_near(&denoised_on(&mut wan, 3.0, [4, 6], None, None), T2V);

    let other = place.path().join("elsewhere/vae.safetensors");
    write_vae(&other);
    fs::remove_dir_all(place.path().join("vae")).unwrap();
    let refusal = |more: Vec<PathBuf>| {
        let settings = Settings { more, ..settings(Residency::F32) };
        load(&transformer, &settings, &Device::flex()).err().map(|error| error.to_string())
    };
    assert!(refusal(Vec::new()).unwrap().contains("no autoencoder"));
    assert_eq!(refusal(vec![other.clone()]), None);
    fs::create_dir_all(place.path().join("vae")).unwrap();
    for name in ["a", "b"] {
        fs::copy(&other, place.path().join(format!("vae/{name}.safetensors"))).unwrap();
    }
    assert!(refusal(Vec::new()).unwrap().contains("are both the model's autoencoder"));
    fs::remove_file(transformer.with_file_name("config.json")).unwrap();
    assert!(refusal(vec![other]).unwrap().contains("config.json"));
}

/// Exact in 32 bits.
const SCALE: f32 = 1.0 / 1024.0;

/// Whether a tensor is stored in 8 bits below.
fn is_projection(name: &str, shape: &[usize]) -> bool {
    name.contains(".to_") && shape.len() == 2
}

/// 8-bit floats, none of them infinite.
fn levels(shape: &[usize]) -> Vec<u8> {
    (0..shape.iter().product()).map(|i: usize| (i * 37 % 0x7f) as u8 | (i as u8 & 1) << 7).collect()
}

fn decoded(byte: u8) -> f32 {
    hibari_weights::quantize::f32_from_f8_e4m3(byte) * SCALE
}

/// The values that the 8-bit floats stand for.
fn plain(name: &str, shape: &[usize], values: &[f32]) -> Vec<StoredTensor> {
    if !is_projection(name, shape) {
        return as_f32(name, shape, values);
    }
    as_f32(name, shape, &levels(shape).into_iter().map(decoded).collect::<Vec<_>>())
}

#[test]
fn scaled_8_bit_floats_and_a_lora_are_the_weights_they_stand_for() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::create_dir_all(place.path().join(name)).unwrap();
        fs::write(place.path().join(name).join("config.json"), text).unwrap();
    };
    let scaled = |name: &str, shape: &[usize], values: &[f32]| {
        if !is_projection(name, shape) {
            return as_f32(name, shape, values);
        }
        let bytes = levels(shape);
        let own =
            StoredTensor { name: name.into(), dtype: Dtype::F8E4M3, shape: shape.into(), bytes };
        let beside = name.replace(".weight", ".scale_weight");
        vec![own, StoredTensor::from_f32(&beside, &[], &[SCALE])]
    };
    for (name, stored) in
        [("plain", &plain as &dyn Fn(&str, &[usize], &[f32]) -> _), ("scaled", &scaled)]
    {
        write(name, ORIGINAL);
        write_transformer(
            &place.path().join(name).join("model.safetensors"),
            str::to_owned,
            stored,
        );
        write_vae(&place.path().join(name).join("vae.safetensors"));
    }
    let (as_they_are, scaled) = (place.path().join("plain"), place.path().join("scaled"));
    let latents = |path: &Path, settings: &Settings| {
        denoised(&mut load(path, settings, &Device::flex()).unwrap(), [4, 6], None)
    };
    let expected = latents(&as_they_are, &settings(Residency::F32));
    assert_eq!(
        latents(&scaled, &settings(Residency::F32)).into_data(),
        expected.clone().into_data()
    );
    let packed = latents(&scaled, &settings(Residency::Bf16));
    assert!(cosine(&expected, &packed) > 0.999, "{}", cosine(&expected, &packed));
    let streamed = latents(&scaled, &settings(Residency::Streamed));
    assert_eq!(streamed.into_data(), packed.into_data());

    // A change of rank one: merged from its file, or merged here.
    let (down, up): (Vec<f32>, Vec<f32>) = (uni("down", &[1, 40]), uni("up", &[40, 1]));
    let merged = |name: &str, shape: &[usize], values: &[f32]| {
        if name != "blocks.1.attn1.to_q.weight" {
            return plain(name, shape, values);
        }
        let strength_alpha_over_rank = 0.5 * 4.0;
        let change = |i: usize| strength_alpha_over_rank * up[i / 40] * down[i % 40];
        let sum = |(i, byte): (usize, u8)| decoded(byte) + change(i);
        as_f32(name, shape, &levels(shape).into_iter().enumerate().map(sum).collect::<Vec<_>>())
    };
    write("merged", ORIGINAL);
    write_transformer(&place.path().join("merged/model.safetensors"), str::to_owned, merged);
    write_vae(&place.path().join("merged/vae.safetensors"));
    let path = place.path().join("lora.safetensors");
    let tensors = [
        StoredTensor::from_f32(
            "diffusion_model.blocks.1.self_attn.q.lora_down.weight",
            &[1, 40],
            &down,
        ),
        StoredTensor::from_f32(
            "diffusion_model.blocks.1.self_attn.q.lora_up.weight",
            &[40, 1],
            &up,
        ),
        StoredTensor::from_f32("diffusion_model.blocks.1.self_attn.q.alpha", &[], &[4.0]),
    ];
    write_safetensors(&path, &tensors, &BTreeMap::new()).unwrap();
    let with = |residency| Settings {
        loras: vec![LoraFile { path: path.clone(), strength: 0.5 }],
        ..settings(residency)
    };
    let adapted = latents(&scaled, &with(Residency::F32));
    let expected_merged = latents(&place.path().join("merged"), &settings(Residency::F32));
    let near = cosine(&adapted, &expected_merged);
    assert!(near > 1.0 - 1e-9, "{near}");
    assert!(cosine(&adapted, &expected) < 0.9999, "the change is seen");
    let [packed, streamed] =
        [Residency::Bf16, Residency::Streamed].map(|r| latents(&scaled, &with(r)));
    assert_eq!(packed.into_data(), streamed.into_data());

    let stray =
        StoredTensor::from_f32("transformer.blocks.9.attn1.to_q.lora_A.weight", &[1, 40], &down);
    write_safetensors(&path, &[stray], &BTreeMap::new()).unwrap();
    let error = load(&scaled, &with(Residency::F32), &Device::flex()).err().unwrap().to_string();
    assert!(error.contains("blocks.9.attn1.to_q"), "{error}");
}

#[test]
fn two_experts_are_those_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let scheduler = SCHEDULER.replace("3.0", "5.0");
    let index = r#"{"_class_name": "WanPipeline", "boundary_ratio": 0.875}"#;
    write_folder(folder.path(), [index, TRANSFORMER, VAE, &scheduler]);
    let second = folder.path().join("transformer_2");
    write_transformer(&second.join("diffusion_pytorch_model.safetensors"), str::to_owned, lower);
    fs::write(second.join("config.json"), TRANSFORMER).unwrap();
    for residency in [Residency::F32, Residency::Streamed] {
        let mut wan = load(folder.path(), &settings(residency), &Device::flex()).unwrap();
        let done = denoised(&mut wan, [4, 6], None);
        match residency {
            Residency::F32 => assert_near(&done, [-0.012186, 1.142728, 0.369761]),
            _ => assert_eq!(done.dims(), [1, 16, 3, 4, 6]),
        }
    }
    fs::remove_dir_all(second).unwrap();
    let error = load(folder.path(), &settings(Residency::F32), &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("transformer_2"), "{error}");
}

/// How a GGUF file below stores matrices whose rows are whole blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Blocks {
    Q8_0,
    Q4K,
    Q5K,
}

impl Blocks {
    /// Values in a block, and the number of the type.
    fn kind(self) -> (usize, u32) {
        match self {
            Self::Q8_0 => (32, 8),
            Self::Q4K => (256, 12),
            Self::Q5K => (256, 13),
        }
    }

    /// The bytes of a block, and the values that they stand for.
    fn packed(self, values: &[f32]) -> (Vec<u8>, Vec<f32>) {
        match self {
            Self::Q8_0 => {
                let largest = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                let scale = half::f16::from_f32(largest / 127.0);
                let levels: Vec<i8> =
                    values.iter().map(|v| (v / scale.to_f32()).round() as i8).collect();
                let bytes = levels.iter().map(|level| level.cast_unsigned());
                let values = levels.iter().map(|&level| f32::from(level) * scale.to_f32());
                (scale.to_le_bytes().into_iter().chain(bytes).collect(), values.collect())
            }
            Self::Q4K => packed_k(values, 4),
            Self::Q5K => packed_k(values, 5),
        }
    }
}

/// A block of 256 values of so many bits: each 32 have a scale and an offset of six bits, which share a half float each.
fn packed_k(values: &[f32], bits: u32) -> (Vec<u8>, Vec<f32>) {
    let most = ((1_u32 << bits) - 1) as f32;
    let groups: Vec<&[f32]> = values.chunks(32).collect();
    let low = |group: &[f32]| -group.iter().fold(0.0_f32, |m, &v| m.min(v));
    let high = |group: &[f32]| group.iter().fold(0.0_f32, |m, &v| m.max(v));
    let shared = |values: Vec<f32>| {
        let largest = values.iter().fold(0.0_f32, |m, &v| m.max(v));
        let unit = half::f16::from_f32(largest / 63.0);
        let levels = values.iter().map(|v| (v / unit.to_f32()).round().min(63.0) as u8).collect();
        (unit, levels)
    };
    let (scale, scales): (half::f16, Vec<u8>) =
        shared(groups.iter().map(|group| (high(group) + low(group)) / most).collect());
    let (offset, offsets): (half::f16, Vec<u8>) =
        shared(groups.iter().map(|group| low(group)).collect());
    let level = |group: usize, value: f32| {
        let own = scale.to_f32() * f32::from(scales[group]);
        ((value + offset.to_f32() * f32::from(offsets[group])) / own).round().clamp(0.0, most) as u8
    };
    let levels: Vec<u8> = (0..256).map(|i| level(i / 32, values[i])).collect();
    let mut bytes = [scale.to_le_bytes(), offset.to_le_bytes()].concat();
    bytes.extend((0..4).map(|g| scales[g] | scales[g + 4] >> 4 << 6));
    bytes.extend((0..4).map(|g| offsets[g] | offsets[g + 4] >> 4 << 6));
    bytes.extend((4..8).map(|g| scales[g] & 0xf | offsets[g] << 4));
    if bits == 5 {
        let fifths = |lane: usize| (0..8).fold(0, |byte, g| byte | levels[32 * g + lane] >> 4 << g);
        bytes.extend((0..32).map(fifths));
    }
    for pair in levels.chunks(64) {
        bytes.extend((0..32).map(|lane| pair[lane] & 0xf | pair[32 + lane] << 4));
    }
    let value = |(i, &level): (usize, &u8)| {
        let (own, below) = (f32::from(scales[i / 32]), f32::from(offsets[i / 32]));
        scale.to_f32() * own * f32::from(level) - offset.to_f32() * below
    };
    let values = levels.iter().enumerate().map(value).collect();
    (bytes, values)
}

/// A GGUF file with names of the authors: version 3, tensors as 32-bit floats but for matrices that fit into blocks.
fn gguf(tensors: &[(String, Vec<usize>)], blocks: Blocks) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    let (per_block, code) = blocks.kind();
    for (name, shape) in tensors {
        let is_packed = shape.len() == 2 && shape[1].is_multiple_of(per_block);
        infos.extend(text(&original_dit_name(name)));
        infos.extend((shape.len() as u32).to_le_bytes());
        infos.extend(shape.iter().rev().flat_map(|&n| (n as u64).to_le_bytes()));
        infos.extend(if is_packed { code } else { 0 }.to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        let values = fill(name, shape);
        if is_packed {
            data.extend(values.chunks(per_block).flat_map(|block| blocks.packed(block).0));
        } else {
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut bytes = [b"GGUF".as_slice(), &3_u32.to_le_bytes()].concat();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(infos);
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    [bytes, data].concat()
}

#[test]
fn a_gguf_file_is_a_transformer() {
    let place = tempfile::tempdir().unwrap();
    let sizes = DitConfig::from(serde_json::from_str::<Transformer>(TRANSFORMER).unwrap());
    let path = place.path().join("tiny-Q8_0.gguf");
    fs::write(&path, gguf(&sizes.tensors(), Blocks::Q8_0)).unwrap();
    fs::write(place.path().join("config.json"), ORIGINAL).unwrap();
    write_vae(&place.path().join("vae.safetensors"));
    assert!(matches(&path));
    let found = denoised_on(&mut opened(&path), 3.0, [4, 6], None, None);
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let exact = denoised(&mut opened(folder.path()), [4, 6], None);
    let near = cosine(&exact, &found);
    assert!((0.999..1.0).contains(&near), "eight bits in one of its layers: {near}");
}

/// A model of the least width whose rows are whole blocks of 256: two heads of 128, so that it needs no configuration.
#[test]
fn models_in_blocks_of_256_are_near_those_in_floats() {
    let place = tempfile::tempdir().unwrap();
    write_vae(&place.path().join("vae/vae.safetensors"));
    let sizes = DitConfig {
        heads: 2,
        ffn: 512,
        layers: 2,
        text_width: 24,
        time_features: 32,
        ..DitConfig::t2v_1_3b()
    };
    // In floats: the weights, or what blocks of them stand for.
    let write = |name: &str, blocks: Option<Blocks>| {
        let path = place.path().join(name).join("tiny.safetensors");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let stored = sizes.tensors().into_iter().map(|(name, shape)| {
            let mut values = fill(&name, &shape);
            if let Some(blocks) = blocks.filter(|_| shape.len() == 2 && shape[1] % 256 == 0) {
                values = values.chunks(256).flat_map(|block| blocks.packed(block).1).collect();
            }
            StoredTensor::from_f32(&original_dit_name(&name), &shape, &values)
        });
        write_safetensors(&path, &stored.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
        path
    };
    let plain = write("plain", None);
    let run = |path: &Path, residency| {
        let mut wan = load(path, &settings(residency), &Device::flex()).unwrap();
        let done = denoised_on(&mut wan, 3.0, [4, 6], None, None);
        let mut frames = Vec::new();
        wan.decode(done.clone(), None, &mut |_, _| ControlFlow::Continue(()), &mut |frame| {
            frames.push(frame.unsqueeze_dim::<5>(2));
            ControlFlow::Continue(())
        });
        (done, Tensor::cat(frames, 2))
    };
    let (exact, exact_frames) = run(&plain, Residency::F32);
    let mut nearness = Vec::new();
    for (blocks, name, bound) in
        [(Blocks::Q4K, "tiny-Q4_K_M", BOUND_Q4K), (Blocks::Q5K, "tiny-Q5_K_M", BOUND_Q5K)]
    {
        let path = place.path().join("gguf").join(format!("{name}.gguf"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, gguf(&sizes.tensors(), blocks)).unwrap();
        let (latents, frames) = run(&path, Residency::F32);
        let (same, _) = run(&write(name, Some(blocks)), Residency::F32);
        assert_eq!(latents.clone().into_data(), same.into_data(), "{blocks:?}");
        let near = [cosine(&exact, &latents), cosine(&exact_frames, &frames)];
        assert!((0..2).all(|i| (bound[i]..1.0).contains(&near[i])), "{blocks:?}: {near:?}");
        nearness.push(near[0]);
        let [packed, streamed] = [Residency::Bf16, Residency::Streamed].map(|r| run(&path, r).0);
        assert_eq!(packed.clone().into_data(), streamed.into_data(), "{blocks:?}");
        let near = cosine(&latents, &packed);
        assert!(near > 0.999, "{blocks:?} in bf16: {near}");
    }
    assert!(nearness[0] < nearness[1], "a bit more is nearer: {nearness:?}");
}

/// Cosines of latents and frames that files in blocks keep to the same model in floats. The formula makes every mistake
/// large: measured are 0.980, 0.931 and 0.995, 0.976, an error that a bit more halves.
const BOUND_Q4K: [f64; 2] = [0.975, 0.92];
const BOUND_Q5K: [f64; 2] = [0.993, 0.97];

/// Of the largest state, the design allows 1e-5; states are up to 3.
const UMT5_TOLERANCE: f64 = 1e-5;

const UMT5: Umt5 =
    Umt5 { n_words: 320, width: 32, n_layers: 2, n_heads: 4, head_width: 8, inner_width: 56 };

/// From words to states: the text is cleaned, cut by the vocabulary that the encoder's file holds, and encoded.
#[test]
fn a_text_becomes_the_states_of_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let transformer = TRANSFORMER.replace("\"text_dim\": 24", "\"text_dim\": 32");
    write_folder(folder.path(), [INDEX, &transformer, VAE, SCHEDULER]);
    let pieces: &[u8] = include_bytes!("../../../../../fixtures/wan/spiece.model");
    let path = folder.path().join("text_encoder/umt5.safetensors");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let layout = UMT5.layout();
    let weights =
        layout.iter().map(|(name, shape)| StoredTensor::from_f32(name, shape, &fill(name, shape)));
    let mut stored: Vec<StoredTensor> = weights.collect();
    write_safetensors(&path, &stored, &BTreeMap::new()).unwrap();
    assert_eq!(inspect(folder.path()).unwrap().missing, ["tokenizer.json"]);
    stored.push(StoredTensor {
        name: "spiece_model".into(),
        dtype: Dtype::U8,
        shape: vec![pieces.len()],
        bytes: pieces.to_vec(),
    });
    write_safetensors(&path, &stored, &BTreeMap::new()).unwrap();
    assert!(inspect(folder.path()).unwrap().missing.is_empty());

    let encoder = |tokenizer: Option<&Path>| {
        text_encoder((Checkpoint::open(&path).unwrap(), UMT5), tokenizer).unwrap().unwrap()
    };
    let json = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wan/tokenizer.json");
    for tokenizer in [None, Some(json.as_path())] {
        let states = |text: &str| {
            let states = encoder(tokenizer).states(text, &Device::default()).unwrap();
            assert_eq!(states.dims(), [1, 512, 32]);
            states.into_data().try_into_vec::<f32>().unwrap()
        };
        let english = states(" A cat walks  on the roof of the house.\n");
        assert_summary(&english, [-0.003482, 0.223102, -0.481838], UMT5_TOLERANCE);
        let chinese = states("静止不动的画面，低质量");
        assert_summary(&chinese, [0.000714, 0.153407, -0.119627], UMT5_TOLERANCE);
    }
    let window = Window { size: (48, 32), times: vec![0.0, 1.0], still: false };
    let mut wan = opened(folder.path());
    let positive = wan.condition(&TimedText::whole("A cat walks."), &window).unwrap();
    let noise = uni("latents", &[1, 16, 2, 4, 6]);
    let noise = Tensor::from_data(TensorData::new(noise, [1, 16, 2, 4, 6]), &Device::default());
    let levels = Tensor::from_data([[0.9_f32, 0.9]], &Device::default());
    let sigma = Sigma { video: levels.clone(), time: levels * 1000.0 };
    let clean = wan.predict(Latent { video: noise }, sigma, &positive).video;
    assert!(clean.into_data().try_into_vec::<f32>().unwrap().iter().all(|v| v.is_finite()));

    stored.last_mut().unwrap().bytes[5] ^= 0xff;
    write_safetensors(&path, &stored, &BTreeMap::new()).unwrap();
    let error = load(folder.path(), &settings(Residency::F32), &Device::flex()).err().unwrap();
    assert!(error.to_string().contains("tokenizer of the text encoder"), "{error}");
}
