//! A tiny model: shapes, independence of padding and of neighbours, the weights file.

use burn::tensor::{Device, Tensor, TensorData};
use hibari_weights::{WeightIndex, quantize::Storage};

use super::config::FRAMES;
use super::dit::{Layout, tokens_from_cells};
use super::text::{EncodedText, TextBatch};
use super::*;

/// `n` numbers that look random and have about unit variance, from a name.
fn normals(name: &str, n: usize) -> Vec<f32> {
    let mut state =
        name.bytes().fold(7_u64, |hash, b| hash.wrapping_mul(131).wrapping_add(b.into()));
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 12_f32.sqrt()
        })
        .collect()
}

fn parts() -> Parts {
    tiny(["a", "dog", "red"].map(String::from).to_vec(), &mut normals)
}

fn text(seed: &str, len: usize) -> EncodedText {
    EncodedText { states: normals(seed, len * 384), words: vec![1; len] }
}

fn tensor<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = normals(name, dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), &Device::default())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn frames_survive_packing() {
    let size = (32, 48);
    let frames: [Vec<u8>; FRAMES] =
        std::array::from_fn(|t| (0..32 * 48 * 3).map(|i| ((i * 7 + t * 31) % 256) as u8).collect());
    let mut patches = Vec::new();
    vae::pack(std::array::from_fn(|t| frames[t].as_slice()), 32, (0, 0), size, &mut patches);
    assert_eq!(vae::unpack(&patches, size), frames);
}

#[test]
fn decoding_in_parts_equals_decoding_at_once() {
    let parts = parts();
    let latents = tensor("latents", [1, 6, 1, 2, 8]);
    let whole = values(parts.ae.decode_patches(latents.clone()));
    let mut frames = Vec::new();
    for group in whole.chunks_exact(32 * 16 * 3 * FRAMES) {
        frames.extend(vae::unpack(group, (32, 16)));
    }
    let device = Device::default();
    let words = parts.words.clone();
    assert_eq!(words.rows(), 5);
    let mut decoded = Vec::new();
    decode_rgb(&parts.ae, latents.permute([0, 4, 1, 2, 3]), &mut |rgb| {
        decoded.push(rgb);
        ControlFlow::Continue(())
    });
    drop(device);
    assert_eq!(decoded, frames);
}

#[test]
fn an_estimate_reads_its_text_and_ignores_padding() {
    let parts = parts();
    let device = Device::default();
    let layout = Layout { cells: (3, 4), times: vec![0.0, 1.0], still: false };
    let noisy = tensor("noisy", [2, layout.tokens(), 32]);
    let sigma = Tensor::<2>::from_floats([[0.5, 0.9], [0.2, 0.7]], &device);
    let (short, long) = (text("one", 3), text("two", 7));
    let estimate = |texts: &[&EncodedText], noisy: Tensor<3>, sigma: Tensor<2>| {
        let text = parts.dit.text(&TextBatch::new(texts, &device));
        values(parts.dit.forward(noisy, sigma, &text, &layout))
    };
    let both = estimate(&[&short, &long], noisy.clone(), sigma.clone());
    let first = estimate(&[&short], noisy.clone().narrow(0, 0, 1), sigma.clone().narrow(0, 0, 1));
    assert!(largest_difference(&both[..first.len()], &first) < 1e-4, "padding changes the result");
    let other = estimate(&[&long], noisy.clone().narrow(0, 0, 1), sigma.clone().narrow(0, 0, 1));
    assert!(largest_difference(&first, &other) > 1e-3, "the text changes nothing");
    // One text for two windows in a row.
    let shared = estimate(&[&short], noisy.clone(), sigma.clone());
    let twice = estimate(&[&short, &short], noisy, sigma);
    assert!(largest_difference(&shared, &twice) < 1e-5);
}

#[test]
fn odd_sides_are_padded_and_cut() {
    let layout = Layout { cells: (3, 5), times: vec![0.0], still: true };
    let cells = normals("cells", 3 * 5 * 8);
    let mut tokens = Vec::new();
    tokens_from_cells(&cells, &layout, 8, &mut tokens);
    let inside = layout.inside(8);
    assert_eq!((tokens.len(), inside.len()), (2 * 3 * 32, 2 * 3 * 32));
    assert_eq!(inside.iter().filter(|inside| **inside).count(), cells.len());
    let tokens = Tensor::from_data(TensorData::new(tokens, [1, 6, 32]), &Device::default());
    let back = unpatchify(tokens, &layout).permute([0, 2, 3, 4, 1]);
    assert_eq!(values(back), cells);
}

#[test]
fn a_weights_file_gives_the_same_model() {
    let parts = parts();
    let folder = std::env::temp_dir().join(format!("hibari-lark-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lark.safetensors");
    save(&path, &parts, Storage::F32, &std::collections::BTreeMap::new()).unwrap();
    let index = WeightIndex::open(&path).unwrap();
    assert!(matches(&index));
    let loaded = load(&index).unwrap();
    let latents = tensor("latents", [1, 2, 1, 2, 8]);
    assert_eq!(
        values(parts.ae.decode_patches(latents.clone())),
        values(loaded.ae.decode_patches(latents))
    );
    assert_eq!(loaded.words, parts.words);
    std::fs::remove_dir_all(folder).unwrap();
}
