//! Frozen text encoders: words to token states, and how near two texts are in meaning.
//!
//! Reading list: [`minilm`] is the network, [`tokenizer`] cuts text into word pieces, [`names`] finds the known name
//! that is nearest to an unknown word; open video models listen to [`umt5`], whose prompts
//! [`mod@clean`] cleans and [`unigram`] cuts.

pub mod clean;
pub mod minilm;
pub mod names;
pub mod tokenizer;
pub mod umt5;
pub mod unigram;

pub use minilm::{Encoded, MiniLm, similarity};
pub use names::Names;

#[cfg(test)]
mod tests;
