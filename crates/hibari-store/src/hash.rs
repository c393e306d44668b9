//! The two hashes that a hub names its files by.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The hash of a file, of the kind that `like` is: 64 digits are SHA-256, else it is SHA-1 with git's head.
pub(crate) fn of(path: &Path, like: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    if like.len() == 64 {
        return digest(Sha256::new(), &mut file);
    }
    let head = format!("blob {}\0", file.metadata()?.len());
    digest(Sha1::new_with_prefix(head), &mut file)
}

fn digest<D: Digest>(mut hash: D, file: &mut File) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_git_and_of_large_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "hello\n").unwrap();
        assert_eq!(of(&path, &"0".repeat(40)).unwrap(), "ce013625030ba8dba906f756967f9e9ca394464a");
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(of(&path, sha256).unwrap(), sha256);
    }
}
