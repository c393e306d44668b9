//! The pieces of a unigram vocabulary, from where files of text encoders keep them: SentencePiece's own file, which ComfyUI
//! puts into a tensor, or the metadata of a GGUF file.
//!
//! Source: SentencePiece, `src/sentencepiece_model.proto`; llama.cpp, `gguf-py/gguf/constants.py`, for the keys

use hibari_weights::MetaValue;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::precompiled::Precompiled;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{NormalizerWrapper, Replace, Sequence, Strip};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};

/// What stands for a blank in pieces.
const BLANK: char = '▁';
/// The kind of a piece that stands for one byte, in both sources.
const BYTE: u64 = 6;
/// The kind of the piece for unknown signs, in both sources.
const UNKNOWN: u64 = 2;

/// Pieces, and how a text is prepared for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vocabulary {
    /// Pieces and the logarithms of their probabilities, in the order of their numbers.
    pub pieces: Vec<(String, f64)>,
    /// The number of the piece for unknown signs.
    pub unknown: Option<usize>,
    /// Whether unknown signs become bytes, which then are pieces.
    pub has_bytes: bool,
    /// Rules of normalisation, as SentencePiece compiles them; none if empty.
    pub rules: Vec<u8>,
    /// Whether a blank is put before a text.
    pub begins_with_blank: bool,
    /// Whether blanks at the end go, and several become one.
    pub squeezes_blanks: bool,
}

impl Vocabulary {
    /// Reads SentencePiece's own file.
    ///
    /// # Errors
    /// what is wrong with it
    pub fn from_sentencepiece(model: &[u8]) -> Result<Self, String> {
        let mut vocabulary =
            Self { begins_with_blank: true, squeezes_blanks: true, ..Self::default() };
        for field in fields(model) {
            match field? {
                (1, Field::Bytes(piece)) => vocabulary.add_piece(piece)?,
                (2, Field::Bytes(trainer)) => check_kind(trainer)?,
                (3, Field::Bytes(normalizer)) => vocabulary.add_rules(normalizer)?,
                _ => {}
            }
        }
        vocabulary.checked()
    }

    fn add_piece(&mut self, piece: &[u8]) -> Result<(), String> {
        let (mut text, mut score, mut kind) = (String::new(), 0.0, 1);
        for field in fields(piece) {
            match field? {
                (1, Field::Bytes(bytes)) => {
                    let own = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
                    own.clone_into(&mut text);
                }
                (2, Field::Word(bytes)) => score = f32::from_le_bytes(bytes).into(),
                (3, Field::Number(number)) => kind = number,
                _ => {}
            }
        }
        self.add(text, score, kind);
        Ok(())
    }

