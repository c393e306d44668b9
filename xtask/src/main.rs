//! Repository chores: `cargo xtask tidy` checks the invariants of ARCHITECTURE.md.

mod edges;
mod repository;
mod tidy;

use std::path::Path;

use anyhow::{Context, Result, bail};

#[expect(clippy::print_stderr, reason = "a command-line tool")]
fn main() -> Result<()> {
    let verb = std::env::args().nth(1);
    if verb.as_deref() != Some("tidy") {
        bail!("usage: cargo xtask tidy");
    }
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let repository = repository::Repository::read(root)?;
    let mut count = 0;
    for (name, rule) in tidy::RULES {
        for violation in rule(&repository) {
            eprintln!("{name}: {violation}");
            count += 1;
        }
    }
    if count > 0 {
        bail!("{count} violations");
    }
    eprintln!("tidy: {} rules hold over {} files", tidy::RULES.len(), repository.sources.len());
    Ok(())
}
