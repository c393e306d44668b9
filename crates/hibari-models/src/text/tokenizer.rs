//! Cuts text into the word pieces of BERT, lower case and without accents.

use std::ops::Range;

use crate::ModelError;

/// The pieces of one text, from `[CLS]` to `[SEP]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// Their numbers in the vocabulary.
    pub ids: Vec<u32>,
    /// The bytes of the text that each stands for; `0..0` for `[CLS]` and `[SEP]`.
    pub spans: Vec<Range<usize>>,
}

/// WordPiece, as BERT's uncased models use it.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    start: u32,
    end: u32,
}

/// Reads a `tokenizer.json` of at most `n_words` words; its settings for padding and truncation are left aside.
///
/// # Errors
/// why it cannot be used
pub(super) fn open(json: &[u8], n_words: usize) -> Result<tokenizers::Tokenizer, String> {
    let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
    inner.with_padding(None);
    inner.with_truncation(None).map_err(|error| error.to_string())?;
    fitting(inner, n_words)
}

/// A tokenizer, if it has at most `n_words` words.
///
/// # Errors
/// that it has more
pub(super) fn fitting(
    inner: tokenizers::Tokenizer,
    n_words: usize,
) -> Result<tokenizers::Tokenizer, String> {
    match inner.get_vocab_size(true) {
        found if found > n_words => Err(format!("{found} words, the table has {n_words}")),
        _ => Ok(inner),
    }
}

impl Tokenizer {
    /// Reads a `tokenizer.json`; its settings for padding and truncation are left aside.
    ///
    /// # Errors
    /// if it is not one, lacks a special token, or has more than `n_words` words
    pub fn from_json(json: &[u8], n_words: usize) -> Result<Self, ModelError> {
        let refused = |message: String| ModelError::Request {
            message: format!("the tokenizer in the weights cannot be used: {message}"),
            hint: "use weights that `reference/convert_minilm.py` wrote".into(),
        };
        let inner = open(json, n_words).map_err(refused)?;
        let special = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| refused(format!("it lacks `{token}`")))
        };
        special("[UNK]")?;
        let (start, end) = (special("[CLS]")?, special("[SEP]")?);
        Ok(Self { inner, start, end })
    }

    /// The pieces of `text`, at most `max_tokens` with `[CLS]` and `[SEP]`; what is left over is cut off its end.
    ///
    /// # Panics
    /// if `max_tokens` is below 2
    #[track_caller]
    pub fn pieces(&self, text: &str, max_tokens: usize) -> Pieces {
        assert!(max_tokens >= 2, "`{max_tokens}` tokens have no room for [CLS] and [SEP]");
        let encoding = self.inner.encode(text, false).expect("a word without pieces becomes [UNK]");
        let kept = encoding.len().min(max_tokens - 2);
        let ids = &encoding.get_ids()[..kept];
        let spans = encoding.get_offsets()[..kept].iter().map(|&(start, end)| start..end);
        Pieces {
            ids: [&[self.start], ids, &[self.end]].concat(),
            spans: std::iter::once(0..0).chain(spans).chain(std::iter::once(0..0)).collect(),
        }
    }
}
