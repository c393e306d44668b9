//! Opens weights that others wrote: a safetensors or GGUF file, or a folder of shards with an index.
//!
//! Such files carry no hash of hibari's; offsets, sizes and types are checked in full, the numbers cannot be. Files are
//! mapped, and a tensor becomes 32-bit floats only when it is asked for. Names are the file's until
//! [`Checkpoint::renamed`]; what they mean is the family's business. Pickles are refused, since they may run code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::blocks::BlockFormat;
use crate::error::{WeightsError, compare};
use crate::gguf;
use crate::index::{self, Bytes, floats};
use crate::write::Dtype;

/// What the name of an index of shards ends in.
const INDEX_SUFFIX: &str = ".safetensors.index.json";
/// Names, or their last segments, of what may stand beside the weights: markers of quantised files, the scales of their
/// inputs (unused: inputs stay floats), and a tokenizer.
const COMPANIONS: [&str; 5] =
    ["scaled_fp8", "comfy_quant", "scale_input", "input_scale", "spiece_model"];
/// Last segments of the scale of `X.weight`, where that is an 8-bit float.
const SCALES: [&str; 2] = ["scale_weight", "weight_scale"];
/// Tensors of this size are not kept in memory beside what was made of them.
const FORGET_BYTES: usize = 1 << 20;
/// The one `comfy_quant` format that is read.
const COMFY_FORMAT: &str = "float8_e4m3fn";

/// Weights from one file or several, under one set of names.
#[derive(Debug)]
pub struct Checkpoint {
    files: Vec<File>,
    tensors: BTreeMap<String, Tensor>,
    companions: BTreeMap<String, Tensor>,
    /// Names that two different tensors claim, with the names that both have in their files.
    doubled: Vec<String>,
}

/// How a tensor's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One by one.
    Plain(Dtype),
    /// In blocks that share scales.
    Blocks(BlockFormat),
}

/// A value of a file's metadata; those of safetensors are all texts.
#[derive(Clone, Debug, PartialEq)]
pub enum MetaValue {
    /// Any integer.
    Integer(i128),
    /// Any float.
    Float(f64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
    /// Values of one type, none of them a list.
    List(Vec<Self>),
}

/// An open file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    bytes: Bytes,
    metadata: BTreeMap<String, MetaValue>,
}

/// Where a tensor lies, and how.
#[derive(Debug)]
struct Tensor {
    /// Its name in the file.
    stored_name: String,
    /// Which file.
    file_idx: usize,
    encoding: Encoding,
    shape: Vec<usize>,
    /// Bytes of the file.
    range: Range<usize>,
    /// What the values are multiplied by: one number, or one for each entry of the first axis.
    scale: Option<Box<Self>>,
}

