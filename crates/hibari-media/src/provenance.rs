//! How a file was made, kept inside the file: prompt, seed and model, as JSON.
//!
//! MP4: the comment item of iTunes-style metadata (`moov/udta/meta/ilst/©cmt/data`). PNG: a `tEXt` chunk.
//! Source: QuickTime File Format, metadata atoms; PNG specification, 11.3.3.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::MediaError;

const PNG_KEYWORD: &[u8] = b"hibari";
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature, then `IHDR`: length, name, 13 bytes, checksum.
const PNG_AFTER_HEADER: usize = 8 + 12 + 13;

/// What made a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The program, `hibari`.
    pub generator: String,
    /// Its version.
    pub version: String,
    /// The text that was asked for.
    pub prompt: String,
    /// The seed of all noise.
    pub seed: u64,
    /// SHA-256 of the weights file, in hexadecimal.
    pub model_sha256: String,
}

impl Provenance {
    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and a number always serialise")
    }
}

/// Reads what made the file at `path`, an MP4 or PNG; `None` if it does not say.
///
/// # Errors
/// [`MediaError::Read`] if the file cannot be read.
pub fn read_provenance(path: &Path) -> Result<Option<Provenance>, MediaError> {
    let bytes = fs::read(path).map_err(|source| MediaError::read(path, source))?;
    let json =
        if bytes.starts_with(PNG_SIGNATURE) { png_text(&bytes) } else { mp4_comment(&bytes) };
    Ok(json.and_then(|json| serde_json::from_slice(json).ok()))
}

/// A box of an MP4 file: size, name, content.
pub(crate) fn mp4_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("metadata are far below 4 GB");
    [&size.to_be_bytes(), &kind, content].concat()
}

/// The content of a `udta` box that holds `json` as the comment.
pub(crate) fn mp4_user_data(json: &str) -> Vec<u8> {
    let data = mp4_box(*b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], json.as_bytes()].concat()); // UTF-8, no locale
    let list = mp4_box(*b"ilst", &mp4_box(*b"\xa9cmt", &data));
    let handler = mp4_box(*b"hdlr", b"\0\0\0\0\0\0\0\0mdirappl\0\0\0\0\0\0\0\0\0");
    mp4_box(*b"meta", &[&[0; 4], handler.as_slice(), &list].concat())
}

/// The first box called `kind` among `bytes`, without its header.
pub(crate) fn find_box(mut bytes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    while let Some((name, content, rest)) = split_box(bytes) {
        if name == kind {
            return Some(content);
        }
        bytes = rest;
    }
    None
}

/// Name and content of the first box, and what follows it.
pub(crate) fn split_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let name = bytes.get(4..8)?.try_into().ok()?;
    let (header, size) = match size {
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?)).ok()?),
        _ => (8, usize::try_from(size).ok()?),
    };
    Some((name, bytes.get(header..size)?, &bytes[size..]))
}

fn mp4_comment(bytes: &[u8]) -> Option<&[u8]> {
    let meta = find_box(find_box(find_box(bytes, *b"moov")?, *b"udta")?, *b"meta")?;
    let list = find_box(meta.get(4..)?, *b"ilst")?;
    find_box(find_box(list, *b"\xa9cmt")?, *b"data")?.get(8..)
}

/// Puts `json` into the bytes of a PNG file, after its header.
pub(crate) fn png_with_text(png: &[u8], json: &str) -> Vec<u8> {
    let mut content = b"tEXt".to_vec();
    content.extend(PNG_KEYWORD);
    content.push(0);
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => content.push(byte),
            _ => content.extend(format!("\\u{unit:04x}").bytes()), // the chunk is Latin-1, so JSON escapes
        }
    }
    let length = u32::try_from(content.len() - 4).expect("a prompt is far below 4 GB");
    let (head, tail) = png.split_at(PNG_AFTER_HEADER);
    [head, &length.to_be_bytes(), &content, &checksum(&content).to_be_bytes(), tail].concat()
}

fn png_text(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let length = usize::try_from(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
        let content = rest.get(8..length.checked_add(8)?)?;
        if &rest[4..8] == b"tEXt"
            && let Some(text) =
                content.strip_prefix(PNG_KEYWORD).and_then(|text| text.strip_prefix(b"\0"))
        {
            return Some(text);
        }
        rest = rest.get(length.checked_add(12)?..)?;
    }
}

/// CRC-32 of a chunk's name and content. Source: PNG specification, annex D.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn damaged_boxes_and_chunks_are_no_provenance() {
        for bytes in [
            &b""[..],
            b"\0\0\0\x05moov",
            b"\xff\xff\xff\xffmoov",
            b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(mp4_comment(bytes), None);
            assert_eq!(png_text(bytes), None);
        }
    }
}
