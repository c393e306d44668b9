//! Prompt to caption: the world reads the prompt, the seed fills what it leaves open, the grammar words the whole as
//! the captions of training are worded. The caption is the text that the model sees.

use hibari_world::{ClipForm, Detail, Grounding, NearestWord, Script};

/// A prompt, as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What the prompt states, and the words that the world does not know.
    pub grounding: Grounding,
    /// All facts of the video: the stated ones, and those drawn by the seed.
    pub script: Script,
    /// The dense caption of the script.
    pub caption: String,
}

/// Reads `prompt`; `nearest` may name a word of the vocabulary for one that the world does not know.
pub fn understand(
    prompt: &str,
    seed: u64,
    form: ClipForm,
    nearest: &mut dyn FnMut(&str) -> Option<NearestWord>,
) -> Understood {
    let grounding = hibari_world::ground(prompt, nearest);
    let script = grounding.realise(seed, form);
    let caption = script.caption(Detail::Dense, seed).text();
    Understood { grounding, script, caption }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

    #[test]
    fn what_is_stated_is_in_the_caption_whatever_the_seed() {
        for seed in 0..50 {
            let prompt = "a red car drives down a neon street at night";
            let understood = understand(prompt, seed, FORM, &mut |_| None);
            assert_eq!(understood.grounding.unknown, Vec::<String>::new());
            assert_eq!(understood.grounding.slots.contradiction(&understood.script), None);
            for word in ["red", "car", "neon street"] {
                assert!(understood.caption.contains(word), "{}", understood.caption);
            }
        }
    }

    #[test]
    fn unknown_words_are_asked_for_once_and_named() {
        let mut asked = Vec::new();
        let mut nearest = |word: &str| {
            asked.push(word.to_owned());
            (word == "poodle").then(|| NearestWord { name: "dog".into(), similarity: 0.8 })
        };
        let understood = understand("a poodle and a zyzzyva", 3, FORM, &mut nearest);
        assert_eq!(asked, ["poodle", "zyzzyva"]);
        assert_eq!(understood.grounding.unknown, ["zyzzyva"]);
        assert_eq!(understood.grounding.guessed[0].name, "dog");
        assert!(understood.caption.contains("dog"), "{}", understood.caption);
    }
}
