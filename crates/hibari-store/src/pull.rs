//! Brings a model here: in ranges that are resumed where they stopped, each file checked before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::files::{disk, is_plain};
use crate::hub::RemoteFile;
use crate::{Hub, Store, StoreError, hash};

/// Bytes that are asked for at once.
const RANGE_BYTES: u64 = 64 << 20;
/// Tries in a row that bring nothing before it gives up.
const TRIES: u32 = 5;
/// What models need, if nothing else is asked for. Pickles are left, since they may run code.
const NEEDED: [&str; 4] = ["*.safetensors", "*.gguf", "*.json", "*.model"];

/// What to pull.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Owner and name.
    pub id: String,
    /// A branch, tag or commit.
    pub revision: String,
    /// Patterns of the files; none for all that models need.
    pub only: Vec<String>,
    /// How long to wait after a failure; each time twice as long.
    pub patience: Duration,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file that is coming.
    pub file: &'a str,
    /// Bytes of all files that are here.
    pub done: u64,
    /// Bytes of all files.
    pub of: u64,
}

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The folder with its files.
    pub folder: PathBuf,
    /// The commit.
    pub commit: String,
    /// Files.
    pub files: usize,
    /// Bytes of all files.
    pub size_bytes: u64,
}

/// Whether the work may go on.
type Tell<'t> = &'t mut dyn FnMut(Progress<'_>) -> ControlFlow<()>;

impl Store {
    /// Pulls a model; what is here is not pulled again, and what is here in part goes on.
    ///
    /// # Errors
    /// if the hub does not give it, the disk is too small, or `tell` breaks; what has arrived stays
    pub fn pull(&self, pull: &Pull, hub: &Hub, tell: Tell<'_>) -> Result<Pulled, StoreError> {
        let Pull { id, revision, only, .. } = pull;
        let repo = self.repo(id)?;
        if !is_plain(revision) {
            return Err(StoreError::Missing { what: format!("{id} at {revision}") });
        }
        let commit = pull.again(&mut || hub.commit(id, revision))?;
        let wanted = patterns(only)?;
        let mut files = pull.again(&mut || hub.files(id, &commit))?;
        files.retain(|file| wanted.is_match(&file.path));
        if files.is_empty() {
            return Err(StoreError::Nothing { id: id.clone() });
        }
        let blobs = repo.join("blobs");
        fs::create_dir_all(&blobs).map_err(|error| disk(&blobs, error))?;
        let of = files.iter().map(|file| file.size).sum();
        self.check_space(&files, &blobs)?;

        let root = repo.join("snapshots").join(&commit);
        let mut done = 0;
        for file in &files {
            let blob = blobs.join(&file.hash);
            if !blob.is_file() {
                let mut told =
                    |here: u64| tell(Progress { file: &file.path, done: done + here, of });
                pull.bring(hub, &commit, file, &blob, &mut told)?;
            }
            done += file.size;
            link(&root, &file.path, &file.hash)?;
        }
        let name = repo.join("refs").join(revision);
        if *revision != commit {
            write_aside(&name, commit.as_bytes())?;
        }
        Ok(Pulled { folder: root, commit, files: files.len(), size_bytes: of })
    }

    fn check_space(&self, files: &[RemoteFile], blobs: &Path) -> Result<(), StoreError> {
        let here = |file: &RemoteFile| {
            let len = |path: PathBuf| fs::metadata(path).map_or(0, |found| found.len());
            let whole = len(blobs.join(&file.hash));
            if whole > 0 { whole } else { len(part_of(&blobs.join(&file.hash))) }
        };
        let need: u64 = files.iter().map(|file| file.size.saturating_sub(here(file))).sum();
        let have = fs4::available_space(blobs).map_err(|error| disk(blobs, error))?;
        if need > have {
            let folder = self.folder().to_path_buf();
            return Err(StoreError::Space { folder, need_mb: need >> 20, have_mb: have >> 20 });
        }
        Ok(())
    }
}

impl Pull {
    /// Tries until it works or nothing more is to be hoped for.
    fn again<T>(&self, work: &mut dyn FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut failures = 0;
        loop {
            match work() {
                Err(StoreError::Connection { reason, .. }) if failures + 1 < TRIES => {
                    self.wait(failures, &reason);
                    failures += 1;
                }
                result => return result,
            }
        }
    }

    fn wait(&self, failures: u32, reason: &str) {
        tracing::debug!(failures, reason, "the hub is asked again");
        std::thread::sleep(self.patience * 2_u32.pow(failures));
    }

    /// Brings a file under its name; one that arrives damaged is pulled once more.
    fn bring(
        &self,
        hub: &Hub,
        commit: &str,
        file: &RemoteFile,
        blob: &Path,
        told: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let part = part_of(blob);
        for is_last in [false, true] {
            self.fill(hub, commit, file, &part, told)?;
            let found = hash::of(&part, &file.hash).map_err(|error| disk(&part, error))?;
            if found == file.hash {
                return fs::rename(&part, blob).map_err(|error| disk(blob, error));
            }
            fs::remove_file(&part).map_err(|error| disk(&part, error))?;
            tracing::warn!(file = file.path, "it arrived damaged");
            if is_last {
                let (file, expected) = (file.path.clone(), file.hash.clone());
                return Err(StoreError::Damaged { file, expected, found });
            }
        }
        unreachable!("the last try returns")
    }

    /// Fills the part of a file to its end.
    fn fill(
        &self,
        hub: &Hub,
        commit: &str,
        file: &RemoteFile,
        part: &Path,
        told: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let failed = |error| disk(part, error);
        let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(failed)?;
        let mut failures = 0;
        loop {
            let here = out.metadata().map_err(failed)?.len();
            if here == file.size {
                return out.sync_all().map_err(failed);
            }
            if here > file.size {
                out.set_len(0).map_err(failed)?;
                continue;
            }
            let range = [here, file.size.min(here + RANGE_BYTES)];
            let error = match hub.range(&self.id, commit, &file.path, range) {
                Ok((is_part, body)) => {
                    if !is_part {
                        out.set_len(0).map_err(failed)?; // the hub sends all of it
                    }
                    append(&mut out, body, file, told, part)?
                }
                Err(StoreError::Connection { reason, .. }) => Some(reason),
                Err(error) => return Err(error),
            };
            let now = out.metadata().map_err(failed)?.len();
            let Some(reason) = error else {
                failures = 0;
                continue;
            };
            failures = if now > here { 0 } else { failures + 1 };
            if failures == TRIES {
                return Err(StoreError::Connection { what: file.path.clone(), reason });
            }
            self.wait(failures, &reason);
        }
    }
}

/// Appends what arrives; the reason if that ends before it should.
fn append(
    out: &mut File,
    mut body: Box<dyn Read>,
    file: &RemoteFile,
    told: &mut dyn FnMut(u64) -> ControlFlow<()>,
    part: &Path,
) -> Result<Option<String>, StoreError> {
    let mut here = out.metadata().map_err(|error| disk(part, error))?.len();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(n) if here + n as u64 > file.size => return Ok(Some("it sends too much".into())),
            Ok(n) => {
                out.write_all(&buffer[..n]).map_err(|error| disk(part, error))?;
                here += n as u64;
                if told(here).is_break() {
                    return Err(StoreError::Canceled);
                }
            }
            Err(error) => return Ok(Some(error.to_string())),
        }
    }
}

