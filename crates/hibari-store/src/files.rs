//! Where models lie: `models--OWNER--NAME/{blobs/HASH, snapshots/COMMIT/FILE, refs/REVISION}`, files being links to blobs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{StoreError, hash};

/// The models of a folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// A model that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Owner and name.
    pub id: String,
    /// Its commits.
    pub commits: Vec<String>,
    /// Bytes on the disk.
    pub size_bytes: u64,
    /// Bytes of files that are not here as a whole.
    pub partial_bytes: u64,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The file, below its commit.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

impl Store {
    /// The models in `folder`, which need not exist.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where the models lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All models, by name.
    ///
    /// # Errors
    /// if the folder cannot be read
    pub fn list(&self) -> Result<Vec<Held>, StoreError> {
        let mut all = Vec::new();
        for name in names(&self.folder)? {
            let Some(id) = name.strip_prefix("models--") else { continue };
            let repo = self.folder.join(&name);
            let mut held = Held {
                id: id.replacen("--", "/", 1),
                commits: names(&repo.join("snapshots"))?,
                size_bytes: 0,
                partial_bytes: 0,
            };
            for blob in names(&repo.join("blobs"))? {
                let path = repo.join("blobs").join(&blob);
                let len = fs::metadata(&path).map_err(|error| disk(&path, error))?.len();
                *(if blob.ends_with(".part") {
                    &mut held.partial_bytes
                } else {
                    &mut held.size_bytes
                }) += len;
            }
            all.push(held);
        }
        Ok(all)
    }

    /// The folder with the files of a model, of a revision or a commit.
    #[must_use]
    pub fn find(&self, id: &str, revision: &str) -> Option<PathBuf> {
        let repo = self.repo(id).ok()?;
        let named = fs::read_to_string(repo.join("refs").join(revision)).ok();
        let commit = named.as_deref().map_or(revision, str::trim);
        let found = repo.join("snapshots").join(commit);
        (is_plain(commit) && found.is_dir()).then_some(found)
    }

    /// Reads all files of a model again, and tells which are not what their hashes say, or are missing from an index.
    ///
    /// # Errors
    /// if it is not here or the disk fails
    pub fn verify(&self, id: &str, each: &mut dyn FnMut(&str)) -> Result<Vec<Trouble>, StoreError> {
        let repo = self.present(id)?;
        let mut troubles = Vec::new();
        let mut seen = BTreeSet::new();
        for commit in names(&repo.join("snapshots"))? {
            let root = repo.join("snapshots").join(&commit);
            for file in files_below(&root)? {
                let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
                each(&name);
                let trouble =
                    |reason: &str| Trouble { file: name.clone(), reason: reason.to_owned() };
                let Ok(blob) = fs::canonicalize(&file) else {
                    troubles.push(trouble("it is missing"));
                    continue;
                };
                let expected = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if seen.insert(blob.clone())
                    && hash::of(&blob, &expected).map_err(|error| disk(&blob, error))? != expected
                {
                    troubles.push(trouble("it is damaged"));
                }
                if name.ends_with(".index.json") {
                    let shards = shards(&blob);
                    let lacking =
                        shards.iter().filter(|shard| !file.with_file_name(shard).exists());
                    troubles.extend(
                        lacking.map(|shard| trouble(&format!("its part `{shard}` is missing"))),
                    );
                }
            }
        }
        Ok(troubles)
    }

    /// Removes a model, and returns how many bytes that frees.
    ///
    /// # Errors
    /// if it is not here, or the disk fails
    pub fn remove(&self, id: &str) -> Result<u64, StoreError> {
        let repo = self.present(id)?;
        let held = self.list()?.into_iter().find(|held| held.id == id);
        fs::remove_dir_all(&repo).map_err(|error| disk(&repo, error))?;
        Ok(held.map_or(0, |held| held.size_bytes + held.partial_bytes))
    }

    fn present(&self, id: &str) -> Result<PathBuf, StoreError> {
        let repo = self.repo(id)?;
        if repo.is_dir() { Ok(repo) } else { Err(StoreError::Absent { id: id.into() }) }
    }

    /// The folder of a model.
    pub(crate) fn repo(&self, id: &str) -> Result<PathBuf, StoreError> {
        match id.split_once('/') {
            Some((owner, name)) if is_plain(owner) && is_plain(name) => {
                Ok(self.folder.join(format!("models--{owner}--{name}")))
            }
            _ => Err(StoreError::Name { id: id.into() }),
        }
    }
}

/// Whether a text is fit for the name of a file, and for an address.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && !text.starts_with('.') && text.chars().all(is_fit)
}

pub(crate) fn disk(path: &Path, source: io::Error) -> StoreError {
    StoreError::Disk { path: path.to_path_buf(), source }
}

/// What a folder holds, sorted; nothing if it is not there.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk(folder, error)),
    };
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names =
        entries.map(name).collect::<io::Result<Vec<_>>>().map_err(|error| disk(folder, error))?;
    names.sort();
    Ok(names)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    for name in names(folder)? {
        let path = folder.join(name);
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_folder { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// The files that an index names.
fn shards(index: &Path) -> BTreeSet<String> {
    let json = fs::read(index)
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let map = json.as_ref().and_then(|json| json.get("weight_map")?.as_object());
    map.into_iter()
        .flat_map(|map| map.values())
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}
