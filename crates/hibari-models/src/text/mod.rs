//! Frozen text encoders: words to token states, and how near two texts are in meaning.
//!
//! Reading list: [`minilm`] is the network, [`tokenizer`] cuts text into word pieces, [`names`] finds the known name
//! that is nearest to an unknown word; open video models listen to [`umt5`], whose prompts
//! [`mod@clean`] cleans and [`unigram`] cuts, with the pieces of a file of its own or of a [`vocabulary`].

pub mod clean;
pub mod minilm;
pub mod names;
pub mod tokenizer;
pub mod umt5;
pub mod unigram;
pub mod vocabulary;

pub use minilm::{Encoded, MiniLm, similarity};
pub use names::Names;

#[cfg(test)]
mod tests;
