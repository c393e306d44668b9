//! Tells folders of weights apart without reading all of them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::WeightsError;

/// How much of each end of a file is read.
const END_BYTES: u64 = 1 << 20;

/// The SHA-256, in hexadecimal, of each file's name, length, first and last MiB: names and shapes of all tensors are
/// among them. It is no check against damage.
///
/// # Errors
/// if a file cannot be read
pub fn fingerprint<'a>(files: impl Iterator<Item = &'a Path>) -> Result<String, WeightsError> {
    let mut hash = Sha256::new();
    for path in files {
        let failed = |source| WeightsError::Read { path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        hash.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(len.to_le_bytes());
        for start in [0, len.saturating_sub(END_BYTES)] {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
            file.by_ref().take(END_BYTES).read_to_end(&mut bytes).map_err(failed)?;
            hash.update(&bytes);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_or_a_name_makes_another() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            fingerprint([path.as_path()].into_iter()).unwrap()
        };
        let first = of("a", b"weights");
        assert_eq!((first.len(), &first), (64, &of("a", b"weights")));
        assert_ne!(first, of("a", b"weightS"));
        assert_ne!(first, of("b", b"weights"));
        assert!(fingerprint([folder.path().join("none").as_path()].into_iter()).is_err());
    }
}
