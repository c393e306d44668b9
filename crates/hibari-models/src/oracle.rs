//! Weights and inputs that a formula makes, the same here and in the original libraries.
//!
//! A parity test fills a tiny model by [`fill`], feeds it [`uni`], and compares a [`Summary`] of the output with the
//! figures that the original library printed. Nothing is stored but those figures.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::ModelError;
use crate::source::TensorSource;

/// How far a figure may be from the printed one, which has six digits.
const TOLERANCE: f64 = 2e-6;

/// Uniform values in -1..1 that depend on the name only, row-major; `shape` says how many.
///
/// Value `i` is the upper 24 bits of output `i` of SplitMix64, seeded with the 64-bit FNV-1a hash of the name.
pub(crate) fn uni(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let output = |position: u64| {
        let z = seed.wrapping_add((position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..shape.iter().product::<usize>() as u64).map(output).collect()
}

/// The weight of that name, row-major, as the original library lays it out (`[out, in, ..]`).
///
/// The scales let every small mistake move the output: gains of queries and keys are large, and so are perceptrons.
pub(crate) fn fill(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = offset_and_scale(name, shape);
    uni(name, shape).into_iter().map(|u| offset + scale * u).collect()
}

fn offset_and_scale(name: &str, shape: &[usize]) -> (f32, f32) {
    let last = name.rsplit('.').next().expect("a name has a last segment");
    let is_head_gain = ["norm_q", "norm_k", "norm_added_k"].iter().any(|norm| name.contains(norm));
    if last == "bias" {
        return (0.0, 0.1);
    }
    if is_head_gain {
        return (1.3, 0.3);
    }
    if name.contains("scale_shift_table") || name.contains("pos_embed") {
        return (0.0, 0.3);
    }
    if last == "gamma" || shape.len() == 1 {
        return (1.0, 0.1);
    }
    if name.contains("relative_attention_bias") || name.starts_with("shared") {
        return (0.0, 1.0);
    }
    let fan_in: usize = shape[1..].iter().product();
    let gain = match name {
        _ if name.contains("patch_embedding") => 0.5,
        _ if name.contains(".ffn.") => 2.0,
        _ => 1.0,
    };
    (0.0, ((3.0 / fan_in as f64).sqrt() * gain) as f32)
}

/// The weights of a layout, all made by the formula; it keeps what it was asked for.
pub(crate) struct Formula {
    layout: Vec<(String, Vec<usize>)>,
    pub(crate) asked: Mutex<Vec<(String, Vec<usize>)>>,
}

impl Formula {
    pub(crate) fn of(layout: &[(String, Vec<usize>)]) -> Self {
        Self { layout: layout.to_vec(), asked: Mutex::default() }
    }
}

impl TensorSource for Formula {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let tensor = (name.to_owned(), shape.to_vec());
        assert!(self.layout.contains(&tensor), "`{name}` with {shape:?} is not in the layout");
        self.asked.lock().unwrap().push(tensor);
        Ok(fill(name, shape))
    }
}

/// The first 12 digits of the SHA-256 of all weights' little-endian bytes, in the order of their names.
pub(crate) fn weights_digest(tensors: &[(String, Vec<usize>)]) -> String {
    let mut tensors: Vec<_> = tensors.iter().collect();
    tensors.sort();
    let mut hash = Sha256::new();
    for (name, shape) in tensors {
        for value in fill(name, shape) {
            hash.update(value.to_le_bytes());
        }
    }
    hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is known of an output of the original library.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// The mean of all values.
    pub(crate) mean: f64,
    /// The root of the mean square.
    pub(crate) rms: f64,
    /// The first value.
    pub(crate) first: f64,
}

/// Sums up an output.
///
/// # Panics
/// if it is empty
pub(crate) fn summary(values: &[f32]) -> Summary {
    let n = values.len() as f64;
    let sum: f64 = values.iter().copied().map(f64::from).sum();
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    Summary { mean: sum / n, rms: (squares / n).sqrt(), first: values[0].into() }
}

/// Compares an output with the printed figures.
///
/// # Panics
/// if one of them differs by more than 2e-6
#[track_caller]
pub(crate) fn check(what: &str, values: &[f32], mean: f64, rms: f64, first: f64) {
    let (found, expected) = (summary(values), Summary { mean, rms, first });
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE;
    assert!(
        near(found.mean, mean) && near(found.rms, rms) && near(found.first, first),
        "{what}: {found:?}, expected {expected:?}"
    );
}

#[test]
fn uniform_values_are_those_of_the_original() {
    assert_eq!(uni("x", &[2]), [-0.597_583_53, 0.617_053_5]);
}
