//! Which clips a set holds: a pure function of a seed and a position.

use hibari_world::random::Random;
use hibari_world::{ClipForm, Detail, Mix, Script, Split};
use serde::{Deserialize, Serialize};

/// Frames of a clip: 4 s.
const FRAMES: u32 = 48;
/// Frames a second.
const FPS: u32 = 12;

/// A set of clips of the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipPlan {
    /// Seeds the scripts: item `i` has the script of seed `seed + i`.
    pub seed: u64,
    /// Number of clips.
    pub clips: usize,
    /// Share of clips of 144x256, and again as many of 192x192; the others are 256x144.
    pub other_sizes: f32,
    /// How much of the world the scripts and their captions are drawn from: `first` or `whole`.
    #[serde(default)]
    pub mix: Mix,
}

impl ClipPlan {
    /// The script of clip `item`: four seconds of one shot, from the training split.
    pub fn script(&self, item: usize) -> Script {
        self.script_of(item, Split::Train)
    }

    /// The script of clip `item` from a split.
    pub fn script_of(&self, item: usize, split: Split) -> Script {
        let seed = self.seed + item as u64;
        let (width, height) = Random::new(seed, "size of the clip").weighted(&[
            ((256, 144), 1.0 - 2.0 * self.other_sizes),
            ((144, 256), self.other_sizes),
            ((192, 192), self.other_sizes),
        ]);
        let form = ClipForm { width, height, fps: FPS, frames: FRAMES };
        Script::sample_from(self.mix, seed, split, form)
    }

    /// A caption of one of the scripts, in the words of the mix; `form` seeds the choice among its surface forms.
    pub fn caption(&self, script: &Script, detail: Detail, form: u64) -> String {
        script.caption_in(self.mix, detail, form).text()
    }

    /// What tells the shards of this plan from those of another. That of [`Mix::First`] does not name it: there are shards
    /// that were made before there were mixes.
    pub(crate) fn key(&self) -> String {
        let Self { seed, clips, other_sizes, mix } = self;
        let mix = match mix {
            Mix::First => String::new(),
            Mix::Whole => format!(", mix: {mix:?}"),
        };
        format!("ClipPlan {{ seed: {seed}, clips: {clips}, other_sizes: {other_sizes:?}{mix} }}")
    }
}

#[cfg(test)]
mod tests {
    use hibari_world::Attributes;

    use super::*;

    const FIRST: ClipPlan = ClipPlan { seed: 7, clips: 300, other_sizes: 0.05, mix: Mix::First };

    #[test]
    fn clips_are_of_their_mix() {
        let of_first = (0..FIRST.clips).map(|item| FIRST.script(item));
        assert!(of_first.into_iter().all(|script| script.mix() == Mix::First));

        let whole = ClipPlan { mix: Mix::Whole, ..FIRST };
        let mut seen = Attributes::classes(Mix::Whole).map(|n| vec![false; n]);
        for item in 0..whole.clips {
            let labels = whole.script(item).attributes().labels();
            for (seen, label) in seen.iter_mut().zip(labels) {
                seen[label] = true;
            }
        }
        assert!(seen.iter().flatten().all(|&is_seen| is_seen), "{seen:?}");
    }

    #[test]
    fn shards_from_before_mixes_are_those_of_the_first() {
        let key = "ClipPlan { seed: 7, clips: 300, other_sizes: 0.05 }";
        assert_eq!(FIRST.key(), key);
        assert_ne!(ClipPlan { mix: Mix::Whole, ..FIRST }.key(), key);
    }
}
