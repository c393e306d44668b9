//! A text as the transformer takes it: the text encoder's token states, and for each the caption word that it is part of.
//!
//! The text encoder binds colours to nouns weakly; the learned embedding of the whole word tells them apart. Row 0 of that
//! embedding is the empty text, row 1 every word that captions do not use, then the caption words in their order.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::text::{Encoded, MiniLm, minilm::WIDTH};

/// Rows of the word embedding before the first caption word.
pub const FIRST_WORD: usize = 2;
/// Tokens of the longest text; what is beyond is cut off.
pub const MAX_TOKENS: usize = 160;
/// Lengths of batches are multiples of this: a GPU compiles code for each shape that it meets.
const LENGTHS: usize = 8;
const EMPTY: u32 = 0;
const OTHER: u32 = 1;

/// One encoded text.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedText {
    /// `[L, 384]`, row-major.
    pub states: Vec<f32>,
    /// `[L]`: rows of the word embedding.
    pub words: Vec<u32>,
}

/// Texts of a batch, padded to one length.
#[derive(Clone, Debug)]
pub struct TextBatch {
    /// `[B, L, 384]`.
    pub(super) states: Tensor<3>,
    /// `[B * L]`.
    pub(super) words: Tensor<1, Int>,
    /// Valid tokens of each text.
    pub(super) lens: Vec<usize>,
}

/// The caption words, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl EncodedText {
    /// The text that says nothing: what guidance contrasts with.
    pub fn empty() -> Self {
        Self { states: vec![0.0; WIDTH], words: vec![EMPTY] }
    }
}

impl TextBatch {
    /// Pads the texts to the longest, and that to a multiple of [`LENGTHS`].
    ///
    /// # Panics
    /// if there is no text
    pub fn new(texts: &[&EncodedText], device: &Device) -> Self {
        let lens: Vec<usize> = texts.iter().map(|text| text.words.len()).collect();
        let len = lens.iter().copied().max().expect("a batch has a text").next_multiple_of(LENGTHS);
        let mut states = vec![0.0; texts.len() * len * WIDTH];
        let mut words = vec![i64::from(EMPTY); texts.len() * len];
        for (i, text) in texts.iter().enumerate() {
            let at = i * len * WIDTH;
            states[at..at + text.states.len()].copy_from_slice(&text.states);
            for (to, from) in words[i * len..].iter_mut().zip(&text.words) {
                *to = i64::from(*from);
            }
        }
        let n = words.len();
        Self {
            states: Tensor::from_data(TensorData::new(states, [texts.len(), len, WIDTH]), device),
            words: Tensor::from_data(TensorData::new(words, [n]), device),
            lens,
        }
    }
}

impl Words {
    /// From caption words.
    ///
    /// # Panics
    /// if they are not sorted: rows are found by bisection
    #[track_caller]
    pub fn new(words: Vec<String>) -> Self {
        assert!(words.is_sorted(), "caption words out of order");
        Self(words)
    }

    /// The caption words.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether a word, in lower case, has a row of its own.
    pub fn holds(&self, word: &str) -> bool {
        self.find(word).is_some()
    }

    fn find(&self, word: &str) -> Option<usize> {
        self.0.binary_search_by(|known| known.as_str().cmp(word)).ok()
    }

    /// Rows of the word embedding.
    pub fn rows(&self) -> usize {
        FIRST_WORD + self.0.len()
    }

    /// The row of the word around the bytes `span` of `text`; marks of the text encoder have no bytes and no word.
    fn row(&self, text: &str, span: Range<usize>) -> u32 {
        let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '\'';
        if !text[span.clone()].starts_with(is_word) {
            return OTHER;
        }
        let ahead = text[span.start..].find(|c| !is_word(c));
        let end = ahead.map_or(text.len(), |len| span.start + len);
        let behind = text[..span.start].rfind(|c| !is_word(c));
        let start = behind.map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
        let word = text[start..end].to_lowercase();
        self.find(&word).map_or(OTHER, |at| (FIRST_WORD + at) as u32)
    }

    /// Encodes texts with the frozen text encoder; an empty text becomes [`EncodedText::empty`].
    pub fn encode(&self, texts: &[&str], encoder: &MiniLm) -> Vec<EncodedText> {
        let encoded = encoder.encode(texts, MAX_TOKENS);
        let join = |(text, encoded): (&&str, Encoded)| {
            if text.trim().is_empty() {
                return EncodedText::empty();
            }
            let words = encoded.spans.into_iter().map(|span| self.row(text, span)).collect();
            EncodedText { states: encoded.states, words }
        };
        texts.iter().zip(encoded).map(join).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_find_their_words() {
        let words = Words::new(["a", "dog", "red", "t-shirt"].map(String::from).to_vec());
        let text = "A red t-shirt, and dogs";
        let row = |from: usize, to: usize| words.row(text, from..to);
        assert_eq!([row(0, 1), row(2, 5), row(6, 7), row(8, 13)], [2, 4, 5, 5]);
        assert_eq!(row(19, 22), OTHER, "`dogs` is not `dog`");
        assert_eq!(row(13, 14), OTHER, "a comma is no word");
        assert_eq!(row(0, 0), OTHER, "a mark is no word");
        assert_eq!(words.rows(), 6);
        assert!(words.holds("red") && !words.holds("dogs"));
    }
}
