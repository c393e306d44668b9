//! Frozen text encoders: words to token states, and how near two texts are in meaning.
//!
//! Reading list: [`minilm`] is the network, [`tokenizer`] cuts text into word pieces, [`names`] finds the known name
//! that is nearest to an unknown word.

mod gelu;
pub mod minilm;
pub mod names;
pub mod tokenizer;

pub use minilm::{Encoded, MiniLm, similarity};
pub use names::Names;

#[cfg(test)]
mod tests;
