//! Prompt to frames: what was asked, what the world understands of it, the one generation loop, the table of families.
//!
//! What it is not: it writes no video, prints nothing and knows no family's insides. Read in this order: [`request`],
//! [`prompt`], [`families`], [`latents`], [`generate`].

pub mod error;
pub mod families;
pub mod generate;
mod given;
pub mod latents;
mod pixels;
pub mod prompt;
pub mod request;

pub use error::PipelineError;
pub use families::{FAMILIES, Family, Generator, Source, Told, load};
pub use generate::{Clip, Pixels, Progress, StageSecs, decode, generate};
pub use latents::{Latents, Made};
pub use prompt::Understood;
pub use request::Request;
