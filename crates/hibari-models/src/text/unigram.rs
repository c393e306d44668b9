//! Cuts text into the pieces of a unigram vocabulary, as UMT5 has one for all languages.
//!
//! Source: Kudo, "Subword regularization" (arXiv:1804.10959); the settings are in the model's `tokenizer.json`.

use super::tokenizer;
use crate::ModelError;

const END: &str = "</s>";

/// A unigram tokenizer whose texts finish with an end token and have no token at their start.
pub struct Unigram {
    inner: tokenizers::Tokenizer,
    end: u32,
}

impl Unigram {
    /// Reads a `tokenizer.json`; its settings for padding and truncation are left aside.
    ///
    /// # Errors
    /// if it is not one, lacks the end token, or has more than `n_words` words
    pub fn from_json(json: &[u8], n_words: usize) -> Result<Self, ModelError> {
        let refused = |message: String| ModelError::Request {
            message: format!("the tokenizer of the text encoder cannot be used: {message}"),
            hint: "take `tokenizer.json` from the folder that the text encoder is from".into(),
        };
        let inner = tokenizer::open(json, n_words).map_err(refused)?;
        let end = inner.token_to_id(END).ok_or_else(|| refused(format!("it lacks `{END}`")))?;
        Ok(Self { inner, end })
    }

    /// The tokens of `text`, at most `max_tokens` with the end token; what is left over is cut off its end.
    ///
    /// # Errors
    /// if a sign has no piece and the vocabulary has no token for the unknown
    /// # Panics
    /// if `max_tokens` is 0
    #[track_caller]
    pub fn ids(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>, ModelError> {
        assert!(max_tokens > 0, "there is no room for {END}");
        let encoding = self.inner.encode(text, false).map_err(|error| ModelError::Request {
            message: format!("the prompt cannot be cut into tokens: {error}"),
            hint: "use a tokenizer with a token for unknown signs".into(),
        })?;
        let kept = encoding.len().min(max_tokens - 1);
        Ok([&encoding.get_ids()[..kept], &[self.end]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},
        "post_processor":null,"decoder":null,"model":{"type":"Unigram","unk_id":3,"byte_fallback":false,"vocab":
        [["<pad>",0],["</s>",0],["<s>",0],["<unk>",0],["▁",-3],["▁cat",-2],["▁ca",-4],["t",-4],["s",-3],["▁a",-2]]}}"#;

    #[test]
    fn the_likeliest_pieces_and_an_end() {
        let tokenizer = Unigram::from_json(TINY.as_bytes(), 10).unwrap();
        let ids = |text, max_tokens| tokenizer.ids(text, max_tokens).unwrap();
        assert_eq!(ids("a cats", 512), [9, 5, 8, 1]);
        assert_eq!(ids("a 猫", 512), [9, 4, 3, 1], "an unknown sign is a token");
        assert_eq!(ids("a cats", 3), [9, 5, 1], "the end stays");
        assert_eq!(ids("", 512), [1]);
    }

    #[test]
    fn unusable_tokenizers_are_refused() {
        let message = |json: &str, n_words| {
            Unigram::from_json(json.as_bytes(), n_words).err().expect("it is refused").to_string()
        };
        assert!(message("{", 10).contains("cannot be used"));
        assert!(message(TINY, 9).contains("10 words, the table has 9"));
        assert!(message(&TINY.replace("</s>", "<e>"), 10).contains("it lacks `</s>`"));
    }
}
