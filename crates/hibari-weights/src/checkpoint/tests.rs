//! Files as others write them, in every layout, and every way they can be wrong.

use std::collections::HashMap;

use safetensors::tensor::{Dtype as Stored, TensorView, serialize};

use super::*;

type Raw = (&'static str, Stored, Vec<usize>, Vec<u8>);

/// A plain safetensors file, without hibari's hash.
fn plain(tensors: &[Raw]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize(views, Some(metadata)).unwrap()
}

fn f32s(name: &'static str, shape: &[usize], values: &[f32]) -> Raw {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, Stored::F32, shape.to_vec(), bytes)
}

fn float8(name: &'static str, shape: &[usize], bytes: &[u8]) -> Raw {
    (name, Stored::F8_E4M3, shape.to_vec(), bytes.to_vec())
}

fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn opened(tensors: &[Raw]) -> Result<Checkpoint, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    Checkpoint::open(&written(&folder, "w.safetensors", &plain(tensors)))
}

#[track_caller]
fn check_error(result: Result<Checkpoint, WeightsError>, part: &str) -> WeightsError {
    let error = result.expect_err(part);
    assert!(error.to_string().contains(part), "`{error}` has no `{part}`");
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn a_plain_file_without_a_hash() {
    let bf16 = [1.5_f32, -2.0].iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes());
    let f16 = [0.25_f32, 3.0].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes());
    let file = opened(&[
        f32s("a.weight", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("b", Stored::BF16, vec![2], bf16.collect()),
        ("c", Stored::F16, vec![1, 2], f16.collect()),
        f32s("scalar", &[], &[7.0]),
        ("ids", Stored::I64, vec![1], vec![0; 8]),
        ("spiece_model", Stored::U8, vec![3], b"abc".to_vec()),
    ])
    .unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["a.weight", "b", "c", "ids", "scalar"]);
    assert_eq!(file.tensor_f32("a.weight").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(file.rows_f32("a.weight", 1..2).unwrap(), [3.0, 4.0]);
    assert_eq!(file.tensor_f32("b").unwrap(), [1.5, -2.0]);
    assert_eq!(file.tensor_f32("c").unwrap(), [0.25, 3.0]);
    assert_eq!(file.tensor_f32("scalar").unwrap(), [7.0]);
    assert_eq!(file.shape("c"), Some(&[1, 2][..]));
    assert_eq!(file.encoding("b"), Some(Encoding::Plain(Dtype::Bf16)));
    assert_eq!(file.bytes("spiece_model").unwrap(), b"abc");
    assert_eq!(file.metadata("format").and_then(MetaValue::as_text), Some("pt"));
    assert!(matches!(file.tensor_f32("ids"), Err(WeightsError::Dtype { .. })));
    assert!(matches!(file.tensor_f32("none"), Err(WeightsError::Mismatch { .. })));
}