impl Checkpoint {
    /// Opens a file, the index of a sharded one, or a folder with one of these.
    ///
    /// # Errors
    /// if there is nothing to read or too much, it is a pickle, cut short or damaged, holds a type that is not read,
    /// or the index and the shards disagree
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let path = if path.is_dir() { choose_in_folder(path)? } else { path.to_path_buf() };
        if path.to_string_lossy().ends_with(INDEX_SUFFIX) {
            return Self::open_sharded(&path);
        }
        let (file, tensors) = open_file(&path, 0)?;
        Self::assemble(vec![file], tensors)
    }

    fn open_sharded(index: &Path) -> Result<Self, WeightsError> {
        let places = read_index(index)?;
        let names: BTreeSet<&String> = places.values().collect();
        let mut files = Vec::new();
        let mut tensors = Vec::new();
        for name in names {
            let (file, found) = open_file(&index.with_file_name(name), files.len())?;
            for tensor in &found {
                let place = places.get(&tensor.stored_name);
                if place != Some(name) {
                    let place = place.map_or("no shard", String::as_str);
                    let message = format!(
                        "`{}` is in `{name}`, by the index in `{place}`",
                        tensor.stored_name
                    );
                    return Err(WeightsError::Shards { path: index.to_path_buf(), message });
                }
            }
            files.push(file);
            tensors.extend(found);
        }
        // Every tensor is where the index says, so none is doubled, and equal counts mean equal sets.
        if tensors.len() != places.len() {
            let present: BTreeSet<&String> = tensors.iter().map(|t| &t.stored_name).collect();
            let lacking: Vec<&String> = places.keys().filter(|n| !present.contains(n)).collect();
            let message =
                format!("{} tensors are in no shard, such as `{}`", lacking.len(), lacking[0]);
            return Err(WeightsError::Shards { path: index.to_path_buf(), message });
        }
        Self::assemble(files, tensors)
    }

    /// Sets companions aside and gives 8-bit floats their scales.
    fn assemble(files: Vec<File>, stored: Vec<Tensor>) -> Result<Self, WeightsError> {
        let mut checkpoint = Self {
            files,
            tensors: BTreeMap::new(),
            companions: BTreeMap::new(),
            doubled: Vec::new(),
        };
        for tensor in stored {
            let name = tensor.stored_name.clone();
            if COMPANIONS.contains(&last_segment(&name)) {
                checkpoint.companions.insert(name, tensor);
            } else {
                checkpoint.add(name, tensor);
            }
        }
        checkpoint.check_quantisation()?;
        checkpoint.attach_scales()?;
        Ok(checkpoint)
    }

    /// Refuses `comfy_quant` formats but scaled 8-bit floats.
    fn check_quantisation(&self) -> Result<(), WeightsError> {
        for (name, marker) in &self.companions {
            if last_segment(name) != "comfy_quant" {
                continue;
            }
            let parsed = serde_json::from_slice::<serde_json::Value>(self.bytes_of(marker));
            let format =
                parsed.ok().and_then(|json| Some(json.get("format")?.as_str()?.to_owned()));
            if format.as_deref() != Some(COMFY_FORMAT) {
                return Err(WeightsError::Dtype {
                    name: name.clone(),
                    dtype: format.unwrap_or_else(|| "a quantisation without a format".to_owned()),
                    wanted: COMFY_FORMAT,
                });
            }
        }
        Ok(())
    }

    fn attach_scales(&mut self) -> Result<(), WeightsError> {
        let is_scale = |name: &&String| SCALES.contains(&last_segment(name));
        let names: Vec<String> = self.tensors.keys().filter(is_scale).cloned().collect();
        for name in names {
            let base = name[..name.len() - last_segment(&name).len()].to_owned() + "weight";
            let is_float8 = |t: &Tensor| t.encoding == Encoding::Plain(Dtype::F8E4M3);
            if !self.tensors.get(&base).is_some_and(is_float8) {
                continue; // It stays, and is listed as a tensor that no model has.
            }
            let scale = self.tensors.remove(&name).expect("the name was listed");
            let weight = self.tensors.get_mut(&base).expect("the name was found");
            let n_rows = weight.shape.first().copied().unwrap_or(1);
            let fits = match scale.shape.as_slice() {
                [] | [1] | [1, 1] => true,
                [n] | [n, 1] => *n == n_rows,
                _ => false,
            };
            if !fits {
                return Err(WeightsError::misshapen(&name, &[n_rows], &scale.shape));
            }
            if let Some(first) = &weight.scale {
                self.doubled.push(format!("scale of {base}: {} and {name}", first.stored_name));
            }
            weight.scale = Some(Box::new(scale));
        }
        Ok(())
    }

    /// The same tensors under other names. Where two of them then have one name, and are not copies of each other,
    /// [`Self::check`] will say so. Companions keep their names.
    #[must_use]
    pub fn renamed(mut self, rename: &dyn Fn(&str) -> String) -> Self {
        for (name, tensor) in std::mem::take(&mut self.tensors) {
            self.add(rename(&name), tensor);
        }
        self
    }

    /// Whether the tensors are those of the layout: names and shapes, companions aside.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with every missing, unknown, doubled and misshapen name
    pub fn check(&self, layout: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
        let found =
            self.tensors.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice())).collect();
        compare(layout, &found, self.doubled.clone())
    }

    /// The files, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Names of all tensors, sorted; scales and other companions are not listed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether the file has this tensor, companions included.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.companions.contains_key(name)
    }

    /// The tensor's shape, slowest axis first.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    /// The length of one axis of a tensor.
    ///
    /// # Errors
    /// if the file lacks the tensor, or that the axis
    pub fn axis_len(&self, name: &str, axis: usize) -> Result<usize, WeightsError> {
        let len = self.shape(name).and_then(|shape| shape.get(axis).copied());
        len.ok_or_else(|| WeightsError::missing(name))
    }

    /// How the tensor is stored.
    pub fn encoding(&self, name: &str) -> Option<Encoding> {
        self.tensors.get(name).map(|tensor| tensor.encoding)
    }

    /// The metadata value of this key, from the first file that has it.
    pub fn metadata(&self, key: &str) -> Option<&MetaValue> {
        self.files.iter().find_map(|file| file.metadata.get(key))
    }

    /// A tensor's bytes as stored, or a companion's, such as `spiece_model`.
    ///
    /// # Errors
    /// if the file lacks it
    pub fn bytes(&self, name: &str) -> Result<&[u8], WeightsError> {
        self.tensor(name).map(|tensor| self.bytes_of(tensor))
    }

    /// [`Self::tensor_f32`], for a tensor whose shape is known.
    ///
    /// # Errors
    /// as there, or if it has another shape
    pub fn tensor_f32_shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        match self.shape(name) {
            Some(found) if found != shape => Err(WeightsError::misshapen(name, shape, found)),
            _ => self.tensor_f32(name),
        }
    }

    /// The tensor as 32-bit floats, row-major, multiplied by its scale if it has one.
    ///
    /// # Errors
    /// if the file lacks it, or it holds integers
    pub fn tensor_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let n_rows = self.tensor(name)?.n_rows();
        self.rows_f32(name, 0..n_rows)
    }

    /// The tensor rounded to bfloat16, row-major; one that is stored so is copied as it is.
    ///
    /// # Errors
    /// as [`Self::tensor_f32`], or if it has another shape
    pub fn tensor_bf16_shaped(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<half::bf16>, WeightsError> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            return Err(WeightsError::misshapen(name, shape, &tensor.shape));
        }
        if tensor.encoding == Encoding::Plain(Dtype::Bf16) && tensor.scale.is_none() {
            let pairs = self.bytes_of(tensor).chunks_exact(2);
            let values = pairs.map(|pair| half::bf16::from_le_bytes([pair[0], pair[1]])).collect();
            self.forget(tensor);
            return Ok(values);
        }
        Ok(crate::quantize::bf16_from_f32(&self.tensor_f32(name)?))
    }

    /// As [`Self::tensor_f32`], only these entries of the first axis: for tables that would fill the memory.
    ///
    /// # Errors
    /// as [`Self::tensor_f32`]
    /// # Panics
    /// if the tensor has fewer rows
    #[track_caller]
    pub fn rows_f32(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, WeightsError> {
        let tensor = self.tensor(name)?;
        let n_rows = tensor.n_rows();
        assert!(rows.start <= rows.end && rows.end <= n_rows, "rows {rows:?} of {n_rows}");
        let row_len: usize = tensor.shape.iter().skip(1).product();
        let (start, end) = (rows.start * row_len, rows.end * row_len);
        // Whole blocks, which may reach beyond the rows where a shape is not the one that was packed.
        let (per_block, size) =
            (tensor.encoding.values_per_block(), tensor.encoding.block_size_bytes());
        let first_block = start / per_block;
        let bytes = &self.bytes_of(tensor)[first_block * size..end.div_ceil(per_block) * size];
        let mut values = match tensor.encoding {
            Encoding::Blocks(format) => format.values(bytes),
            Encoding::Plain(dtype) => {
                floats(dtype, bytes).ok_or_else(|| tensor.refused(name, "F32"))?
            }
        };
        values.drain(..start - first_block * per_block);
        values.truncate(end - start);
        if let Some(scale) = &tensor.scale {
            self.multiply(&mut values, scale, rows.clone(), row_len)?;
        }
        if rows == (0..n_rows) {
            self.forget(tensor);
        }
        Ok(values)
    }

    /// Lets a large tensor leave the memory, once it was read.
    fn forget(&self, tensor: &Tensor) {
        if tensor.range.len() >= FORGET_BYTES {
            self.files[tensor.file_idx].bytes.forget(tensor.range.clone());
        }
    }

    fn multiply(
        &self,
        values: &mut [f32],
        scale: &Tensor,
        rows: Range<usize>,
        row_len: usize,
    ) -> Result<(), WeightsError> {
        let factors = match scale.encoding {
            Encoding::Plain(dtype) => floats(dtype, self.bytes_of(scale)),
            Encoding::Blocks(_) => None,
        }
        .ok_or_else(|| scale.refused(&scale.stored_name, "F32"))?;
        if let [factor] = factors[..] {
            values.iter_mut().for_each(|value| *value *= factor);
        } else if row_len > 0 {
            for (row, factor) in values.chunks_exact_mut(row_len).zip(&factors[rows]) {
                row.iter_mut().for_each(|value| *value *= factor);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, tensor: Tensor) {
        match self.tensors.get(&name) {
            None => {
                self.tensors.insert(name, tensor);
            }
            Some(first) if self.are_copies(first, &tensor) => {}
            Some(first) => {
                let (a, b) = (&first.stored_name, &tensor.stored_name);
                self.doubled.push(format!("{name}: {a} and {b}"));
            }
        }
    }

    fn are_copies(&self, a: &Tensor, b: &Tensor) -> bool {
        let scales_agree = match (&a.scale, &b.scale) {
            (None, None) => true,
            (Some(a), Some(b)) => self.are_copies(a, b),
            _ => false,
        };
        scales_agree
            && a.encoding == b.encoding
            && a.shape == b.shape
            && self.bytes_of(a) == self.bytes_of(b)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, WeightsError> {
        let companion = || self.companions.get(name);
        self.tensors.get(name).or_else(companion).ok_or_else(|| WeightsError::missing(name))
    }

    fn bytes_of(&self, tensor: &Tensor) -> &[u8] {
        &self.files[tensor.file_idx].bytes.as_slice()[tensor.range.clone()]
    }
}

impl Tensor {
    fn n_rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    fn refused(&self, name: &str, wanted: &'static str) -> WeightsError {
        WeightsError::Dtype { name: name.to_owned(), dtype: self.encoding.to_string(), wanted }
    }
}

impl Encoding {
    /// Values that are stored together.
    pub fn values_per_block(self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Blocks(format) => format.values_per_block(),
        }
    }

    /// Bytes of those.
    pub fn block_size_bytes(self) -> usize {
        match self {
            Self::Plain(dtype) => dtype.size_bytes(),
            Self::Blocks(format) => format.block_size_bytes(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(dtype) => dtype.name(),
            Self::Blocks(format) => format.name(),
        })
    }
}

impl MetaValue {
    /// The integer, if it is one and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The float, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Opens one file by what its first bytes say.
fn open_file(path: &Path, file_idx: usize) -> Result<(File, Vec<Tensor>), WeightsError> {
    let bytes = Bytes::map(path)?;
    let whole = bytes.as_slice();
    refuse_strangers(whole, path)?;
    let tensor = |stored_name, encoding, shape, range| Tensor {
        stored_name,
        file_idx,
        encoding,
        shape,
        range,
        scale: None,
    };
    let (metadata, tensors) = if whole.starts_with(gguf::MAGIC) {
        let header = gguf::read_header(whole, path)?;
        let mut tensors = Vec::new();
        for t in header.tensors {
            tensors.push(tensor(t.name, t.encoding, t.shape, t.range));
        }
        (header.metadata, tensors)
    } else {
        let header = index::Header::read(whole, path)?;
        let mut tensors = Vec::new();
        for (name, entry) in header.entries()? {
            tensors.push(tensor(name, Encoding::Plain(entry.dtype), entry.shape, entry.range));
        }
        let texts = header.metadata().into_iter().map(|(k, v)| (k, MetaValue::Text(v)));
        (texts.collect(), tensors)
    };
    Ok((File { path: path.to_path_buf(), bytes, metadata }, tensors))
}

/// Names what is often taken for weights and is not.
fn refuse_strangers(whole: &[u8], path: &Path) -> Result<(), WeightsError> {
    let path = path.to_path_buf();
    // PyTorch writes a zip, and wrote a bare pickle of protocol 2 before. A safetensors header begins at byte 8.
    let is_pickle = matches!(whole, [0x80, 2..=5, ..]) && whole.get(8) != Some(&b'{');
    if is_pickle || whole.starts_with(b"PK\x03\x04") {
        return Err(WeightsError::Pickle { path });
    }
    if whole.starts_with(b"version https://git-lfs") {
        let message = "it is a Git LFS pointer, not the file itself".to_owned();
        return Err(WeightsError::Header { path, message });
    }
    Ok(())
}

/// The one index or file of weights in the folder.
fn choose_in_folder(folder: &Path) -> Result<PathBuf, WeightsError> {
    let failed = |source| WeightsError::Read { path: folder.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let ending = |suffixes: &[&str]| -> Vec<&String> {
        names.iter().filter(|name| suffixes.iter().any(|suffix| name.ends_with(suffix))).collect()
    };
    let indices = ending(&[INDEX_SUFFIX]);
    let found = if indices.is_empty() { ending(&[".safetensors", ".gguf"]) } else { indices };
    let choice = |message| WeightsError::Choice { path: folder.to_path_buf(), message };
    match found[..] {
        [name] => Ok(folder.join(name)),
        [first, second, ..] => Err(choice(format!("it holds `{first}` and `{second}`"))),
        [] => Err(match ending(&[".bin", ".pt", ".pth", ".ckpt"]).first() {
            Some(name) => WeightsError::Pickle { path: folder.join(name) },
            None => choice("it holds no safetensors or GGUF file".to_owned()),
        }),
    }
}

/// Which shard holds which tensor, by the index.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let bytes = std::fs::read(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let wrong = |message: String| WeightsError::Shards { path: path.to_path_buf(), message };
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let map = json.get("weight_map").and_then(serde_json::Value::as_object);
    let mut places = BTreeMap::new();
    for (name, shard) in map.ok_or_else(|| wrong("it has no `weight_map`".to_owned()))? {
        let shard = shard.as_str().unwrap_or_default();
        // A shard lies beside its index; a path would let an index read any file.
        if Path::new(shard).file_name() != Some(shard.as_ref()) {
            return Err(wrong(format!("`{name}` is in `{shard}`, which is no file name")));
        }
        places.insert(name.clone(), shard.to_owned());
    }
    if places.is_empty() {
        return Err(wrong("its `weight_map` is empty".to_owned()));
    }
    Ok(places)
}

/// What stands behind the last dot.
fn last_segment(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

#[cfg(test)]
mod tests;
