//! The invariants of ARCHITECTURE.md as rules; each returns what breaks it, in words.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::edges::row_of;
use crate::repository::{Repository, code_of};

/// A rule: the violations it finds.
pub(crate) type Rule = fn(&Repository) -> Vec<String>;

/// All rules.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("edges", edges),
    ("burn-closure", burn_closure),
    ("versions-at-root", versions_at_root),
    ("anyhow", anyhow_in_binaries),
    ("diffusion-and-models", diffusion_and_models),
    ("siblings", siblings),
    ("only-cli", only_cli),
    ("async", no_async),
    ("unsafe", unsafe_code),
    ("features", features),
    ("autodiff-overrides", autodiff_overrides),
    ("headers", headers),
    ("ignored", ignored),
    ("weights-size", weights_size),
];

const FAMILIES: [&str; 3] = ["lark", "wan", "ltx"];
const WEIGHTS_LIMIT_BYTES: u64 = 60_000_000;

/// Every dependency table of a manifest, and its entries.
fn dependencies(manifest: &toml::Table) -> Vec<(String, &toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = std::iter::once(manifest)
        .chain(targets.into_iter().flat_map(|all| all.values()).filter_map(toml::Value::as_table));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(|entries| entries.iter().map(|(name, value)| (name.clone(), value)))
        .collect()
}

fn edges(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (krate, manifest) in repository.manifests.iter().filter(|(krate, _)| *krate != "xtask") {
        let Some(row) = row_of(krate) else {
            found.push(format!("`{krate}` is not in the table"));
            continue;
        };
        for (name, _) in dependencies(manifest) {
            if let Some(used) = name.strip_prefix("hibari-")
                && !row.may_use.contains(&used)
            {
                found.push(format!("`{krate}` may not use `{used}`"));
            }
        }
    }
    found
}

fn burn_closure(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for krate in repository.manifests.keys() {
        if row_of(krate).is_none_or(|row| row.may_use_burn) {
            continue;
        }
        let (mut seen, mut open) = (BTreeSet::new(), vec![format!("hibari-{krate}")]);
        while let Some(name) = open.pop() {
            if name == "burn" || name.starts_with("burn-") {
                found.push(format!("`{krate}` has `{name}` in its closure"));
            } else if seen.insert(name.clone()) {
                open.extend(repository.locked.get(&name).into_iter().flatten().cloned());
            }
        }
    }
    found
}

fn versions_at_root(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (krate, manifest) in &repository.manifests {
        for (name, value) in dependencies(manifest) {
            let is_inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !is_inherited || (name == "burn" && value.get("features").is_some()) {
                found.push(format!("`{krate}` sets the version or features of `{name}`"));
            }
        }
    }
    found
}

fn anyhow_in_binaries(repository: &Repository) -> Vec<String> {
    let libraries = repository
        .manifests
        .iter()
        .filter(|(krate, _)| !["cli", "xtask"].contains(&krate.as_str()));
    libraries
        .filter(|(_, manifest)| dependencies(manifest).iter().any(|(name, _)| name == "anyhow"))
        .map(|(krate, _)| format!("`{krate}` is a library and uses `anyhow`"))
        .collect()
}

fn diffusion_and_models(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (name, code) in repository.code() {
        if name.starts_with("crates/hibari-diffusion/") {
            let families =
                words(&code).filter(|word| FAMILIES.contains(&word.to_lowercase().as_str()));
            found.extend(families.map(|family| format!("`{name}` names the family `{family}`")));
        }
        if name.starts_with("crates/hibari-models/") {
            for rest in code.split("hibari_diffusion::").skip(1) {
                let used = rest.strip_prefix('{').and_then(|list| list.split('}').next());
                let used = used.unwrap_or_else(|| words(rest).next().unwrap_or(""));
                let types = ["Latent", "Sigma", "Method", "self", "as"];
                let others = words(used).filter(|word| !types.contains(word));
                found.extend(others.map(|other| format!("`{name}` uses `{other}` of diffusion")));
            }
        }
    }
    found
}

fn siblings(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (name, code) in repository.code() {
        let Some(path) = name.strip_prefix("crates/hibari-models/src/") else { continue };
        let own = path.split(['/', '.']).next().unwrap_or("");
        let is_shared = own == "layers" || own == "text";
        if !FAMILIES.contains(&own) && !is_shared {
            continue;
        }
        for family in FAMILIES.iter().filter(|family| **family != own) {
            let nested = ["crate::", "super::", "hibari_models::"]
                .iter()
                .any(|from| code.contains(&format!("{from}{family}::")));
            if nested {
                found.push(format!("`{name}` imports `{family}`"));
            }
        }
    }
    found
}

