//! A set in files of a fixed number of items: each is written atomically, carries a hash and the key of what it was made
//! from, and is made only once, so an interrupted build goes on where it stopped.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use hibari_weights::{StoredTensor, WeightIndex, write_safetensors};

use crate::DataError;

/// The metadata key of what a shard was made from.
const KEY: &str = "hibari.data";

/// How a set is split into files.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Items in all.
    pub items: usize,
    /// Items in each file but the last.
    pub per_shard: usize,
}

/// Opens the shards of a set and makes those that are missing.
///
/// `key` says what the items are made from: a shard with another key is refused. `make` gives the tensors of a range of
/// items. `progress` hears the number of items that are there.
///
/// # Errors
/// [`DataError::OtherData`], whatever `make` or the disk says, [`DataError::Canceled`] if `progress` breaks
pub fn open_or_make(
    folder: &Path,
    key: &str,
    shape: &Shape,
    make: &mut dyn FnMut(Range<usize>) -> Result<Vec<StoredTensor>, DataError>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<WeightIndex>, DataError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| DataError::Folder { path: folder.to_path_buf(), source })?;
    let mut shards = Vec::new();
    for (number, first) in (0..shape.items).step_by(shape.per_shard).enumerate() {
        let range = first..(first + shape.per_shard).min(shape.items);
        let path = folder.join(format!("shard-{number:04}.safetensors"));
        let key = format!("{key}; items {}..{}", range.start, range.end);
        if !path.exists() {
            let tensors = make(range.clone())?;
            write_safetensors(&path, &tensors, &BTreeMap::from([(KEY.to_owned(), key.clone())]))?;
        }
        let shard = WeightIndex::open(&path)?;
        if shard.metadata(KEY) != Some(key.as_str()) {
            return Err(DataError::OtherData { path });
        }
        shards.push(shard);
        if progress(range.end).is_break() {
            return Err(DataError::Canceled);
        }
    }
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_made_once_and_keyed() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { items: 5, per_shard: 2 };
        let mut made = Vec::new();
        let mut build = |key: &str, stop_at: usize| {
            let mut make = |range: Range<usize>| {
                made.push(range.clone());
                Ok(range
                    .map(|i| StoredTensor::from_u32(&i.to_string(), &[1], &[i as u32]))
                    .collect())
            };
            let mut progress = |done| {
                if done >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            open_or_make(folder.path(), key, &shape, &mut make, &mut progress)
        };
        assert!(matches!(build("a", 2), Err(DataError::Canceled)));
        let shards = build("a", 6).unwrap();
        assert_eq!(shards.len(), 3);
        assert_eq!(shards[2].tensor_u32("4").unwrap(), [4]);
        assert!(matches!(build("b", 6), Err(DataError::OtherData { .. })));
        assert_eq!(made, [0..2, 2..4, 4..5]);
    }
}
