//! Files are built field by field as the specification says, opened, and spoilt in every place.

use super::*;
use crate::Checkpoint;

/// A file under construction.
struct Builder {
    entries: Vec<Vec<u8>>,
    infos: Vec<Vec<u8>>,
    data: Vec<u8>,
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
    bytes.extend(value.as_bytes());
    bytes
}

impl Builder {
    fn new() -> Self {
        Self { entries: Vec::new(), infos: Vec::new(), data: Vec::new() }
    }

    fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.entries.push([text(key), kind.to_le_bytes().to_vec(), value.to_vec()].concat());
        self
    }

    /// Dimensions fastest first, as in the file.
    fn tensor(self, name: &str, code: u32, dimensions: &[u64], bytes: &[u8]) -> Self {
        let offset = self.data.len() as u64;
        self.tensor_at(name, code, dimensions, offset, bytes)
    }

    fn tensor_at(mut self, name: &str, code: u32, dims: &[u64], at: u64, bytes: &[u8]) -> Self {
        let mut info = text(name);
        info.extend((dims.len() as u32).to_le_bytes());
        info.extend(dims.iter().flat_map(|n| n.to_le_bytes()));
        info.extend(code.to_le_bytes());
        info.extend(at.to_le_bytes());
        self.infos.push(info);
        self.data.extend(bytes);
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend((self.infos.len() as u64).to_le_bytes());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        bytes.extend(self.entries.concat());
        bytes.extend(self.infos.concat());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }
}

fn opened(bytes: &[u8]) -> Result<Checkpoint, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.gguf");
    std::fs::write(&path, bytes).unwrap();
    Checkpoint::open(&path)
}

fn list(kind: u32, items: &[&[u8]]) -> Vec<u8> {
    let n_items = items.len() as u64;
    [&kind.to_le_bytes()[..], &n_items.to_le_bytes(), &items.concat()].concat()
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// 64 values of Q8_0: `i - 32` halves.
fn q8_0() -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in 0..2_i8 {
        bytes.extend([0x00, 0x38]);
        bytes.extend((0..32).map(|i| (block * 32 + i - 32).cast_unsigned()));
    }
    bytes
}

