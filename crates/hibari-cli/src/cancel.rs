//! Ctrl-C as a flag that long work looks at between its steps.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

static IS_CANCELED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (or a termination signal) sets the flag instead of ending the process.
pub(crate) fn install() -> Result<(), Failure> {
    ctrlc::set_handler(|| IS_CANCELED.store(true, Ordering::Relaxed))
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
