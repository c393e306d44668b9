//! Changes written in every spelling, and the ways in which they do not fit.

use std::collections::BTreeMap;

use super::*;
use crate::write::{StoredTensor, write_safetensors};

fn opened(tensors: &[(&str, &[usize], &[f32])]) -> Lora {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lora.safetensors");
    let stored: Vec<StoredTensor> =
        tensors.iter().map(|(name, shape, v)| StoredTensor::from_f32(name, shape, v)).collect();
    write_safetensors(&path, &stored, &BTreeMap::new()).unwrap();
    let module = |name: &str| name.strip_prefix("net.").map(str::to_owned);
    Lora::open(&path, &module).unwrap()
}

fn layout() -> Vec<(String, Vec<usize>)> {
    let sizes = [("x.weight", vec![2, 3]), ("x.bias", vec![2]), ("conv.weight", vec![2, 1, 3])];
    sizes.map(|(name, shape)| (name.to_owned(), shape)).to_vec()
}

const DOWN: &[f32] = &[1.0, 2.0, 3.0, -1.0, 0.0, 1.0];
const UP: &[f32] = &[1.0, 10.0, 0.0, 2.0];
/// `UP` times `DOWN`, by hand.
const PRODUCT: [f32; 6] = [-9.0, 2.0, 13.0, -2.0, 0.0, 2.0];

#[test]
fn products_are_added_in_every_spelling() {
    for (down, up) in [
        ("net.x.lora_A.weight", "net.x.lora_B.weight"),
        ("net.x.lora_A.default.weight", "net.x.lora_B.default.weight"),
        ("net.x.lora_down.weight", "net.x.lora_up.weight"),
    ] {
        for alpha in [None, Some(8.0)] {
            let alpha_values = [alpha.unwrap_or(0.0)];
            let mut tensors: Vec<(&str, &[usize], &[f32])> = vec![(down, &[2, 3], DOWN)];
            tensors.push((up, &[2, 2], UP));
            tensors.extend(alpha.map(|_| ("net.x.alpha", &[][..], &alpha_values[..])));
            tensors.push(("other.x.lora_A.weight", &[1, 1], &[5.0]));
            let lora = opened(&tensors);
            lora.check(&layout()).unwrap();
            assert!(!lora.is_empty());
            let mut values = [1.0; 6];
            lora.apply("x.weight", &mut values, 0.5).unwrap();
            let factor = 0.5 * alpha.unwrap_or(2.0) / 2.0;
            assert_eq!(values, PRODUCT.map(|product| 1.0 + factor * product));
            let mut untouched = [1.0; 2];
            lora.apply("x.bias", &mut untouched, 0.5).unwrap();
            lora.apply("y.weight", &mut untouched, 0.5).unwrap();
            assert_eq!(untouched, [1.0; 2]);
        }
    }
}

#[test]
fn differences_and_convolutions() {
    let lora = opened(&[
        ("net.x.diff", &[2, 3], DOWN),
        ("net.x.diff_b", &[2], &[4.0, 6.0]),
        ("net.conv.lora_down.weight", &[2, 1, 3], DOWN),
        ("net.conv.lora_up.weight", &[2, 2, 1], UP),
    ]);
    lora.check(&layout()).unwrap();
    let mut weight = [0.0; 6];
    lora.apply("x.weight", &mut weight, 2.0).unwrap();
    assert_eq!(weight, [2.0, 4.0, 6.0, -2.0, 0.0, 2.0]);
    let mut bias = [1.0; 2];
    lora.apply("x.bias", &mut bias, 0.5).unwrap();
    assert_eq!(bias, [3.0, 4.0]);
    let mut conv = [0.0; 6];
    lora.apply("conv.weight", &mut conv, 1.0).unwrap();
    assert_eq!(conv, PRODUCT);
}

#[test]
fn one_error_lists_all_misfits() {
    let lora = opened(&[
        ("net.x.lora_A.weight", &[2, 3], DOWN),
        ("net.conv.lora_A.weight", &[2, 3], DOWN),
        ("net.conv.lora_B.weight", &[2, 1], &[1.0, 1.0]),
        ("net.lost.diff", &[1], &[1.0]),
        ("net.x.diff_b", &[1], &[1.0]),
        ("net.x.dora_scale", &[1], &[1.0]),
        ("net.x.lora_down.weight", &[2, 3], DOWN),
    ]);
    assert_eq!(
        lora.check(&layout()).unwrap_err().to_string(),
        "weights do not fit the model: 1 missing (`x.lora_up`); 2 unknown (`net.x.dora_scale`, `net.lost.diff`); 1 \
         doubled (`net.x.lora_A.weight and net.x.lora_down.weight`); 3 of another shape (`net.conv.lora_A.weight: \
         model [2, 1, 3], file [2, 3]`, `net.conv.lora_B.weight: model [2, 1, 3], file [2, 1]`, `net.x.diff_b: \
         model [2], file [1]`)"
    );
}
