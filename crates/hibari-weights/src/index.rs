//! Opens a weights file: maps it, checks every byte against its hash, and hands out tensors.

#![expect(unsafe_code, reason = "maps files into memory")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};

use crate::error::WeightsError;
use crate::module::NamedTensor;
use crate::quantize;
use crate::write::{Dtype, HASH_BLANK, HASH_KEY, find_hash, hex};

/// The suffix of the scales of a quantised tensor.
pub const SCALE_SUFFIX: &str = ".scale";

/// An open weights file, checked.
#[derive(Debug)]
pub struct WeightIndex {
    bytes: Bytes,
    path: PathBuf,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    hash: String,
}

/// Where the file's bytes live.
#[derive(Debug)]
pub(crate) enum Bytes {
    Mapped(memmap2::Mmap),
    Embedded(&'static [u8]),
}

/// One tensor in the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Bytes of the file.
    pub(crate) range: Range<usize>,
}

impl WeightIndex {
    /// Maps the file at `path` and checks it.
    ///
    /// # Errors
    /// if it cannot be read, is cut short, damaged, or carries no hash
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::new(Bytes::map(path)?, path.to_path_buf())
    }

    /// Checks weights that are part of the binary; `name` stands for the path in messages.
    ///
    /// # Errors
    /// if they are cut short, damaged, or carry no hash
    pub fn from_bytes(name: &str, bytes: &'static [u8]) -> Result<Self, WeightsError> {
        Self::new(Bytes::Embedded(bytes), PathBuf::from(name))
    }

    fn new(bytes: Bytes, path: PathBuf) -> Result<Self, WeightsError> {
        let whole: &[u8] = bytes.as_slice();
        let header = Header::read(whole, &path)?;
        let hash = check_hash(whole, header.data_at, &path)?;
        let tensors = header.entries()?;
        let metadata = header.metadata();
        Ok(Self { bytes, path, tensors, metadata, hash })
    }

    /// The file, or the name given to embedded bytes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's SHA-256, which names its contents.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The metadata value of this key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// All metadata but the hash, sorted by key.
    pub fn metadata_entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().filter(|(k, _)| *k != HASH_KEY).map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Names of all tensors, sorted; the scales of quantised tensors are part of those, and not listed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str).filter(|name| !self.is_scale(name))
    }

    /// Whether the file has this tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// How the tensor is stored.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|entry| entry.dtype)
    }

    /// The tensor's shape.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The tensor's bytes as stored.
    ///
    /// # Errors
    /// if the file lacks it
    pub fn bytes(&self, name: &str) -> Result<&[u8], WeightsError> {
        Ok(&self.bytes.as_slice()[self.entry(name)?.range.clone()])
    }

    /// The tensor as 32-bit floats, row-major: from a float type, or I8 with its scales.
    ///
    /// # Errors
    /// if the file lacks it, or it holds integers
    pub fn tensor_f32(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let entry = self.entry(name)?;
        let bytes = self.bytes(name)?;
        let refused = || WeightsError::Dtype {
            name: name.to_owned(),
            dtype: entry.dtype.to_string(),
            wanted: "F32",
        };
        match entry.dtype {
            Dtype::I8 => {
                let scale_name = format!("{name}{SCALE_SUFFIX}");
                let scale = self.tensors.get(&scale_name).ok_or_else(refused)?;
                let scales = self.tensor_f32(&scale_name)?;
                quantize::dequantize_int8(
                    bytemuck::cast_slice(bytes),
                    &entry.shape,
                    &scales,
                    &scale.shape,
                )
                .ok_or_else(|| WeightsError::misshapen(&scale_name, &entry.shape, &scale.shape))
            }
            dtype => floats(dtype, bytes).ok_or_else(refused),
        }
    }

    /// The tensor as 32-bit floats, if it has the wanted shape.
    ///
    /// # Errors
    /// as [`Self::tensor_f32`], or if the shape differs
    pub fn tensor_f32_shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let entry = self.entry(name)?;
        if entry.shape != shape {
            return Err(WeightsError::misshapen(name, shape, &entry.shape));
        }
        self.tensor_f32(name)
    }

    /// The tensor as 32-bit unsigned integers.
    ///
    /// # Errors
    /// if the file lacks it, or it is not stored as such
    pub fn tensor_u32(&self, name: &str) -> Result<Vec<u32>, WeightsError> {
        let dtype = self.entry(name)?.dtype;
        if dtype != Dtype::U32 {
            return Err(WeightsError::Dtype {
                name: name.to_owned(),
                dtype: dtype.to_string(),
                wanted: "U32",
            });
        }
        Ok(words(self.bytes(name)?).map(u32::from_le_bytes).collect())
    }

    /// Every float tensor whose name begins with `prefix`, without the prefix, in the order of names.
    ///
    /// # Errors
    /// if one of them holds integers
    pub fn named_tensors(&self, prefix: &str) -> Result<Vec<NamedTensor>, WeightsError> {
        self.names()
            .filter_map(|name| Some((name, name.strip_prefix(prefix)?)))
            .map(|(name, short)| {
                let shape = self.entry(name)?.shape.clone();
                Ok(NamedTensor { name: short.to_owned(), shape, values: self.tensor_f32(name)? })
            })
            .collect()
    }

    fn entry(&self, name: &str) -> Result<&Entry, WeightsError> {
        self.tensors.get(name).ok_or_else(|| WeightsError::missing(name))
    }

    fn is_scale(&self, name: &str) -> bool {
        name.strip_suffix(SCALE_SUFFIX)
            .and_then(|base| self.tensors.get(base))
            .is_some_and(|base| base.dtype == Dtype::I8)
    }
}

