//! Training data: worlds to clips, captions and latents, made once and kept in shards.
//!
//! Reading list: [`ClipPlan`] says which scripts, [`FrameSet`] keeps some of their frames, [`LatentSet`] their latents
//! and encoded captions; [`shards`] is how both are written and resumed.

mod error;
mod frames;
mod latents;
mod plan;
pub mod shards;

pub use error::DataError;
pub use frames::{FramePick, FrameSet};
pub use latents::{LatentItem, LatentMakers, LatentSet};
pub use plan::ClipPlan;
