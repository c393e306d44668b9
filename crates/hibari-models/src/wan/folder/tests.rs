//! A tiny model in a folder, from files to latents, against what the original pipeline makes of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};
use hibari_diffusion::{Branch, Guidance, Latent, denoise};
use hibari_weights::{StoredTensor, write_safetensors};

use super::*;
use crate::oracle::{fill, summary, uni};
use crate::{TimedText, VideoModel, Window};

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
    let vae = VaeConfig::from(serde_json::from_str::<Autoencoder>(vae).unwrap());
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

/// Token states of 24 rows, of which those behind the 13th are zero.
fn states(name: &str) -> Tensor<3> {
    let mut values = uni(name, &[24, 24]);
    values[13 * 24..].fill(0.0);
    Tensor::from_data(TensorData::new(values, [1, 24, 24]), &Device::default())
}

/// Three latent frames of so many cells in four steps, guided by 3; the first may be given.
fn denoised(wan: &mut Wan, [h, w]: [usize; 2], first: Option<Tensor<5>>) -> Tensor<5> {
    let spec = wan.spec().clone();
    let size = (w * spec.cell_px, h * spec.cell_px);
    let window = Window { size, times: vec![0.0, 1.0, 2.0], still: false };
    let positive = wan.condition_on_states(states("pos"), &window).unwrap();
    let negative = wan.condition_on_states(states("neg"), &window).unwrap();
    let dims = [1, spec.channels, 3, h, w];
    let mut video =
        Tensor::from_data(TensorData::new(uni("latents", &dims), dims), &Device::default());
    let given = [first.is_some(), false, false];
    if let Some(first) = first {
        video = Tensor::cat(vec![first, video.narrow(2, 1, 2)], 2);
    }
    let plan = spec.method.plan(4, spec.shift, &given);
    let guidance = Guidance { weight: 3.0, from: spec.guided.0, to: spec.guided.1 };
    let mut predict = |noisy: Latent, sigma, branch| match branch {
        Branch::Positive => wan.predict(noisy, sigma, &positive),
        Branch::Negative => wan.predict(noisy, sigma, &negative),
    };
    let mut solver = spec.method.solver();
    let mut goes_on = |_| ControlFlow::Continue(());
    let start = Latent { video };
    let done = denoise(start, &plan, solver.as_mut(), &guidance, &mut predict, &mut goes_on);
    done.unwrap().video
}

#[track_caller]
fn assert_near(latents: &Tensor<5>, [mean, rms, first]: [f64; 3]) {
    let found = summary(&latents.clone().into_data().try_into_vec::<f32>().unwrap());
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-4;
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
    let mut wan = load(folder.path(), &Device::default()).unwrap();
    assert!(wan.spec().takes_first_frame);
    let dims = [1, 3, 1, 32, 64];
    let picture = TensorData::new(uni("image", &dims), dims);
    let first = wan.encode(Tensor::from_data(picture, &Device::default()));
    let done = denoised(&mut wan, [2, 4], Some(first));
    assert_near(&done, [0.024644, 1.221452, 1.103173]);
}

#[test]
fn latents_are_those_of_the_original_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    assert!(matches(folder.path()) && !matches(&folder.path().join("vae")));
    let mut wan = load(folder.path(), &Device::default()).unwrap();
    let spec = wan.spec().clone();
    assert_eq!((spec.method, spec.shift, spec.side_step), (Method::UniPc, 3.0, Some(16)));

    let done = denoised(&mut wan, [4, 6], None);
    assert_near(&done, [-0.032626, 1.542942, 2.200456]);
    let mut frames = 0;
    wan.decode(done, &mut |frame| {
        assert_eq!(frame.dims(), [1, 3, 32, 48]);
        frames += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(frames, spec.frames(3));
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let message = |folder: &Path| load(folder, &Device::default()).err().unwrap().to_string();

    let mut wan = load(folder.path(), &Device::default()).unwrap();
    let window = Window { size: (48, 32), times: vec![0.0], still: false };
    let error = wan.condition(&TimedText::whole("a dog"), &window).err().unwrap();
    assert!(error.to_string().contains("no text encoder"), "{error}");
    let narrow = Tensor::zeros([1, 4, 23], &Device::default());
    let error = wan.condition_on_states(narrow, &window).err().unwrap();
    assert!(error.to_string().contains("23 wide, the model takes 24"), "{error}");

    let path = folder.path().join("scheduler/scheduler_config.json");
    fs::write(&path, SCHEDULER.replace("UniPC", "Magic")).unwrap();
    assert!(message(folder.path()).contains("MagicMultistepScheduler"));
    fs::write(&path, SCHEDULER).unwrap();
    let path = folder.path().join("transformer/config.json");
    fs::write(&path, TRANSFORMER.replace("\"num_layers\": 2", "\"num_layers\": 3")).unwrap();
    assert!(message(folder.path()).contains("blocks.2."));
    fs::write(&path, TRANSFORMER.replace("\"in_channels\": 16", "\"in_channels\": 36")).unwrap();
    assert!(message(folder.path()).contains("patch_embedding.weight"));
    fs::remove_file(&path).unwrap();
    assert!(message(folder.path()).contains("transformer/config.json"));
}
