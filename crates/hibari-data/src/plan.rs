//! Which clips a set holds: a pure function of a seed and a position.

use hibari_world::random::Random;
use hibari_world::{ClipForm, Script, Split};
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
        Script::sample(seed, split, ClipForm { width, height, fps: FPS, frames: FRAMES })
    }
}
