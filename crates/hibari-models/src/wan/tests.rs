//! Parity of the transformer with the original library on tiny models, and sizes of the published ones.
//!
//! The figures come from `diffusers` 0.42.1 in 32-bit floats on a CPU.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::config::{DitConfig, Preset, TEXT_ROWS};
use super::dit::Dit;
use crate::ModelError;
use crate::oracle::{Formula, check, uni, weights_digest};
use crate::source::{Residency, TensorSource};

/// Size of the test latent: frames, rows, columns.
const SIZE: [usize; 3] = [5, 16, 20];
/// Rows of the text of the models without an image context.
const SHORT_TEXT: usize = 16;
/// Rows of the text that are not zero.
const N_WORDS: usize = 11;
const TIME: f64 = 875.0;

fn tiny() -> DitConfig {
    DitConfig {
        heads: 2,
        d_head: 20,
        ffn: 72,
        layers: 2,
        in_channels: 16,
        out_channels: 16,
        text_width: 24,
        time_features: 32,
        image_width: None,
    }
}

fn load(cfg: &DitConfig) -> Dit {
    held(cfg, Residency::F32)
}

fn held(cfg: &DitConfig, residency: Residency) -> Dit {
    let source: Arc<dyn TensorSource> = Arc::new(Formula::of(&cfg.tensors()));
    Dit::load(cfg, &Device::flex(), &source, residency).unwrap()
}

fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, dims), &Device::default())
}

/// The features of times as the original library rounds them: in 32 bits, so that angles are off by up to 2e-5.
fn rounded_time_features(times: &[f32], n: usize) -> Vec<f32> {
    let half = n / 2;
    let frequency = |idx: usize| (-(1e4_f64.ln() as f32) * idx as f32 / half as f32).exp();
    let angles = |t: f32| (0..half).map(move |idx| f64::from(t * frequency(idx)));
    let features = |&t: &f32| {
        let cosines = angles(t).map(|angle| angle.cos() as f32);
        cosines.chain(angles(t).map(|angle| angle.sin() as f32)).collect::<Vec<_>>()
    };
    times.iter().flat_map(features).collect()
}

/// The test latent through the tiny model, with the library's rounded time features; `image` is its context.
///
/// With exact features the velocities are the same to 5e-5 of the largest.
fn velocity(
    cfg: &DitConfig,
    first_time: f64,
    text_rows: usize,
    image: Option<Tensor<3>>,
) -> Vec<f32> {
    let dit = load(cfg);
    let dims = [1, cfg.in_channels, SIZE[0], SIZE[1], SIZE[2]];
    let latent = tensor(uni("x", &dims), dims);
    let dims = [1, text_rows, cfg.text_width];
    let mut text = uni("ctx", &dims);
    text[N_WORDS * cfg.text_width..].fill(0.0);
    let context = dit.context(tensor(text, dims), image);
    let exact = dit.velocity(latent.clone(), &[first_time, TIME, TIME, TIME, TIME], &context);

    let features = rounded_time_features(&[first_time as f32, TIME as f32], cfg.time_features);
    let tokens_per_frame = SIZE[1] * SIZE[2] / 4;
    let time_of_token: Vec<u32> =
        (0..SIZE[0] * tokens_per_frame).map(|token| (token >= tokens_per_frame).into()).collect();
    let rounded = dit.velocity_of_features(latent, features, &time_of_token, &context);

    let [exact, rounded] =
        [exact, rounded].map(|velocity| velocity.into_data().try_into_vec::<f32>().unwrap());
    let largest = rounded.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
    let differences = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0_f32, f32::max) / largest;
    assert!(worst <= 5e-5, "exact time features move the velocity by {worst:.1e}");
    rounded
}

#[track_caller]
fn check_weights(cfg: &DitConfig, parameters: u64, digest: &str) {
    assert_eq!(cfg.parameters(), parameters);
    assert_eq!(weights_digest(&cfg.tensors()), digest);
}

#[test]
fn text_to_video_matches_the_original_library() {
    let cfg = tiny();
    check_weights(&cfg, 59_688, "3f2b0ef2be34");
    let found = velocity(&cfg, TIME, SHORT_TEXT, None);
    check("t2v", &found, 0.010_200, 1.235_107, 0.001_308);
}

#[test]
fn a_clean_first_frame_matches_the_original_library() {
    let cfg = DitConfig { in_channels: 48, out_channels: 48, ..tiny() };
    check_weights(&cfg, 70_056, "9f51ba944a66");
    let found = velocity(&cfg, 0.0, SHORT_TEXT, None);
    check("ti2v", &found, 0.028_974, 1.339_709, -0.782_599);
}

#[test]
fn image_to_video_matches_the_original_library() {
    let cfg = DitConfig { in_channels: 36, image_width: Some(28), ..tiny() };
    check_weights(&cfg, 71_636, "3d9be8ef8e85");
    let dims = [1, 5, 28];
    let image = tensor(uni("img", &dims), dims);
    let found = velocity(&cfg, TIME, TEXT_ROWS, Some(image));
    check("i2v", &found, -0.057_749, 1.077_936, -2.472_286);
}

