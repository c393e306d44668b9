//! Writes safetensors: deterministic bytes, a hash of the whole file inside, written aside and renamed.
//!
//! The file is a plain safetensors file. Its metadata carries `hibari.sha256`, the SHA-256 of the file in which the
//! 64 digits of that value are `0`; so every byte is covered, the header's and the padding's too.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::WeightsError;

/// The metadata key that holds the file's hash.
pub const HASH_KEY: &str = "hibari.sha256";
/// What stands in the hash's place while the hash is computed.
pub(crate) const HASH_BLANK: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// How a tensor's numbers are stored; little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// Upper half of a 32-bit float.
    Bf16,
    /// IEEE half.
    F16,
    /// 8-bit float with 4 bits of exponent and 3 of mantissa, without infinities.
    F8E4M3,
    /// Signed byte; with a companion `NAME.scale` a quantised float.
    I8,
    /// Unsigned byte.
    U8,
    /// 32-bit signed integer.
    I32,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit signed integer.
    I64,
    /// 64-bit unsigned integer.
    U64,
}

impl Dtype {
    /// Every type that is read and written.
    const ALL: [Self; 10] = [
        Self::F32,
        Self::Bf16,
        Self::F16,
        Self::F8E4M3,
        Self::I8,
        Self::U8,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
    ];

    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F8E4M3 | Self::I8 | Self::U8 => 1,
            Self::Bf16 | Self::F16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::U64 => 8,
        }
    }

    /// The safetensors name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::F8E4M3 => "F8_E4M3",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::I32 => "I32",
            Self::U32 => "U32",
            Self::I64 => "I64",
            Self::U64 => "U64",
        }
    }

    /// The type with this safetensors name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tensor as bytes, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Its name in the file.
    pub name: String,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Little-endian, row-major.
    pub bytes: Vec<u8>,
}

impl StoredTensor {
    /// A tensor of 32-bit floats, stored as they are.
    pub fn from_f32(name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name: name.to_owned(), dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    /// A tensor of 32-bit unsigned integers.
    pub fn from_u32(name: &str, shape: &[usize], values: &[u32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name: name.to_owned(), dtype: Dtype::U32, shape: shape.to_vec(), bytes }
    }
}

/// Writes the tensors to `path`: aside in the same folder, synced, renamed. The same input gives the same bytes.
///
/// # Errors
/// [`WeightsError::Invalid`] for a name used twice or bytes that do not fit the shape, [`WeightsError::Write`] when
/// the disk refuses; then no partial file is left, and an older file at `path` stays as it was.
pub fn write_safetensors(
    path: &Path,
    tensors: &[StoredTensor],
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let order = checked_order(tensors)?;
    let mut header = header_json(&order, metadata);
    let hash_at = find_hash(header.as_bytes()).expect("the header was made with a hash");
    let mut hasher = Sha256::new();
    hasher.update(header_len_bytes(&header));
    hasher.update(header.as_bytes());
    for tensor in &order {
        hasher.update(&tensor.bytes);
    }
    header.replace_range(hash_at..hash_at + HASH_BLANK.len(), &hex(&hasher.finalize()));

    let failed = |source| WeightsError::Write { path: path.to_path_buf(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut aside =
        tempfile::Builder::new().prefix(".weights-").tempfile_in(folder).map_err(failed)?;
    {
        let mut out = std::io::BufWriter::with_capacity(1 << 20, aside.as_file_mut());
        out.write_all(&header_len_bytes(&header)).map_err(failed)?;
        out.write_all(header.as_bytes()).map_err(failed)?;
        for tensor in &order {
            out.write_all(&tensor.bytes).map_err(failed)?;
        }
        out.flush().map_err(failed)?;
    }
    aside.as_file().sync_all().map_err(failed)?;
    aside.persist(path).map_err(|error| failed(error.error))?;
    if let Ok(folder) = std::fs::File::open(folder) {
        // Makes the rename itself durable; some file systems refuse to sync a folder, and the data is safe already.
        drop(folder.sync_all());
    }
    Ok(())
}

/// The tensors by descending element size, then name, so that all of them are aligned.
fn checked_order(tensors: &[StoredTensor]) -> Result<Vec<&StoredTensor>, WeightsError> {
    let mut order: Vec<&StoredTensor> = tensors.iter().collect();
    order.sort_by(|a, b| {
        b.dtype.size_bytes().cmp(&a.dtype.size_bytes()).then_with(|| a.name.cmp(&b.name))
    });
    let mut seen = std::collections::BTreeSet::new();
    for tensor in &order {
        let invalid =
            |message: String| WeightsError::Invalid { name: tensor.name.clone(), message };
        if !seen.insert(tensor.name.as_str()) {
            return Err(invalid("the name is used twice".into()));
        }
        if tensor.name == "__metadata__" {
            return Err(invalid("the name is reserved".into()));
        }
        let wanted = tensor.shape.iter().product::<usize>() * tensor.dtype.size_bytes();
        if wanted != tensor.bytes.len() {
            return Err(invalid(format!(
                "shape {:?} wants {wanted} bytes, not {}",
                tensor.shape,
                tensor.bytes.len()
            )));
        }
    }
    Ok(order)
}

/// The header with a blank hash, padded with blanks to a multiple of 8 bytes.
fn header_json(order: &[&StoredTensor], metadata: &BTreeMap<String, String>) -> String {
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let mut entries = vec![format!("{}:\"{HASH_BLANK}\"", quoted(HASH_KEY))];
    entries.extend(
        metadata
            .iter()
            .filter(|(key, _)| *key != HASH_KEY)
            .map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))),
    );
    let mut json = format!("{{\"__metadata__\":{{{}}}", entries.join(","));
    let mut offset = 0;
    for tensor in order {
        let end = offset + tensor.bytes.len();
        let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        json.push_str(&format!(
            ",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{offset},{end}]}}",
            quoted(&tensor.name),
            tensor.dtype,
            shape.join(",")
        ));
        offset = end;
    }
    json.push('}');
    while !json.len().is_multiple_of(8) {
        json.push(' ');
    }
    json
}

/// The 8 bytes before the header.
fn header_len_bytes(header: &str) -> [u8; 8] {
    u64::try_from(header.len()).expect("a header fits 64 bits").to_le_bytes()
}

/// Where the 64 digits of the hash begin in the header.
pub(crate) fn find_hash(header: &[u8]) -> Option<usize> {
    let key = format!("\"{HASH_KEY}\":\"");
    let at = header.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    (header.get(at + HASH_BLANK.len()) == Some(&b'"')).then_some(at)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
