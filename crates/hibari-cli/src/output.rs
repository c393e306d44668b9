//! All that the user reads: data on stdout, all else on stderr.

#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// How talkative to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Only data and failures.
    pub(crate) is_quiet: bool,
}

impl Output {
    /// A line for the user.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        eprintln!("error: {}\nhint: {}", failure.message, failure.hint);
    }

    /// Text for the next program.
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::internal(format!("cannot write to stdout: {error}")))
            }
            _ => Ok(()), // a reader that went away has read enough
        }
    }

    /// A value for the next program, as one line of JSON.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        self.data(&serde_json::to_string(value).expect("plain values serialise"))
    }

    /// A progress bar with the time left, shown on a terminal once the work has lasted a while.
    pub(crate) fn bar(self, what: &'static str) -> Bar {
        let style = "{msg:>9} [{bar:32}] {pos}/{len}, {eta} left";
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(ProgressStyle::with_template(style).expect("a valid template"))
            .with_message(what);
        Bar { bar, start: Instant::now(), is_hidden: self.is_quiet }
    }
}

/// A progress bar; gone when dropped.
pub(crate) struct Bar {
    bar: ProgressBar,
    start: Instant,
    is_hidden: bool,
}

impl Bar {
    /// Shows that `done` of `of` is done.
    pub(crate) fn set(&self, done: usize, of: usize) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        if !self.is_hidden && self.bar.is_hidden() && self.start.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
