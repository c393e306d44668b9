//! Tests of captions: length, closed word list, determinism, forms.

use std::collections::BTreeSet;

use super::*;
use crate::sample::{ClipForm, Split};

const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };
const DETAILS: [Detail; 3] = [Detail::Dense, Detail::Medium, Detail::Short];

fn split_of(seed: u64) -> Split {
    match seed % 3 {
        0 => Split::Combinatorial,
        1 => Split::Outside,
        _ => Split::Train,
    }
}

/// Captions of a mix have their length and agree with their script; all words of the list are used, and no others.
fn check_captions(mix: Mix, known: &[&str]) {
    let mut used = BTreeSet::new();
    for seed in 0..10_000 {
        let script = Script::sample_from(mix, seed, split_of(seed), FORM);
        for detail in DETAILS {
            let caption = script.caption_in(mix, detail, seed);
            let text = caption.text();
            let (least, most) = detail.words(mix);
            let words = word_spans(&text);
            assert!(
                (least..=most).contains(&words.len()),
                "{detail:?}, {} words: {text}",
                words.len()
            );
            assert_eq!(caption.slots.contradiction(&script), None, "{text}");
            used.extend(words.iter().map(|(_, word)| word.to_lowercase()));
        }
    }
    assert!(known.is_sorted() && known.len() <= 1_536);
    let missing: Vec<&String> =
        used.iter().filter(|word| known.binary_search(&word.as_str()).is_err()).collect();
    assert!(missing.is_empty(), "not in the word list: {missing:?}");
    let idle: Vec<&&str> = known.iter().filter(|word| !used.contains(**word)).collect();
    assert!(idle.is_empty(), "never used: {idle:?}");
}

#[test]
fn captions_keep_to_their_length_and_words_and_agree_with_the_script() {
    check_captions(Mix::First, CAPTION_WORDS);
    check_captions(Mix::Whole, caption_words_of(Mix::Whole));
}

#[test]
fn every_sentence_has_six_forms() {
    for topic in ORDER {
        let mut forms = BTreeSet::new();
        for seed in 0..400 {
            let script = Script::sample_from(Mix::Whole, seed, Split::Train, FORM);
            let mut most = BTreeSet::new();
            for form in 0..120 {
                let name = String::new();
                let shot = &script.shots[0];
                let speaker = Speaker { mix: Mix::Whole, script: &script, shot, seed: form, name };
                most.extend(speaker.say(topic, &mut PartialScript::default()));
            }
            if !most.is_empty() {
                forms.insert(most.len());
            }
        }
        let least = forms.first().copied().unwrap_or_default();
        assert!(least >= 6, "{topic:?}: {least} forms");
    }
}

#[test]
fn captions_are_deterministic_and_have_several_forms() {
    let script = Script::sample(7, Split::Train, FORM);
    let forms: BTreeSet<String> =
        (0..64).map(|form| script.caption(Detail::Medium, form).text()).collect();
    assert!(forms.len() > 20, "{} forms", forms.len());
    assert_eq!(script.caption(Detail::Dense, 3), script.caption(Detail::Dense, 3));
}

#[test]
fn sentences_hold_for_their_shot() {
    let mut script = Script::sample(1, Split::Train, FORM);
    let mut second = script.shots[0].clone();
    second.frames = 24;
    script.shots.push(second);
    let caption = script.caption(Detail::Medium, 0);
    let first = caption.sentences.first().unwrap();
    let last = caption.sentences.last().unwrap();
    assert_eq!((first.start_secs, first.end_secs), (0.0, 4.0));
    assert_eq!((last.start_secs, last.end_secs), (4.0, 6.0));
}
