//! Files that appear whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::error::MediaError;

/// Writes `bytes` aside in the folder of `path`, then renames; what was at `path` stays until then.
///
/// A device or pipe is written in place, since a rename would replace it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), MediaError> {
    write_aside_or_in_place(path, bytes).map_err(|source| MediaError::write(path, source))
}

fn write_aside_or_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()); // follows links to the file meant
    match fs::metadata(&target) {
        Ok(meta) if meta.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(meta) if !meta.is_file() => {
            return OpenOptions::new().write(true).open(&target)?.write_all(bytes);
        }
        Ok(meta) if meta.permissions().readonly() => {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        _ => {}
    }
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hibari-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's mask, as usual
    let mut aside = builder.tempfile_in(folder)?; // removed on drop
    aside.write_all(bytes)?;
    aside.as_file().sync_all()?;
    aside.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/such/a.mp4"), folder.path().to_owned()] {
            let error = write(&path, b"x").unwrap_err();
            assert!(matches!(error, MediaError::Write { .. }), "{error}");
            assert!(!error.hint().is_empty());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_old_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"first, longer").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let error = write(Path::new("/dev/full"), b"x").unwrap_err();
        let MediaError::Write { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(error.hint().contains("space"));
        assert!(!fs::metadata("/dev/full").unwrap().is_file(), "the device was replaced");
    }
}
