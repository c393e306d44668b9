//! The simulated world: scripts, timelines, a renderer, captions and exact truth.

pub mod grammar;
pub mod grounding;
pub mod random;
pub mod render;
pub mod sample;
pub mod script;
pub mod slots;
pub mod vocabulary;

pub use grammar::{Caption, Detail, Sentence, caption_words, word_id, word_spans};
pub use grounding::{Grounding, NearestWord, ground};
pub use sample::{ClipForm, Split};
pub use script::{Attributes, Member, Outfit, Role, Script, ScriptError, Shot};
