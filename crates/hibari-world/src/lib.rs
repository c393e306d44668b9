//! The simulated world: scripts, timelines, a renderer, captions and exact truth.

pub mod script;
pub mod vocabulary;

pub use script::{Attributes, Member, Outfit, Role, Script, ScriptError, Shot};