#[test]
fn eight_bit_floats_take_their_scale() {
    // 0x38 is 1, 0x40 is 2, 0xb8 is -1, 0x7e is 448, 0x01 is 2^-9.
    let bytes = [0x38, 0x40, 0xb8, 0x7e, 0x01, 0x00];
    let values = [1.0, 2.0, -1.0, 448.0, 2.0_f32.powi(-9), 0.0];
    let scaled = |factors: [f32; 3]| -> Vec<f32> {
        values.iter().enumerate().map(|(i, v)| v * factors[i / 2]).collect()
    };
    for (name, shape, scale) in [
        ("x.scale_weight", vec![], vec![0.5]),
        ("x.weight_scale", vec![1], vec![0.5]),
        ("x.weight_scale", vec![3], vec![0.5, 3.0, -2.0]),
        ("x.scale_weight", vec![3, 1], vec![0.5, 3.0, -2.0]),
    ] {
        let file = opened(&[
            float8("x.weight", &[3, 2], &bytes),
            f32s(name, &shape, &scale),
            f32s("x.scale_input", &[], &[9.0]),
            float8("scaled_fp8", &[2], &[0, 0]),
            ("x.comfy_quant", Stored::U8, vec![27], br#"{"format":"float8_e4m3fn"} "#.to_vec()),
        ])
        .unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["x.weight"]);
        let factors = if scale.len() == 1 { [0.5; 3] } else { [0.5, 3.0, -2.0] };
        assert_eq!(file.tensor_f32("x.weight").unwrap(), scaled(factors));
        assert_eq!(file.rows_f32("x.weight", 1..3).unwrap(), scaled(factors)[2..]);
        let renamed = file.renamed(&|_| "y".to_owned());
        assert_eq!(renamed.tensor_f32("y").unwrap(), scaled(factors));
    }
    let unscaled = opened(&[float8("x.weight", &[3, 2], &bytes)]).unwrap();
    assert_eq!(unscaled.tensor_f32("x.weight").unwrap(), values);

    let wide = [float8("x.weight", &[3, 2], &bytes), f32s("x.scale_weight", &[2], &[1.0, 1.0])];
    check_error(opened(&wide), "x.scale_weight: model [3], file [2]");
    let mark = br#"{"format":"nvfp4"}"#.to_vec();
    let other = ("x.comfy_quant", Stored::U8, vec![mark.len()], mark);
    check_error(opened(&[other]), "`nvfp4`");
    let orphan = opened(&[f32s("x.weight", &[1], &[1.0]), f32s("x.scale_weight", &[], &[1.0])]);
    check_error(
        orphan.and_then(|f| f.check(&[("x.weight".to_owned(), vec![1])]).map(|()| f)),
        "1 unknown (`x.scale_weight`)",
    );
}

#[test]
fn eight_bit_floats_follow_the_definition() {
    use crate::quantize::f32_from_f8_e4m3;
    // The bits are those of a half float with one exponent bit less: 2^(15 - 7) apart, but for the not-a-numbers.
    for byte in 0..=u8::MAX {
        let value = f32_from_f8_e4m3(byte);
        if byte & 0x7f == 0x7f {
            assert!(value.is_nan());
            continue;
        }
        let bits = u16::from(byte & 0x80) << 8 | u16::from(byte & 0x7f) << 7;
        assert_eq!(value, half::f16::from_bits(bits).to_f32() * 256.0, "{byte:#x}");
    }
}

/// Two shards and their index, which maps `a` and `b` to the first and `c` to the second.
fn sharded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let first = plain(&[f32s("a", &[1], &[1.0]), f32s("b", &[1], &[2.0])]);
    written(&folder, "m-00001-of-00002.safetensors", &first);
    written(&folder, "m-00002-of-00002.safetensors", &plain(&[f32s("c", &[1], &[3.0])]));
    index(&folder, &[("a", 1), ("b", 1), ("c", 2)]);
    folder
}

fn index(folder: &tempfile::TempDir, places: &[(&str, usize)]) -> PathBuf {
    let map: Vec<String> = places
        .iter()
        .map(|(name, i)| format!("\"{name}\": \"m-{i:05}-of-00002.safetensors\""))
        .collect();
    let json = format!("{{\"metadata\": {{}}, \"weight_map\": {{{}}}}}", map.join(", "));
    written(folder, "m.safetensors.index.json", json.as_bytes())
}

#[test]
fn shards_are_one_checkpoint() {
    let folder = sharded();
    for path in [folder.path().to_path_buf(), folder.path().join("m.safetensors.index.json")] {
        let file = Checkpoint::open(&path).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(file.tensor_f32("c").unwrap(), [3.0]);
        assert_eq!(file.files().count(), 2);
    }
}