impl Bytes {
    /// Maps the file.
    pub(crate) fn map(path: &Path) -> Result<Self, WeightsError> {
        let failed = |source| WeightsError::Read { path: path.to_path_buf(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        // SAFETY: the map is read-only and lives as long as the bytes handed out. Another process that shortens the
        // file meanwhile could fault this one; hibari replaces weights by renaming, which leaves the old bytes alone.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
        Ok(Self::Mapped(map))
    }

    /// Lets the pages of these bytes leave this process's memory; who reads them again gets them from the file.
    pub(crate) fn forget(&self, range: Range<usize>) {
        let Self::Mapped(map) = self else { return };
        #[cfg(unix)]
        {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the map is of a file and never written, so the pages come back as they were.
            let result = unsafe { map.unchecked_advise_range(advice, range.start, range.len()) };
            if let Err(error) = result {
                tracing::debug!(%error, "pages of weights stay in memory");
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

/// The header of a safetensors file: it fits the file, and its tensors fill the rest without gap or overlap.
pub(crate) struct Header {
    parsed: Metadata,
    data_at: usize,
}

impl Header {
    pub(crate) fn read(whole: &[u8], path: &Path) -> Result<Self, WeightsError> {
        let (header_len, parsed) =
            SafeTensors::read_metadata(whole).map_err(|error| parse_error(path, error))?;
        Ok(Self { parsed, data_at: 8 + header_len })
    }

    /// The tensors by name; an error if one of them has a type that is not read.
    pub(crate) fn entries(&self) -> Result<BTreeMap<String, Entry>, WeightsError> {
        let mut tensors = BTreeMap::new();
        for name in self.parsed.offset_keys() {
            let info = self.parsed.info(&name).expect("the name comes from the header");
            let dtype_name = format!("{:?}", info.dtype);
            let Some(dtype) = Dtype::from_name(&dtype_name) else {
                return Err(WeightsError::Dtype { name, dtype: dtype_name, wanted: "a tensor" });
            };
            let range = self.data_at + info.data_offsets.0..self.data_at + info.data_offsets.1;
            tensors.insert(name, Entry { dtype, shape: info.shape.clone(), range });
        }
        Ok(tensors)
    }

    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        self.parsed.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

/// The values of a float type; `None` for integers.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    match dtype {
        Dtype::F32 => Some(words(bytes).map(f32::from_le_bytes).collect()),
        Dtype::Bf16 => Some(words(bytes).map(|w| half::bf16::from_le_bytes(w).to_f32()).collect()),
        Dtype::F16 => Some(words(bytes).map(|w| half::f16::from_le_bytes(w).to_f32()).collect()),
        Dtype::F8E4M3 => {
            let table: [f32; 256] =
                std::array::from_fn(|byte| quantize::f32_from_f8_e4m3(byte as u8));
            Some(bytes.iter().map(|&byte| table[usize::from(byte)]).collect())
        }
        _ => None,
    }
}

/// Little-endian words of `N` bytes.
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().expect("chunks of N bytes"))
}

/// The file's hash, if it is the one in the header.
fn check_hash(whole: &[u8], data_at: usize, path: &Path) -> Result<String, WeightsError> {
    let at = find_hash(&whole[..data_at])
        .ok_or_else(|| WeightsError::Unhashed { path: path.to_path_buf() })?;
    let end = at + HASH_BLANK.len();
    let mut hasher = Sha256::new();
    hasher.update(&whole[..at]);
    hasher.update(HASH_BLANK.as_bytes());
    hasher.update(&whole[end..]);
    let found = hex(&hasher.finalize());
    if found.as_bytes() != &whole[at..end] {
        let expected = String::from_utf8_lossy(&whole[at..end]).into_owned();
        return Err(WeightsError::Hash { path: path.to_path_buf(), expected, found });
    }
    Ok(found)
}

/// Sorts the parser's complaints into "cut short" and "damaged".
fn parse_error(path: &Path, error: SafeTensorError) -> WeightsError {
    let path = path.to_path_buf();
    match error {
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::MetadataIncompleteBuffer => WeightsError::Truncated { path },
        other => WeightsError::Header { path, message: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
