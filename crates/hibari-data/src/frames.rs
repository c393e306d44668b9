//! Rendered frames on disk: some of each clip, as bytes.

use std::ops::ControlFlow;
use std::path::Path;

use hibari_media::Frame;
use hibari_weights::{Dtype, StoredTensor, WeightIndex};
use hibari_world::clip::ClipRenderer;
use hibari_world::random::Random;
use hibari_world::script::VERSION;
use rayon::prelude::*;

use crate::shards::{Shape, open_or_make};
use crate::{ClipPlan, DataError};

const PER_SHARD: usize = 128;

/// Which frames of a clip are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramePick {
    /// This many in a row, from a random multiple of four.
    Run(u32),
    /// This many, evenly spread from the first to the last.
    Spread(u32),
}

/// Frames of the clips of a plan.
#[derive(Debug)]
pub struct FrameSet {
    shards: Vec<WeightIndex>,
    clips: usize,
}

/// The frames of one clip.
#[derive(Clone, Copy, Debug)]
pub struct ClipFrames<'a> {
    /// Width and height, pixels.
    pub size: (usize, usize),
    /// `[n, height, width, 3]`.
    pub rgb: &'a [u8],
}

impl FramePick {
    /// Indices of the frames, for a clip of `frames` frames.
    pub fn indices(self, frames: u32, seed: u64) -> Vec<u32> {
        match self {
            Self::Run(n) => {
                let starts = (frames - n.min(frames)) / 4 + 1;
                let start = 4 * Random::new(seed, "run of frames").below(starts as usize) as u32;
                (start..start + n.min(frames)).collect()
            }
            Self::Spread(n) => {
                let gaps = (n - 1).max(1);
                (0..n).map(|i| (i * (frames - 1) + gaps / 2) / gaps).collect()
            }
        }
    }
}

impl FrameSet {
    /// Opens the set in `folder`, rendering what is missing; `progress` hears how many clips are there.
    ///
    /// # Errors
    /// see [`open_or_make`]
    pub fn open(
        folder: &Path,
        plan: &ClipPlan,
        pick: FramePick,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Self, DataError> {
        let key = format!("frames of world {VERSION}, {}, {pick:?}", plan.key());
        let shape = Shape { items: plan.clips, per_shard: PER_SHARD };
        let mut make = |range: std::ops::Range<usize>| {
            let render = |renderer: &mut ClipRenderer, item: usize| {
                let script = plan.script(item);
                let wanted = pick.indices(script.frames(), script.seed);
                let frames: Vec<Frame> =
                    wanted.iter().map(|&index| renderer.still(&script, index)).collect();
                StoredTensor {
                    name: item.to_string(),
                    dtype: Dtype::U8,
                    shape: vec![frames.len(), script.height as usize, script.width as usize, 3],
                    bytes: frames.iter().flat_map(|frame| &frame.rgb).copied().collect(),
                }
            };
            Ok(range.into_par_iter().map_init(ClipRenderer::new, render).collect())
        };
        Ok(Self {
            shards: open_or_make(folder, &key, &shape, &mut make, progress)?,
            clips: plan.clips,
        })
    }

    /// Number of clips.
    pub fn clips(&self) -> usize {
        self.clips
    }

    /// The frames of clip `item`.
    ///
    /// # Panics
    /// if there is no such clip
    pub fn clip(&self, item: usize) -> ClipFrames<'_> {
        let shard = &self.shards[item / PER_SHARD];
        let name = item.to_string();
        let shape = shard.shape(&name).expect("each shard holds its range");
        let rgb = shard.bytes(&name).expect("each shard holds its range");
        ClipFrames { size: (shape[2], shape[1]), rgb }
    }
}
