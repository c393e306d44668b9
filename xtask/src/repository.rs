//! The repository as rules see it: manifests, sources without comments and tests, the lock file, the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Everything the rules look at.
#[derive(Default)]
pub(crate) struct Repository {
    /// Path from the root, with `/`, and content of each Rust file.
    pub(crate) sources: Vec<(String, String)>,
    /// Manifests of our crates, by name without `hibari-`.
    pub(crate) manifests: BTreeMap<String, toml::Table>,
    /// What each locked package uses directly; by name, versions joined.
    pub(crate) locked: BTreeMap<String, BTreeSet<String>>,
    /// Bytes under `weights/`.
    pub(crate) weights_bytes: u64,
}

impl Repository {
    /// Reads the repository at `root`.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut found = Self::default();
        let mut paths = Vec::new();
        for folder in ["crates", "xtask"] {
            walk(&root.join(folder), &mut paths)?;
        }
        for path in &paths {
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            if name.ends_with(".rs") {
                found.sources.push((name, read(path)?));
            } else if let Some(folder) = name.strip_suffix("/Cargo.toml") {
                let krate = folder.rsplit('/').next().unwrap_or(folder);
                let table = read(path)?.parse().with_context(|| format!("`{name}`"))?;
                found.manifests.insert(krate.trim_start_matches("hibari-").to_owned(), table);
            }
        }
        found.locked = locked_edges(&read(&root.join("Cargo.lock"))?.parse()?);
        let mut weights = Vec::new();
        walk(&root.join("weights"), &mut weights)?;
        for path in weights {
            found.weights_bytes += fs::metadata(path)?.len();
        }
        Ok(found)
    }

    /// Library and binary code, comments and unit tests taken out.
    pub(crate) fn code(&self) -> impl Iterator<Item = (&str, String)> {
        let in_src = |name: &str| name.starts_with("crates/") && name.contains("/src/");
        let is_test = |name: &str| name.ends_with("/tests.rs") || name.contains("/tests/");
        self.sources
            .iter()
            .filter(move |(name, _)| in_src(name) && !is_test(name))
            .map(|(name, text)| (name.as_str(), code_of(text)))
    }
}

/// The lines that are code: without line comments, up to the inline test module, which comes last in a file.
pub(crate) fn code_of(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = body.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Names of packages and what they use.
pub(crate) fn locked_edges(lock: &toml::Table) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock.get("package").and_then(toml::Value::as_array).into_iter().flatten() {
        let Some(name) = package.get("name").and_then(toml::Value::as_str) else { continue };
        let uses =
            package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        let uses = uses.filter_map(toml::Value::as_str).filter_map(|entry| entry.split(' ').next());
        edges.entry(name.to_owned()).or_default().extend(uses.map(str::to_owned));
    }
    edges
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// All files below `folder`, in order of name; none if it is not there.
fn walk(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
