//! The known name that is nearest in meaning to a word.

use super::minilm::{MAX_TOKENS, MiniLm, similarity};

/// Below this cosine two words are not taken for the same thing.
///
/// Against the 45 names of the first world, of 53 words that mean one of them 22 found it, 2 found another and 29 none;
/// of 50 words that mean none (`volcano`, `piano`), `cat` and `rain` found one. 0.6 gives 24, 3 and 26, and 4; bare
/// words without [`in_context`] are best at 0.55, with 19, 4 and 30, and 5.
pub const THRESHOLD: f32 = 0.65;

/// Known names, encoded once.
pub struct Names {
    /// Each with its pooled vector.
    entries: Vec<(String, Vec<f32>)>,
}

impl Names {
    /// Encodes the names.
    pub fn new(encoder: &MiniLm, names: &[&str]) -> Self {
        let texts: Vec<String> = names.iter().map(|name| in_context(name)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = encoder.encode(&texts, MAX_TOKENS);
        let entries =
            names.iter().zip(encoded).map(|(&name, text)| (name.to_owned(), text.pooled()));
        Self { entries: entries.collect() }
    }

    /// The name nearest to `word`, and their cosine, if that is at least [`THRESHOLD`]; of equals the first.
    pub fn nearest(&self, encoder: &MiniLm, word: &str) -> Option<(&str, f32)> {
        let vector = encoder.pooled(&in_context(word));
        let mut best: Option<(&str, f32)> = None;
        for (name, known) in &self.entries {
            let cosine = similarity(&vector, known);
            if cosine >= THRESHOLD && best.is_none_or(|(_, found)| cosine > found) {
                best = Some((name, cosine));
            }
        }
        best
    }
}

/// The encoder was trained on sentences; a bare word means less to it.
fn in_context(word: &str) -> String {
    format!("a picture of {word}")
}
