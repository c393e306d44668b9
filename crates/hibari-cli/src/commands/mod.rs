//! The verbs, one file each: its arguments, and what it does.

pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod generate;
mod making;
pub(crate) mod model;
pub(crate) mod resume;
pub(crate) mod train;
pub(crate) mod work;
pub(crate) mod world;