    fn add_rules(&mut self, normalizer: &[u8]) -> Result<(), String> {
        for field in fields(normalizer) {
            match field? {
                (2, Field::Bytes(rules)) => self.rules = rules.to_vec(),
                (3, Field::Number(flag)) => self.begins_with_blank = flag != 0,
                (4, Field::Number(flag)) => self.squeezes_blanks = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes it out of the metadata of a GGUF file; nothing if there is none.
    ///
    /// # Errors
    /// what is wrong with it
    pub fn from_metadata<'m>(
        metadata: &dyn Fn(&str) -> Option<&'m MetaValue>,
    ) -> Result<Option<Self>, String> {
        let value = |key: &str| metadata(&format!("tokenizer.ggml.{key}"));
        let Some(tokens) = value("tokens") else { return Ok(None) };
        match value("model") {
            Some(MetaValue::Text(kind)) if kind == "t5" => {}
            other => return Err(format!("its kind is `{other:?}`, not `t5`")),
        }
        let list = |key: &str| match value(key).map(|value| (value.as_list(), value)) {
            Some((Some(list), _)) => Ok(list),
            Some((None, other)) => Err(format!("its `{key}` is no list but `{other:?}`")),
            None => Ok(&[][..]),
        };
        let flag = |key: &str| match value(key) {
            Some(MetaValue::Flag(flag)) => *flag,
            _ => true,
        };
        let tokens = tokens.as_list().ok_or("its `tokens` are no list")?;
        let (scores, kinds) = (list("scores")?, list("token_type")?);
        if scores.len() != tokens.len() || !kinds.is_empty() && kinds.len() != tokens.len() {
            let (n, scores) = (tokens.len(), scores.len());
            return Err(format!("it has {n} pieces, {scores} scores, {} kinds", kinds.len()));
        }
        let byte = |value: &MetaValue| match value {
            // Some programs write bytes with a sign.
            MetaValue::Integer(byte @ -128..=255) => Ok(*byte as u8),
            other => Err(format!("`{other:?}` is no byte of rules")),
        };
        let mut vocabulary = Self {
            rules: list("precompiled_charsmap")?.iter().map(byte).collect::<Result<_, _>>()?,
            begins_with_blank: flag("add_space_prefix"),
            squeezes_blanks: flag("remove_extra_whitespaces"),
            ..Self::default()
        };
        for (idx, (token, score)) in tokens.iter().zip(scores).enumerate() {
            let (MetaValue::Text(text), MetaValue::Float(score)) = (token, score) else {
                return Err(format!("piece {idx} is `{token:?}` with the score `{score:?}`"));
            };
            let kind = kinds.get(idx).and_then(MetaValue::as_u64).unwrap_or(1);
            vocabulary.add(text.clone(), *score, kind);
        }
        let unknown = value("unknown_token_id").and_then(MetaValue::as_u64);
        vocabulary.unknown = unknown.map(|id| id as usize).or(vocabulary.unknown);
        vocabulary.checked().map(Some)
    }

    fn add(&mut self, text: String, score: f64, kind: u64) {
        if kind == UNKNOWN {
            self.unknown = Some(self.pieces.len());
        }
        self.has_bytes |= kind == BYTE;
        self.pieces.push((text, score));
    }

    fn checked(self) -> Result<Self, String> {
        match self.unknown {
            _ if self.pieces.is_empty() => Err("it has no pieces".into()),
            Some(unknown) if unknown >= self.pieces.len() => {
                Err(format!("its piece {unknown} for unknown signs is missing"))
            }
            _ => Ok(self),
        }
    }

    /// The tokenizer that cuts texts into these pieces, as transformers makes one of the same file.
    ///
    /// # Errors
    /// what is wrong with the pieces or the rules
    pub(super) fn tokenizer(self) -> Result<tokenizers::Tokenizer, String> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
        let model = Unigram::from(self.pieces, self.unknown, self.has_bytes).map_err(wrong)?;
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        if !self.rules.is_empty() {
            let rules = Precompiled::from(&self.rules);
            steps.push(rules.map_err(|error| format!("its rules: {error}"))?.into());
        }
        if self.squeezes_blanks {
            steps.push(Strip::new(false, true).into());
            let blanks = ReplacePattern::Regex(" {2,}".into());
            steps.push(Replace::new(blanks, BLANK.to_string()).map_err(wrong)?.into());
        }
        let first =
            if self.begins_with_blank { PrependScheme::Always } else { PrependScheme::Never };
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        tokenizer.with_normalizer(Some(Sequence::new(steps))).map_err(wrong)?;
        tokenizer.with_pre_tokenizer(Some(Metaspace::new(BLANK, first, true)));
        Ok(tokenizer)
    }
}

/// Refuses vocabularies of another kind than unigrams, 1.
fn check_kind(trainer: &[u8]) -> Result<(), String> {
    for field in fields(trainer) {
        if let (3, Field::Number(kind)) = field?
            && kind != 1
        {
            return Err(format!("its pieces are of kind {kind}, not unigrams"));
        }
    }
    Ok(())
}

/// A value of a message of Protocol Buffers.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Word([u8; 4]),
    Long,
}

/// The fields of a message and their numbers; stops at the first that is cut short.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), String>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = field(&mut rest);
        if found.is_none() {
            rest = &[];
        }
        Some(found.ok_or_else(|| "it is cut short or no SentencePiece model".to_owned()))
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Field::Number(varint(rest)?),
        1 => {
            rest.split_off(..8)?;
            Field::Long
        }
        2 => {
            let len = usize::try_from(varint(rest)?).ok()?;
            Field::Bytes(rest.split_off(..len)?)
        }
        5 => Field::Word(rest.split_off(..4)?.try_into().ok()?),
        _ => return None,
    };
    Some((key >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