fn part_of(blob: &Path) -> PathBuf {
    blob.with_extension("part")
}

fn patterns(only: &[String]) -> Result<GlobSet, StoreError> {
    let mut set = GlobSetBuilder::new();
    let needed = NEEDED.map(str::to_owned);
    for pattern in if only.is_empty() { &needed[..] } else { only } {
        let wrong = |_error| StoreError::Pattern { pattern: pattern.clone() };
        set.add(Glob::new(pattern).map_err(wrong)?);
    }
    set.build().map_err(|_error| StoreError::Pattern { pattern: only.join(" ") })
}

/// Makes `root/path` a link to the blob.
fn link(root: &Path, path: &str, hash: &str) -> Result<(), StoreError> {
    let file = root.join(path);
    let folder = file.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(|error| disk(folder, error))?;
    if file.exists() {
        return Ok(());
    }
    if fs::symlink_metadata(&file).is_ok() {
        fs::remove_file(&file).map_err(|error| disk(&file, error))?; // a link to nothing
    }
    let up = "../".repeat(path.split('/').count() + 1);
    #[cfg(unix)]
    let made = std::os::unix::fs::symlink(format!("{up}blobs/{hash}"), &file);
    #[cfg(not(unix))]
    let made = fs::hard_link(root.join(format!("{up}blobs/{hash}")), &file);
    made.map_err(|error| disk(&file, error))
}

fn write_aside(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |error| disk(path, error);
    let folder = path.parent().expect("it is in a folder");
    fs::create_dir_all(folder).map_err(failed)?;
    let aside = path.with_extension("new");
    fs::write(&aside, bytes).map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)
}
