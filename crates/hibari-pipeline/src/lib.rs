//! Prompt to frames: what was asked, what the world understands of it, the one generation loop, the table of families.
//!
//! What it is not: it writes no video, prints nothing and knows no family's insides. Read in this order: [`request`],
//! [`prompt`], [`families`], [`state`], [`generate`].

pub mod error;
pub mod families;
pub mod generate;
mod given;
pub mod memory;
mod picture;
mod pixels;
pub mod prompt;
pub mod request;
pub mod state;

pub use error::PipelineError;
pub use families::{
    FAMILIES, Family, Generator, ShotText, Shown, Source, Told, hub_id, inspect, load,
};
pub use generate::{Clip, Pixels, Progress, StageSecs, generate, resume};
pub use memory::{Gauge, MemoryPlan};
pub use prompt::{Understood, mix_of};
pub use request::{ModelFiles, Request};
pub use state::{Made, Means, State};
