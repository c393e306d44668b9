//! The header of a GGUF file: metadata, and where each tensor lies.
//!
//! Source: ggml, `docs/gguf.md`, versions 2 and 3, little endian. Dimensions are stored fastest first and are turned
//! round here. `comfy.gguf.orig_shape.NAME` gives back the shape of a tensor that was flattened to fit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::blocks::BlockFormat;
use crate::checkpoint::{Encoding, MetaValue};
use crate::error::WeightsError;
use crate::write::Dtype;

/// The first bytes of the file.
pub(crate) const MAGIC: &[u8; 4] = b"GGUF";
/// Metadata keys with the shape of a tensor before it was flattened.
const ORIGINAL_SHAPE: &str = "comfy.gguf.orig_shape.";
/// Where tensors may begin, unless the metadata say otherwise.
const ALIGNMENT: u64 = 32;
/// More items than any list has; the vocabulary of a text encoder has 256384.
const MAX_ITEMS: u64 = 1 << 24;
/// More dimensions than any tensor has.
const MAX_DIMENSIONS: u32 = 8;

/// What the header says, checked against the file's length.
pub(crate) struct Header {
    pub(crate) metadata: BTreeMap<String, MetaValue>,
    pub(crate) tensors: Vec<Tensor>,
}

/// One tensor in the file.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) encoding: Encoding,
    pub(crate) shape: Vec<usize>,
    /// Bytes of the file.
    pub(crate) range: Range<usize>,
}

/// Why a header is refused, before the file's name is known.
enum Fault {
    Truncated,
    Damaged(String),
    Dtype { name: String, code: u32 },
}

/// Reads the header, and checks that every tensor lies in the file and none over another.
pub(crate) fn read_header(whole: &[u8], path: &Path) -> Result<Header, WeightsError> {
    parse(whole).map_err(|fault| {
        let path = path.to_path_buf();
        match fault {
            Fault::Truncated => WeightsError::Truncated { path },
            Fault::Damaged(message) => WeightsError::Header { path, message },
            Fault::Dtype { name, code } => {
                WeightsError::Dtype { name, dtype: format!("ggml type {code}"), wanted: "F32" }
            }
        }
    })
}

fn parse(whole: &[u8]) -> Result<Header, Fault> {
    let mut cursor = Cursor { whole, at: MAGIC.len() };
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Fault::Damaged(format!("GGUF version {version}, not 2 or 3")));
    }
    let n_tensors = cursor.u64()?;
    let n_entries = cursor.u64()?;
    let mut metadata = BTreeMap::new();
    for _ in 0..n_entries {
        let key = cursor.text()?;
        let kind = cursor.u32()?;
        let value = if kind == 9 { cursor.list()? } else { cursor.scalar(kind)? };
        if metadata.insert(key.clone(), value).is_some() {
            return Err(Fault::Damaged(format!("metadata `{key}` twice")));
        }
    }
    let mut infos = Vec::new();
    for _ in 0..n_tensors {
        infos.push(Info::read(&mut cursor)?);
    }

    let alignment = match metadata.get("general.alignment") {
        Some(value) => value.as_u64().filter(|n| n.is_power_of_two()).ok_or_else(|| {
            Fault::Damaged("`general.alignment` is not a power of two".to_owned())
        })?,
        None => ALIGNMENT,
    };
    let data_at = (cursor.at as u64).next_multiple_of(alignment);
    let mut tensors = Vec::new();
    for info in infos {
        tensors.push(info.place(data_at, alignment, whole.len(), &metadata)?);
    }
    refuse_overlaps(&tensors)?;
    Ok(Header { metadata, tensors })
}

/// A tensor as the header lists it.
struct Info {
    name: String,
    /// Slowest first.
    shape: Vec<u64>,
    encoding: Encoding,
    /// From the beginning of the tensors.
    offset: u64,
}

impl Info {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let name = cursor.text()?;
        let n_dimensions = cursor.u32()?;
        if n_dimensions > MAX_DIMENSIONS {
            return Err(Fault::Damaged(format!("`{name}` has {n_dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..n_dimensions {
            shape.push(cursor.u64()?);
        }
        shape.reverse();
        let code = cursor.u32()?;
        let Some(encoding) = encoding_of(code) else { return Err(Fault::Dtype { name, code }) };
        Ok(Self { name, shape, encoding, offset: cursor.u64()? })
    }

    fn place(
        self,
        data_at: u64,
        alignment: u64,
        file_len: usize,
        metadata: &BTreeMap<String, MetaValue>,
    ) -> Result<Tensor, Fault> {
        let Self { name, shape, encoding, offset } = self;
        let damaged = |what: &str| Fault::Damaged(format!("`{name}` {what}"));
        if !offset.is_multiple_of(alignment) {
            return Err(damaged("does not begin at a multiple of the alignment"));
        }
        let product = |shape: &[u64]| shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side));
        let n_values = product(&shape).ok_or_else(|| damaged("is larger than any file"))?;
        let (per_block, block_bytes) =
            (encoding.values_per_block() as u64, encoding.block_size_bytes() as u64);
        if !shape.last().unwrap_or(&1).is_multiple_of(per_block) {
            return Err(damaged("has rows that are not whole blocks"));
        }
        let end = (n_values / per_block)
            .checked_mul(block_bytes)
            .and_then(|n| n.checked_add(offset)?.checked_add(data_at))
            .ok_or_else(|| damaged("is larger than any file"))?;
        if end > file_len as u64 {
            return Err(Fault::Truncated);
        }
        let shape = match metadata.get(&format!("{ORIGINAL_SHAPE}{name}")) {
            None => shape,
            Some(value) => value
                .as_list()
                .and_then(|sides| sides.iter().map(MetaValue::as_u64).collect::<Option<Vec<_>>>())
                .filter(|original| product(original) == Some(n_values))
                .ok_or_else(|| damaged("does not fill its original shape"))?,
        };
        // Sides are at most the file's length, unless another side is zero.
        let shape = shape
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("is larger than any file"))?;
        Ok(Tensor { encoding, shape, range: (data_at + offset) as usize..end as usize, name })
    }
}

