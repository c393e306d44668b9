//! Round trips, and every way a file can be damaged.

use std::collections::BTreeMap;

use super::*;
use crate::quantize::{self, Storage};
use crate::write::{StoredTensor, write_safetensors};

fn sample() -> Vec<StoredTensor> {
    let values: Vec<f32> = (0..12).map(|i| (i as f32 - 5.5) * 0.37).collect();
    let mut tensors = vec![StoredTensor::from_f32("bias", &[3], &[0.5, -1.0, 2.0])];
    tensors.push(quantize::bf16("half", &[4, 3], &values));
    tensors.extend(quantize::int8("weight", &[4, 3], &values, 1));
    tensors.extend(quantize::int8_rows("table", &[4, 3], &values));
    tensors.push(StoredTensor::from_u32("ids", &[2], &[7, 9]));
    tensors
}

fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from([("config".to_owned(), "{\"width\": 3, \"note\": \"a\\nb\"}".to_owned())])
}

fn written(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("w.safetensors");
    write_safetensors(&path, &sample(), &metadata()).unwrap();
    path
}

#[test]
fn a_file_gives_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let index = WeightIndex::open(&written(&folder)).unwrap();
    assert_eq!(index.names().collect::<Vec<_>>(), ["bias", "half", "ids", "table", "weight"]);
    assert_eq!(index.metadata("config"), Some("{\"width\": 3, \"note\": \"a\\nb\"}"));
    assert_eq!(index.tensor_f32_shaped("bias", &[3]).unwrap(), [0.5, -1.0, 2.0]);
    assert_eq!(index.tensor_u32("ids").unwrap(), [7, 9]);
    let exact: Vec<f32> = (0..12).map(|i| (i as f32 - 5.5) * 0.37).collect();
    for (name, bound) in [("half", 0.01), ("weight", 0.01), ("table", 0.01)] {
        let read = index.tensor_f32(name).unwrap();
        let worst = read.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < bound, "{name}: {worst}");
    }
    assert!(matches!(index.tensor_f32("ids"), Err(WeightsError::Dtype { .. })));
    assert!(matches!(index.tensor_f32("none"), Err(WeightsError::Mismatch { .. })));
    assert!(matches!(index.tensor_f32_shaped("bias", &[4]), Err(WeightsError::Mismatch { .. })));
}

#[test]
fn the_same_tensors_give_the_same_bytes_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let first = std::fs::read(written(&folder)).unwrap();
    let path = folder.path().join("again.safetensors");
    let mut tensors = sample();
    tensors.reverse();
    write_safetensors(&path, &tensors, &metadata()).unwrap();
    assert_eq!(first, std::fs::read(path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no partial file is left");
}

#[test]
fn one_flipped_byte_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        for mask in [0x01, 0x20, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            std::fs::write(&path, &bad).unwrap();
            let error = WeightIndex::open(&path).expect_err("a damaged file");
            assert!(!error.hint().is_empty() && !error.to_string().is_empty());
        }
    }
}

#[test]
fn a_cut_or_lengthened_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder);
    let good = std::fs::read(&path).unwrap();
    for len in [0, 1, 7, 8, 40, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        let error = WeightIndex::open(&path).expect_err("a cut file");
        assert!(matches!(error, WeightsError::Truncated { .. }), "{len}: {error}");
    }
    let mut longer = good;
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    assert!(WeightIndex::open(&path).is_err());
    assert!(matches!(
        WeightIndex::open(&folder.path().join("none")),
        Err(WeightsError::Read { .. })
    ));
}

#[test]
fn a_file_without_a_hash_is_refused() {
    let header = b"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}     ";
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(1.0_f32.to_le_bytes());
    let error = WeightIndex::from_bytes("embedded", bytes.leak()).expect_err("no hash");
    assert!(matches!(error, WeightsError::Unhashed { .. }), "{error}");
}

#[test]
fn contradictory_tensors_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let twice =
        [StoredTensor::from_f32("a", &[1], &[1.0]), StoredTensor::from_f32("a", &[1], &[2.0])];
    assert!(matches!(
        write_safetensors(&path, &twice, &metadata()),
        Err(WeightsError::Invalid { .. })
    ));
    let short = [StoredTensor::from_f32("a", &[2], &[1.0])];
    assert!(matches!(
        write_safetensors(&path, &short, &metadata()),
        Err(WeightsError::Invalid { .. })
    ));
    let nowhere = folder.path().join("no/such/folder/w.safetensors");
    assert!(matches!(
        write_safetensors(&nowhere, &sample(), &metadata()),
        Err(WeightsError::Write { .. })
    ));
    assert!(!path.exists());
}

#[test]
fn int8_keeps_each_channel_within_half_a_level() {
    // Channels of very different size: one scale for all would lose the small ones.
    let values: Vec<f32> =
        (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) * 10f32.powi(i % 4 - 2)).collect();
    let named = NamedTensor { name: "w".into(), shape: vec![16, 4], values: values.clone() };
    let [levels, scales] =
        <[StoredTensor; 2]>::try_from(quantize::store(&[named], Storage::Int8)).unwrap();
    assert_eq!(
        (levels.shape.as_slice(), scales.shape.as_slice()),
        ([16, 4].as_slice(), [1, 4].as_slice())
    );
    let scales: Vec<f32> = words(&scales.bytes).map(f32::from_le_bytes).collect();
    let read =
        quantize::dequantize_int8(bytemuck::cast_slice(&levels.bytes), &[16, 4], &scales, &[1, 4])
            .unwrap();
    for (i, (a, b)) in read.iter().zip(&values).enumerate() {
        assert!((a - b).abs() <= scales[i % 4] * 0.5001, "{i}: {a} {b}");
    }
}
