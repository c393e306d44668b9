//! Cuts text into the pieces of a unigram vocabulary, as UMT5 has one for all languages.
//!
//! Source: Kudo, "Subword regularization" (arXiv:1804.10959); the settings are in the model's `tokenizer.json`.

use super::tokenizer;
use super::vocabulary::Vocabulary;
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
        Self::of(tokenizer::open(json, n_words))
    }

    /// Makes one of the pieces in another file.
    ///
    /// # Errors
    /// as [`Self::from_json`]
    pub fn from_pieces(
        pieces: Result<Vocabulary, String>,
        n_words: usize,
    ) -> Result<Self, ModelError> {
        let inner = pieces.and_then(Vocabulary::tokenizer);
        Self::of(inner.and_then(|inner| tokenizer::fitting(inner, n_words)))
    }

    fn of(inner: Result<tokenizers::Tokenizer, String>) -> Result<Self, ModelError> {
        let refused = |message: String| ModelError::Request {
            message: format!("the tokenizer of the text encoder cannot be used: {message}"),
            hint: "take `tokenizer.json` from the folder that the text encoder is from".into(),
        };
        let inner = inner.map_err(refused)?;
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
    use std::collections::BTreeMap;

    use hibari_weights::MetaValue;

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

    const PIECES: &[u8] = include_bytes!("../../../../fixtures/wan/spiece.model");
    const JSON: &[u8] = include_bytes!("../../../../fixtures/wan/tokenizer.json");
    const TEXTS: &[u8] = include_bytes!("../../../../fixtures/wan/texts.json");

    #[derive(serde::Deserialize)]
    struct Text {
        text: String,
        ids: Vec<u32>,
    }

    /// The same pieces in all three forms cut texts as SentencePiece does.
    #[test]
    fn pieces_are_those_of_sentencepiece_wherever_they_come_from() {
        let own = Vocabulary::from_sentencepiece(PIECES).unwrap();
        assert_eq!((own.pieces.len(), own.unknown, own.has_bytes), (150, Some(3), false));
        let meta = metadata(&own);
        let from_gguf = Vocabulary::from_metadata(&|key| meta.get(key)).unwrap().unwrap();
        assert_eq!(from_gguf, own);
        let texts: Vec<Text> = serde_json::from_slice(TEXTS).unwrap();
        assert_eq!(texts.len(), 6);
        let forms = [
            Unigram::from_json(JSON, 150).unwrap(),
            Unigram::from_pieces(Ok(own), 150).unwrap(),
            Unigram::from_pieces(Ok(from_gguf), 150).unwrap(),
        ];
        for (form, tokenizer) in forms.iter().enumerate() {
            for Text { text, ids } in &texts {
                assert_eq!(tokenizer.ids(text, 512).unwrap(), *ids, "form {form}, `{text}`");
            }
        }
    }

    /// As llama.cpp writes a vocabulary.
    fn metadata(own: &Vocabulary) -> BTreeMap<String, MetaValue> {
        let kind = |idx: usize| match idx {
            3 => 2,
            0..3 => 3,
            _ => 1,
        };
        let numbers = |numbers: &mut dyn Iterator<Item = i128>| {
            MetaValue::List(numbers.map(MetaValue::Integer).collect())
        };
        let text = |(text, _): &(String, f64)| MetaValue::Text(text.clone());
        let rules = own.rules.iter().map(|&byte| i128::from(byte.cast_signed()));
        let entries = [
            ("model", MetaValue::Text("t5".into())),
            ("tokens", MetaValue::List(own.pieces.iter().map(text).collect())),
            ("scores", MetaValue::List(own.pieces.iter().map(|p| MetaValue::Float(p.1)).collect())),
            ("token_type", numbers(&mut (0..own.pieces.len()).map(kind))),
            ("precompiled_charsmap", numbers(&mut rules.into_iter())),
            ("add_space_prefix", MetaValue::Flag(true)),
        ];
        entries.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).into()
    }

    #[test]
    fn damaged_pieces_are_refused() {
        for len in [1, 7, 100, PIECES.len() - 1] {
            let cut = Vocabulary::from_sentencepiece(&PIECES[..len]);
            assert!(cut.is_err() || cut.unwrap().pieces.len() < 150, "{len}");
        }
        assert!(Vocabulary::from_sentencepiece(b"").unwrap_err().contains("no pieces"));
        assert!(Vocabulary::from_sentencepiece(b"PNG, or so").is_err());
        let mut meta = metadata(&Vocabulary::from_sentencepiece(PIECES).unwrap());
        meta.insert("tokenizer.ggml.scores".into(), MetaValue::List(Vec::new()));
        let error = Vocabulary::from_metadata(&|key| meta.get(key)).unwrap_err();
        assert!(error.contains("150 pieces, 0 scores"), "{error}");
        meta.insert("tokenizer.ggml.model".into(), MetaValue::Text("bert".into()));
        assert!(Vocabulary::from_metadata(&|key| meta.get(key)).unwrap_err().contains("bert"));
        assert_eq!(Vocabulary::from_metadata(&|_| None), Ok(None));
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