fn only_cli(repository: &Repository) -> Vec<String> {
    let forbidden = [
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        "dbg!",
        "env::args",
        "env::var",
        "tracing_subscriber",
        "io::stdout",
        "io::stderr",
        "io::stdin",
        "process::exit",
    ];
    let mut found = Vec::new();
    for (name, code) in
        repository.code().filter(|(name, _)| !name.starts_with("crates/hibari-cli/"))
    {
        found.extend(
            forbidden
                .iter()
                .filter(|word| code.contains(**word))
                .map(|word| format!("`{name}` has `{word}`")),
        );
    }
    found
}

fn no_async(repository: &Repository) -> Vec<String> {
    let allowed = [
        "crates/hibari-cli/",
        "crates/hibari-jobs/",
        "crates/hibari-server/",
        "crates/hibari-worker/",
    ];
    let inside = |name: &str| allowed.iter().any(|start| name.starts_with(start));
    repository
        .code()
        .filter(|(name, code)| {
            !inside(name)
                && (code.contains("async fn")
                    || code.contains("async move")
                    || code.contains(".await"))
        })
        .map(|(name, _)| format!("`{name}` is async"))
        .collect()
}

fn unsafe_code(repository: &Repository) -> Vec<String> {
    let allowed = |name: &str| {
        name.starts_with("crates/hibari-kernels/") || name == "crates/hibari-weights/src/index.rs"
    };
    let in_crates =
        repository.sources.iter().filter(|(name, _)| name.starts_with("crates/") && !allowed(name));
    in_crates
        .filter(|(_, text)| {
            let code = code_of(text);
            words(&code).any(|word| word == "unsafe" || word == "unsafe_code")
        })
        .map(|(name, _)| format!("`{name}` has unsafe code"))
        .collect()
}

fn features(repository: &Repository) -> Vec<String> {
    let others = repository
        .manifests
        .iter()
        .filter(|(krate, _)| !["ops", "collective", "cli"].contains(&krate.as_str()));
    others
        .filter(|(_, manifest)| manifest.contains_key("features"))
        .map(|(krate, _)| format!("`{krate}` has features"))
        .collect()
}

/// What an op's `flex.rs` overrides, its `autodiff.rs` must override too, or training runs the slow body. Gradients are
/// exempt (`*_backward`, and `*_dx`, `*_dw` by operand): a backward pass calls them on the backend below autodiff.
fn autodiff_overrides(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in &repository.sources {
        let Some(folder) = name
            .strip_suffix("/flex.rs")
            .filter(|folder| folder.starts_with("crates/hibari-ops/src/"))
        else {
            continue;
        };
        let beside = format!("{folder}/autodiff.rs");
        let autodiff = repository
            .sources
            .iter()
            .find(|(name, _)| *name == beside)
            .map_or("", |(_, text)| text);
        for function in overrides(text).into_iter().filter(|function| !is_gradient(function)) {
            if !autodiff.contains(&format!("fn {function}(")) {
                found.push(format!("`{name}` overrides `{function}`, `{beside}` does not"));
            }
        }
    }
    found
}

fn is_gradient(function: &str) -> bool {
    ["_backward", "_dx", "_dw"].iter().any(|ending| function.ends_with(ending))
}

/// Functions of the blocks `impl .. for Flex`.
fn overrides(text: &str) -> Vec<String> {
    let blocks = text
        .split("\nimpl ")
        .skip(1)
        .filter(|block| block.lines().next().is_some_and(|line| line.contains(" for Flex")));
    let bodies = blocks.map(|block| block.split("\n}").next().unwrap_or(block));
    let names =
        bodies.flat_map(|body| body.lines()).filter_map(|line| line.strip_prefix("    fn "));
    names.filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned)).collect()
}

fn headers(repository: &Repository) -> Vec<String> {
    let bare = repository.sources.iter().filter(|(_, text)| !text.starts_with("//!"));
    bare.map(|(name, _)| format!("`{name}` does not start with `//!`")).collect()
}

fn ignored(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in repository.sources.iter().filter(|(name, _)| name.starts_with("crates/")) {
        let is_bad = |line: &str| {
            let line = line.trim_start();
            let doc = line
                .strip_prefix("///")
                .or_else(|| line.strip_prefix("//!"))
                .unwrap_or("")
                .trim_start();
            line.starts_with("#[ignore")
                || doc.starts_with("```ignore")
                || doc.starts_with("```rust,ignore")
        };
        if text.lines().any(is_bad) {
            found.push(format!("`{name}` has an ignored test or example"));
        }
    }
    found
}

fn weights_size(repository: &Repository) -> Vec<String> {
    let bytes = repository.weights_bytes;
    if bytes <= WEIGHTS_LIMIT_BYTES {
        Vec::new()
    } else {
        vec![format!("weights/ holds {bytes} bytes, over {WEIGHTS_LIMIT_BYTES}")]
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}
