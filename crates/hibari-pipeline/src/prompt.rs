//! Prompt to captions: the world reads the prompt, the seed fills what it leaves open, the grammar words the whole as
//! the captions of training are worded, shot by shot. The captions are the texts that the model sees.

use hibari_models::ModelSpec;
use hibari_world::grounding::{Story, ground_story};
use hibari_world::script::FRAME_STEP;
use hibari_world::{ClipForm, Detail, Mix, NearestWord, Script, mix_of_words};

use crate::families::ShotText;

/// A prompt, as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What the prompt states of each shot, and the words that the world does not know.
    pub story: Story,
    /// All facts of the video: the stated ones, and those drawn by the seed.
    pub script: Script,
    /// The dense caption of each shot of the script.
    pub shots: Vec<ShotText>,
}

/// The mix in whose words a model wants its prompts; nothing for one that reads them as they are.
pub fn mix_of(spec: &ModelSpec) -> Option<Mix> {
    (!spec.words.is_empty()).then(|| mix_of_words(&spec.words))
}

/// Reads `prompt` with the vocabulary of a mix; `nearest` may name a word of it for one that the world does not know.
pub fn understand(
    mix: Mix,
    prompt: &str,
    seed: u64,
    form: ClipForm,
    nearest: &mut dyn FnMut(&str) -> Option<NearestWord>,
) -> Understood {
    let story = ground_story(mix, prompt, nearest);
    let script = story.realise(seed, form);
    let caption = script.caption_in(mix, Detail::Dense, seed);
    let shots = script.shots.iter().enumerate().map(|(idx, shot)| ShotText {
        latents: usize::try_from(shot.frames / FRAME_STEP).expect("a shot is short"),
        text: caption.shot_text(idx),
    });
    Understood { shots: shots.collect(), story, script }
}

#[cfg(test)]
mod tests {
    use hibari_world::caption_words_of;

    use super::*;

    const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

    #[test]
    fn what_is_stated_is_in_the_caption_whatever_the_seed() {
        for seed in 0..50 {
            let prompt = "a red car drives down a neon street at night";
            let understood = understand(Mix::First, prompt, seed, FORM, &mut |_| None);
            let [stated] = understood.story.shots.as_slice() else { panic!("{understood:?}") };
            assert_eq!(stated.unknown, Vec::<String>::new());
            assert_eq!(stated.slots.contradiction(&understood.script), None);
            let [ShotText { latents: 12, text }] = understood.shots.as_slice() else {
                panic!("{understood:?}")
            };
            for word in ["red", "car", "neon", "night"] {
                assert!(text.contains(word), "{text}");
            }
        }
    }

    #[test]
    fn each_shot_has_its_text_and_its_part_of_the_time() {
        let prompt = "A woman in a red dress walks down a neon street. Then she stands in a park.";
        for seed in 0..50 {
            let shots = understand(Mix::First, prompt, seed, FORM, &mut |_| None).shots;
            let [street, park] = shots.as_slice() else { panic!("{shots:?}") };
            assert_eq!((street.latents, park.latents), (6, 6));
            assert!(street.text.contains("neon") && !street.text.contains("park"), "{shots:?}");
            assert!(park.text.contains("park") && !park.text.contains("neon"), "{shots:?}");
            for ShotText { text, .. } in [street, park] {
                assert!(text.contains("woman") && text.contains("red dress"), "{text}");
            }
        }
    }

    #[test]
    fn a_model_of_the_whole_world_is_told_in_its_words() {
        let prompt = "a mammoth walks through the snow";
        let caption = |mix| {
            let understood = understand(mix, prompt, 5, FORM, &mut |_| None);
            (understood.shots[0].text.clone(), understood.story.shots[0].unknown.clone())
        };
        let (text, unknown) = caption(Mix::Whole);
        assert!(text.contains("mammoth") && text.contains("snow") && unknown.is_empty(), "{text}");
        let (text, unknown) = caption(Mix::First);
        assert!(!text.contains("mammoth") && unknown == ["mammoth", "snow"], "{unknown:?}");
        for mix in [Mix::First, Mix::Whole] {
            let words: Vec<String> =
                caption_words_of(mix).iter().map(|&word| word.to_owned()).collect();
            assert_eq!(mix_of_words(&words), mix);
        }
    }

    #[test]
    fn unknown_words_are_asked_for_once_and_named() {
        let mut asked = Vec::new();
        let mut nearest = |word: &str| {
            asked.push(word.to_owned());
            (word == "schnauzer").then(|| NearestWord { name: "dog".into(), similarity: 0.8 })
        };
        let understood = understand(Mix::First, "a schnauzer and a zyzzyva", 3, FORM, &mut nearest);
        assert_eq!(asked, ["schnauzer", "zyzzyva"]);
        assert_eq!(understood.story.shots[0].unknown, ["zyzzyva"]);
        assert_eq!(understood.story.shots[0].guessed[0].name, "dog");
        assert!(understood.shots[0].text.contains("dog"), "{understood:?}");
    }
}
