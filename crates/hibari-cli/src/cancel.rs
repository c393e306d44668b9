//! Ctrl-C as a flag that long work looks at between its steps.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{CANCELED, Failure};

static IS_CANCELED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (or a termination signal) sets the flag instead of ending the process; the second time it ends it,
/// as a step of a large model takes minutes.
#[expect(clippy::exit, reason = "the one way out while a step is computed")]
pub(crate) fn install() -> Result<(), Failure> {
    let set = || {
        if IS_CANCELED.swap(true, Ordering::Relaxed) {
            std::process::exit(CANCELED.into());
        }
    };
    ctrlc::set_handler(set)
        .map_err(|error| Failure::internal(format!("Ctrl-C cannot be handled: {error}")))
}

/// Whether to go on.
pub(crate) fn flow() -> ControlFlow<()> {
    if IS_CANCELED.load(Ordering::Relaxed) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// A failure, if Ctrl-C was pressed.
pub(crate) fn check() -> Result<(), Failure> {
    if flow().is_break() { Err(Failure::canceled()) } else { Ok(()) }
}