#[test]
fn an_index_that_disagrees_is_refused() {
    let folder = sharded();
    let open = || Checkpoint::open(folder.path());
    index(&folder, &[("a", 1), ("b", 2), ("c", 2)]);
    check_error(open(), "`b` is in `m-00001-of-00002.safetensors`, by the index in `m-00002");
    index(&folder, &[("a", 1), ("c", 2)]);
    check_error(open(), "`b` is in `m-00001-of-00002.safetensors`, by the index in `no shard`");
    index(&folder, &[("a", 1), ("b", 1), ("c", 2), ("d", 2)]);
    check_error(open(), "1 tensors are in no shard, such as `d`");
    index(&folder, &[("a", 1), ("b", 1), ("c", 3)]);
    assert!(matches!(open(), Err(WeightsError::Read { .. })), "a shard that is not there");
    let name = "m.safetensors.index.json";
    for (json, part) in [
        (r#"{"weight_map": {"a": "../m-00001-of-00002.safetensors"}}"#, "no file name"),
        (r#"{"weight_map": {}}"#, "empty"),
        (r#"{"weight_map": 3}"#, "no `weight_map`"),
        ("{", "EOF"),
    ] {
        written(&folder, name, json.as_bytes());
        check_error(open(), part);
    }
}

#[test]
fn a_folder_is_one_model_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Checkpoint::open(folder.path());
    check_error(open(), "no safetensors or GGUF");
    written(&folder, "pytorch_model.bin", b"PK\x03\x04");
    assert!(matches!(open(), Err(WeightsError::Pickle { .. })));
    written(&folder, "a.safetensors", &plain(&[f32s("a", &[1], &[1.0])]));
    assert_eq!(open().unwrap().names().count(), 1);
    written(&folder, "b.safetensors", &plain(&[f32s("a", &[1], &[1.0])]));
    check_error(open(), "`a.safetensors` and `b.safetensors`");
}

#[test]
fn strangers_and_damage_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| Checkpoint::open(&written(&folder, "x", bytes));
    check_error(open(b"PK\x03\x04rest of a zip"), "Python pickle");
    check_error(open(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j"), "Python pickle");
    check_error(open(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer");
    assert!(matches!(open(b""), Err(WeightsError::Truncated { .. })));
    assert!(Checkpoint::open(&folder.path().join("none")).is_err());

    let good = plain(&[f32s("a", &[2], &[1.0, 2.0]), f32s("b", &[1], &[3.0])]);
    for len in 0..good.len() {
        let error = check_error(open(&good[..len]), "");
        assert!(matches!(error, WeightsError::Truncated { .. }), "{len}: {error}");
    }
    let with_header = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; data]);
        open(&bytes)
    };
    let entry = |dtype: &str, shape: &str, from: usize, to: usize| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let two = |a: String, b: String| format!(r#"{{"a":{a},"b":{b}}}"#);
    for (header, data) in [
        // Overlap, gap, a size that is not the shape's, a shape beyond 64 bits, a type that is not read.
        (two(entry("F32", "[2]", 0, 8), entry("F32", "[1]", 4, 8)), 8),
        (two(entry("F32", "[1]", 0, 4), entry("F32", "[1]", 8, 12)), 12),
        (two(entry("F32", "[2]", 0, 4), entry("F32", "[1]", 4, 8)), 8),
        (two(entry("F32", "[4294967296,4294967296]", 0, 0), entry("F32", "[1]", 0, 4)), 4),
        (two(entry("C64", "[1]", 0, 8), entry("F32", "[1]", 8, 12)), 12),
    ] {
        check_error(with_header(&header, data), "");
    }
}

#[test]
fn one_error_lists_everything() {
    let file = opened(&[
        f32s("old.a", &[1], &[1.0]),
        f32s("a", &[1], &[2.0]),
        f32s("old.copy", &[1], &[5.0]),
        f32s("copy", &[1], &[5.0]),
        f32s("stray", &[1], &[3.0]),
        f32s("flat", &[4], &[0.0; 4]),
    ])
    .unwrap()
    .renamed(&|name| name.trim_start_matches("old.").to_owned());
    let layout = [("a", vec![1]), ("copy", vec![1]), ("flat", vec![2, 2]), ("lost", vec![3])];
    let error = file.check(&layout.map(|(name, shape)| (name.to_owned(), shape))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "weights do not fit the model: 1 missing (`lost`); 1 unknown (`stray`); 1 doubled (`a: a and old.a`); \
         1 of another shape (`flat: model [2, 2], file [4]`)"
    );
}
