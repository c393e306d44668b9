//! Parity with the original library, and properties that its users count on.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hibari_weights::WeightIndex;

use super::minilm::{Encoded, MAX_TOKENS, MiniLm, WIDTH, similarity};
use super::names::Names;
use super::tokenizer::Tokenizer;

/// Largest error against the largest value of the text's states.
const F32: f32 = 1e-4;
/// Texts in the fixture.
const N_TEXTS: usize = 6;

static ENCODER: LazyLock<MiniLm> =
    LazyLock::new(|| MiniLm::load(&open("weights/minilm.safetensors")).unwrap());

fn open(name: &str) -> WeightIndex {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    WeightIndex::open(&root.join(name)).unwrap()
}

fn fixture_texts(fixture: &WeightIndex) -> Vec<String> {
    (0..N_TEXTS)
        .map(|idx| {
            String::from_utf8(fixture.bytes(&format!("{idx}.text")).unwrap().to_vec()).unwrap()
        })
        .collect()
}

fn encode(text: &str) -> Encoded {
    ENCODER.encode(&[text], MAX_TOKENS).remove(0)
}

/// Largest difference, over the largest value.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0_f32, f32::max) / largest
}

#[test]
fn ids_and_states_match_the_original_library() {
    let fixture = open("fixtures/minilm.safetensors");
    let texts = fixture_texts(&fixture);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (idx, encoded) in ENCODER.encode(&texts, MAX_TOKENS).iter().enumerate() {
        assert_eq!(encoded.ids, fixture.tensor_u32(&format!("{idx}.ids")).unwrap(), "text {idx}");
        let probes = fixture.tensor_u32(&format!("{idx}.probes")).unwrap();
        let states: Vec<f32> = probes
            .iter()
            .flat_map(|&token| &encoded.states[token as usize * WIDTH..][..WIDTH])
            .copied()
            .collect();
        let worst = error(&states, &fixture.tensor_f32(&format!("{idx}.states")).unwrap());
        assert!(worst <= F32, "states of text {idx} differ by {worst:.2e}");

        let mean = fixture.tensor_f32(&format!("{idx}.mean")).unwrap();
        let cosine = similarity(&encoded.pooled(), &mean) / similarity(&mean, &mean).sqrt();
        assert!(cosine > 0.999_999, "pooled text {idx} has cosine {cosine}");
    }
}

#[test]
fn a_text_means_the_same_alone_and_in_a_batch() {
    let texts = ["dog", "", "A red ball rolls across the grass.", "two words"];
    let together = ENCODER.encode(&texts, MAX_TOKENS);
    for (text, batched) in texts.iter().zip(&together) {
        let alone = encode(text);
        assert_eq!(alone.ids, batched.ids);
        let worst = error(&alone.states, &batched.states);
        assert!(worst <= 1e-5, "`{text}` moves by {worst} in a batch");
    }
    assert_eq!(together[1].ids, [101, 102], "an empty text is [CLS] [SEP]");
}

#[test]
fn spans_are_the_bytes_of_the_words() {
    let text = "Café über 東京, unbelievable";
    let encoded = encode(text);
    let words: Vec<&str> = encoded.spans.iter().map(|span| &text[span.clone()]).collect();
    assert_eq!(words, ["", "Café", "über", "東", "京", ",", "unbelievable", ""]);
}

#[test]
fn a_long_text_is_cut_at_its_end() {
    let text = "The quick brown fox jumps over the lazy dog.";
    let whole = encode(text);
    let cut = ENCODER.encode(&[text], 5).remove(0);
    assert_eq!(cut.ids[..4], whole.ids[..4]);
    assert_eq!(cut.ids[4], 102, "it still ends in [SEP]");
    assert_eq!(cut.states.len(), 5 * WIDTH);
}

#[test]
fn a_damaged_tokenizer_is_refused() {
    let no_specials = br###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{"type":"WordPiece","unk_token":"[UNK]",
        "continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0}}}"###;
    let message = |json: &[u8], n_words| {
        Tokenizer::from_json(json, n_words).err().expect("it is refused").to_string()
    };
    assert!(message(b"{", 9).contains("cannot be used"));
    assert!(message(no_specials, 9).contains("it lacks `[CLS]`"));
    assert!(message(no_specials, 0).contains("the table has 0"));
}

#[test]
fn an_unknown_word_finds_the_nearest_name() {
    let known = [
        "woman", "man", "dog", "car", "ball", "box", "red", "coat", "shoes", "hat", "walk",
        "night", "wet",
    ];
    let names = Names::new(&ENCODER, &known);
    let nearest = |word| names.nearest(&ENCODER, word).map(|(name, _)| name);
    for (word, name) in [
        ("puppy-like hound", "dog"),
        ("canine", "dog"),
        ("limousine", "car"),
        ("basketball", "ball"),
        ("sandals", "shoes"),
        ("dusk", "night"),
        ("soaked", "wet"),
    ] {
        assert_eq!(nearest(word), Some(name), "`{word}`");
    }
    for word in ["philosophy", "volcano", "piano", "invoice", "elephant"] {
        assert_eq!(nearest(word), None, "`{word}`");
    }
    let (name, cosine) = names.nearest(&ENCODER, "dog").expect("a known name is nearest to itself");
    assert_eq!(name, "dog");
    assert!(cosine > 0.999);
    assert_eq!(Names::new(&ENCODER, &[]).nearest(&ENCODER, "dog"), None);
}
