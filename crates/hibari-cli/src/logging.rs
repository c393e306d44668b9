//! The subscriber of trace events: warnings by default, more with `-v`, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Installs it; `verbose` counts the `-v`.
pub(crate) fn install(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "debug",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("warn,hibari={level}"))) // of all our crates
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .init();
}