fn refuse_overlaps(tensors: &[Tensor]) -> Result<(), Fault> {
    let mut order: Vec<&Tensor> = tensors.iter().filter(|t| !t.range.is_empty()).collect();
    order.sort_by_key(|tensor| tensor.range.start);
    for pair in order.windows(2) {
        if pair[1].range.start < pair[0].range.end {
            let (a, b) = (&pair[0].name, &pair[1].name);
            return Err(Fault::Damaged(format!("`{a}` and `{b}` overlap")));
        }
    }
    Ok(())
}

/// The encoding of a `ggml_type`, if it is read.
fn encoding_of(code: u32) -> Option<Encoding> {
    Some(match code {
        0 => Encoding::Plain(Dtype::F32),
        1 => Encoding::Plain(Dtype::F16),
        2 => Encoding::Blocks(BlockFormat::Q4_0),
        6 => Encoding::Blocks(BlockFormat::Q5_0),
        8 => Encoding::Blocks(BlockFormat::Q8_0),
        12 => Encoding::Blocks(BlockFormat::Q4K),
        13 => Encoding::Blocks(BlockFormat::Q5K),
        14 => Encoding::Blocks(BlockFormat::Q6K),
        24 => Encoding::Plain(Dtype::I8),
        26 => Encoding::Plain(Dtype::I32),
        27 => Encoding::Plain(Dtype::I64),
        30 => Encoding::Plain(Dtype::Bf16),
        _ => return None,
    })
}

/// Where reading has come to.
struct Cursor<'a> {
    whole: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, len: u64) -> Result<&[u8], Fault> {
        let len = usize::try_from(len).map_err(|_| Fault::Truncated)?;
        let end = self.at.checked_add(len).ok_or(Fault::Truncated)?;
        let bytes = self.whole.get(self.at..end).ok_or(Fault::Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn word<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.take(N as u64)?.try_into().expect("that many bytes were taken"))
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.word().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.word().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, Fault> {
        let len = self.u64()?;
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Fault::Damaged("a text is not UTF-8".to_owned())),
        }
    }

    /// A metadata value of this type code; lists are [`Self::list`]'s.
    fn scalar(&mut self, kind: u32) -> Result<MetaValue, Fault> {
        Ok(match kind {
            0 => MetaValue::Integer(self.word().map(u8::from_le_bytes)?.into()),
            1 => MetaValue::Integer(self.word().map(i8::from_le_bytes)?.into()),
            2 => MetaValue::Integer(self.word().map(u16::from_le_bytes)?.into()),
            3 => MetaValue::Integer(self.word().map(i16::from_le_bytes)?.into()),
            4 => MetaValue::Integer(self.u32()?.into()),
            5 => MetaValue::Integer(self.word().map(i32::from_le_bytes)?.into()),
            6 => MetaValue::Float(self.word().map(f32::from_le_bytes)?.into()),
            7 => MetaValue::Flag(self.word::<1>()? != [0]),
            8 => MetaValue::Text(self.text()?),
            10 => MetaValue::Integer(self.u64()?.into()),
            11 => MetaValue::Integer(self.word().map(i64::from_le_bytes)?.into()),
            12 => MetaValue::Float(self.word().map(f64::from_le_bytes)?),
            _ => return Err(Fault::Damaged(format!("metadata of unknown type {kind}"))),
        })
    }

    /// A list of scalars; lists of lists are not in use, and are refused.
    fn list(&mut self) -> Result<MetaValue, Fault> {
        let kind = self.u32()?;
        let n_items = self.u64()?;
        if n_items > MAX_ITEMS {
            return Err(Fault::Damaged(format!("a list of {n_items} items")));
        }
        let mut items = Vec::new();
        for _ in 0..n_items {
            items.push(self.scalar(kind)?);
        }
        Ok(MetaValue::List(items))
    }
}

#[cfg(test)]
mod tests;