fn sample() -> Builder {
    let shape = list(5, &[&2_i32.to_le_bytes(), &2_i32.to_le_bytes(), &16_i32.to_le_bytes()]);
    Builder::new()
        .entry("general.architecture", 8, &text("wan"))
        .entry("general.alignment", 4, &32_u32.to_le_bytes())
        .entry("rate", 6, &1.5_f32.to_le_bytes())
        .entry("depth", 11, &(-3_i64).to_le_bytes())
        .entry("flag", 7, &[1])
        .entry("words", 9, &list(8, &[&text("a"), &text("bc")]))
        .entry("comfy.gguf.orig_shape.patch.weight", 9, &shape)
        .tensor("plain", 0, &[3, 2], &f32_bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        .tensor("patch.weight", 8, &[64], &q8_0())
        .tensor("rows", 8, &[32, 2], &q8_0())
        .tensor("half", 30, &[2], &[0x80, 0x3f, 0x00, 0xc0])
}

#[test]
fn a_file_gives_tensors_and_metadata() {
    let file = opened(&sample().bytes()).unwrap();
    assert_eq!(file.names().collect::<Vec<_>>(), ["half", "patch.weight", "plain", "rows"]);
    assert_eq!(file.shape("plain"), Some(&[2, 3][..]), "dimensions are turned round");
    assert_eq!(file.shape("patch.weight"), Some(&[2, 2, 16][..]), "the original shape");
    assert_eq!(file.tensor_f32("plain").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(file.tensor_f32("half").unwrap(), [1.0, -2.0]);
    let halves: Vec<f32> = (0..64).map(|i| (i as f32 - 32.0) / 2.0).collect();
    assert_eq!(file.tensor_f32("patch.weight").unwrap(), halves);
    assert_eq!(file.rows_f32("rows", 1..2).unwrap(), halves[32..]);
    assert_eq!(file.rows_f32("patch.weight", 1..2).unwrap(), halves[32..]);
    assert_eq!(file.encoding("rows"), Some(Encoding::Blocks(BlockFormat::Q8_0)));

    let value = |key| file.metadata(key).unwrap();
    assert_eq!(value("general.architecture").as_text(), Some("wan"));
    assert_eq!(value("rate").as_f64(), Some(1.5));
    assert_eq!(*value("depth"), MetaValue::Integer(-3));
    assert_eq!(*value("flag"), MetaValue::Flag(true));
    let words: Vec<_> = value("words").as_list().unwrap().iter().map(|w| w.as_text()).collect();
    assert_eq!(words, [Some("a"), Some("bc")]);
}

#[test]
fn rows_may_begin_within_a_block() {
    let shape = list(10, &[&4_u64.to_le_bytes(), &16_u64.to_le_bytes()]);
    let file = Builder::new().entry("comfy.gguf.orig_shape.x", 9, &shape);
    let file = opened(&file.tensor("x", 8, &[64], &q8_0()).bytes()).unwrap();
    let wanted: Vec<f32> = (16..48).map(|i| (i as f32 - 32.0) / 2.0).collect();
    assert_eq!(file.rows_f32("x", 1..3).unwrap(), wanted);
}

#[test]
fn a_cut_file_is_refused() {
    // The last tensor has 4 bytes and 28 of padding, which nobody needs.
    let good = sample().bytes();
    let needed = good.len() - 28;
    assert!(opened(&good[..needed]).is_ok());
    for len in 4..needed {
        let error = opened(&good[..len]).expect_err("a cut file");
        assert!(matches!(error, WeightsError::Truncated { .. }), "{len}: {error}");
    }
}

#[test]
fn no_header_byte_can_crash_the_reader() {
    let good = sample().bytes();
    for at in 4..good.len() - 4 * 96 {
        for mask in [0x01, 0x40, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            if let Ok(file) = opened(&bad) {
                for name in file.names() {
                    drop(file.tensor_f32(name));
                }
            }
        }
    }
}

#[track_caller]
fn check_error(builder: &Builder, part: &str) {
    let error = opened(&builder.bytes()).expect_err(part);
    assert!(error.to_string().contains(part), "`{error}` has no `{part}`");
    assert!(!error.hint().is_empty());
}

#[test]
fn contradictions_are_refused() {
    let four = f32_bytes(&[0.0; 16]);
    let new = Builder::new;
    check_error(&new().tensor("x", 10, &[256], &[0; 84]), "`x` is stored as `ggml type 10`");
    check_error(&new().tensor("x", 8, &[31], &[0; 34]), "rows that are not whole blocks");
    check_error(&new().tensor("x", 0, &[u64::MAX, 4], &four), "larger than any file");
    check_error(&new().tensor("x", 0, &[u64::MAX / 4], &four), "larger than any file");
    check_error(&new().tensor_at("x", 0, &[1], 4, &four), "multiple of the alignment");
    check_error(&new().tensor_at("x", 0, &[1], !31, &four), "larger than any file");
    let overlapping = new().tensor("x", 0, &[16], &four).tensor_at("y", 0, &[16], 32, &four);
    check_error(&overlapping, "`x` and `y` overlap");
    check_error(&new().entry("k", 7, &[1]).entry("k", 7, &[1]), "metadata `k` twice");
    check_error(&new().entry("k", 9, &list(9, &[&list(7, &[])])), "unknown type 9");
    let long = [&7_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    check_error(&new().entry("k", 9, &long), "a list of 18446744073709551615 items");
    check_error(&new().entry("general.alignment", 4, &[3, 0, 0, 0]), "power of two");
    let shape = list(4, &[&[3, 0, 0, 0]]);
    let misfit = new().entry("comfy.gguf.orig_shape.x", 9, &shape).tensor("x", 0, &[16], &four);
    check_error(&misfit, "`x` does not fill its original shape");
    let mut old = sample().bytes();
    old[4] = 1;
    assert!(opened(&old).unwrap_err().to_string().contains("version 1"));
}
