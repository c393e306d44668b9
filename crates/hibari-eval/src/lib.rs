//! Measures: what a video shows (the judge), what a prompt asked for, and how far pictures are from pictures.
//!
//! What it is not: it trains nothing, renders nothing and generates nothing. Frames come in, figures go out.
//!
//! Reading list: [`Judge`] names the attributes of a video from a [`View`] of it, [`evaluate`] compares them with the
//! prompts, [`measures`] has the figures without a network, [`Summary`] prints all of them.

pub mod attributes;
pub mod judge;
pub mod measures;
pub mod summary;
pub mod view;

pub use attributes::{Clips, evaluate};
pub use judge::Judge;
pub use summary::{Bar, Row, Summary, Unit, Verdict};
pub use view::{View, clip_tensor};