#[test]
fn published_models_have_their_sizes() {
    let table = [
        ("wan2.1-t2v-1.3b", 1536, 1_418_996_800, 825),
        ("wan2.2-ti2v-5b", 3072, 4_999_787_712, 825),
        ("wan2.1-t2v-14b", 5120, 14_288_491_584, 1095),
        ("wan2.1-i2v-14b", 5120, 16_394_878_784, 1303),
        ("wan2.2-t2v-a14b", 5120, 14_288_491_584, 1095),
        ("wan2.2-i2v-a14b", 5120, 14_288_901_184, 1095),
    ];
    for (preset, (name, width, parameters, tensors)) in Preset::all().iter().zip(table) {
        assert_eq!(preset.name, name);
        assert_eq!(preset.dit.width(), width, "width of `{name}`");
        assert_eq!(preset.dit.parameters(), parameters, "parameters of `{name}`");
        assert_eq!(preset.dit.tensors().len(), tensors, "tensors of `{name}`");
    }
}

#[test]
fn loading_asks_for_each_tensor_once() {
    for image_width in [None, Some(28)] {
        let cfg = DitConfig { image_width, ..tiny() };
        let formula = Arc::new(Formula::of(&cfg.tensors()));
        let source: Arc<dyn TensorSource> = formula.clone();
        Dit::load(&cfg, &Device::flex(), &source, Residency::Bf16).unwrap();
        let mut asked = formula.asked.lock().unwrap().clone();
        let mut expected = cfg.tensors();
        asked.sort();
        expected.sort();
        assert_eq!(asked, expected);
    }
}

/// The bound of the issue that asks for parity: the original library's own bf16 is no nearer to its f32.
const BF16_COSINE: f64 = 0.9995;
/// Eight bits on both sides of each large product.
const INT8_COSINE: f64 = 0.999;

#[test]
fn weights_in_few_bits_stay_near_and_streaming_changes_no_bit() {
    let cfg = tiny();
    let run = |residency| {
        let dit = held(&cfg, residency);
        let context = dit.context(tensor(uni("ctx", &[1, 16, 24]), [1, 16, 24]), None);
        let dims = [1, 16, 2, 8, 12];
        let velocity = dit.velocity(tensor(uni("x", &dims), dims), &[TIME, TIME], &context);
        velocity.into_data().try_into_vec::<f32>().unwrap()
    };
    let [exact, packed, streamed] = [Residency::F32, Residency::Bf16, Residency::Streamed].map(run);
    let int8 = run(Residency::Int8);
    assert_eq!(packed, streamed);
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let cosine =
        |found: &[f32]| dot(&exact, found) / (dot(&exact, &exact) * dot(found, found)).sqrt();
    let (bf16, int8) = (cosine(&packed), cosine(&int8));
    assert!((BF16_COSINE..1.0).contains(&bf16), "{bf16}");
    assert!((INT8_COSINE..bf16).contains(&int8), "{int8}");
}

#[test]
fn items_of_a_batch_do_not_meet() {
    let cfg = tiny();
    let dit = load(&cfg);
    let latents = uni("latents", &[2, 16, 2, 4, 4]);
    let texts = uni("texts", &[2, 3, 24]);
    let run = |batch: usize, latents: &[f32], texts: &[f32]| {
        let context = dit.context(tensor(texts.to_vec(), [batch, 3, 24]), None);
        let latents = tensor(latents.to_vec(), [batch, 16, 2, 4, 4]);
        let velocity = dit.velocity(latents, &[0.0, 500.0], &context);
        velocity.into_data().try_into_vec::<f32>().unwrap()
    };
    let together = run(2, &latents, &texts);
    let alone = run(1, &latents[latents.len() / 2..], &texts[texts.len() / 2..]);
    let differences = together[together.len() / 2..].iter().zip(&alone).map(|(a, b)| (a - b).abs());
    assert!(differences.fold(0.0_f32, f32::max) < 1e-5);
}

#[test]
fn sizes_that_do_not_fit_are_refused_with_the_nearest() {
    let hint = |preset: &Preset, size, frames| match preset.latent_size(size, frames) {
        Err(ModelError::Request { hint, .. }) => hint,
        other => panic!("{other:?}"),
    };
    let (small, large) = (Preset::t2v_1_3b(), Preset::ti2v_5b());
    assert_eq!(small.latent_size((832, 480), 81).unwrap(), [21, 60, 104]);
    assert_eq!(large.latent_size((1280, 704), 121).unwrap(), [31, 44, 80]);
    assert!(hint(&small, (830, 481), 81).contains("`832x480`"));
    assert!(hint(&large, (1280, 720), 121).contains("`1280x704`"));
    assert!(hint(&small, (832, 480), 80).contains("81"));
    assert!(hint(&small, (832, 480), 0).contains("such as 1"));
    assert!(hint(&small, (0, 480), 81).contains("`16x480`"));
}
