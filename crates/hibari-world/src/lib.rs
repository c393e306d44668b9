//! The simulated world: scripts, timelines, a renderer, captions and exact truth.

pub mod clip;
pub mod export;
mod figures;
pub mod grammar;
pub mod grounding;
mod places;
pub mod random;
pub mod render;
pub mod sample;
pub mod script;
pub mod slots;
pub mod timeline;
pub mod truth;
pub mod vocabulary;

pub use clip::ClipRenderer;
pub use grammar::{
    Caption, Detail, Sentence, caption_words, caption_words_of, mix_of_words, word_id, word_spans,
};
pub use grounding::{Grounding, NearestWord, ground, ground_in};
pub use sample::{ClipForm, Split};
pub use script::{Attributes, Member, Outfit, Role, Script, ScriptError, Shot};
pub use timeline::{EntityState, Event, Happening, Timeline};
pub use truth::{FrameState, FrameTruth};
pub use vocabulary::Mix;
