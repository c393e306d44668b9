//! Training of the judge on renders.

use std::path::Path;

use hibari_data::{ClipPlan, FrameSet};
use hibari_diffusion::noise::Stream;
use hibari_eval::judge::{Judge, LABELS};
use hibari_eval::measures::accuracy;
use hibari_eval::view::{View, clip_tensor};
use hibari_media::Frame;
use hibari_ops::device;
use hibari_world::{Attributes, Mix};

use super::frame;
use crate::{Error, Rule, Stage, StepLoss};

/// The judge's stage.
#[derive(Debug)]
pub struct JudgeStage {
    mix: Mix,
    seed: u64,
    batch: usize,
    train: Labelled,
    held_out: Labelled,
}

/// Views of clips and what they show.
#[derive(Debug)]
pub struct Labelled {
    views: Vec<View>,
    labels: Vec<[usize; LABELS]>,
}

impl Labelled {
    /// Views of a set of frames picked for the judge.
    ///
    /// # Panics
    /// if the set holds another number of frames a clip than the judge looks at
    pub fn new(frames: &FrameSet, plan: &ClipPlan) -> Self {
        let view = |item: usize| {
            let clip = frames.clip(item);
            let pictures: Vec<Frame> = clip
                .rgb
                .chunks_exact(clip.size.0 * clip.size.1 * 3)
                .map(|rgb| frame(clip.size, rgb.to_vec()))
                .collect();
            View::of_picked(std::array::from_fn(|i| &pictures[i]))
        };
        Self {
            views: (0..frames.clips()).map(view).collect(),
            labels: (0..frames.clips())
                .map(|item| plan.script(item).attributes().labels())
                .collect(),
        }
    }

    /// The share of clips whose label the judge predicts, for each label.
    pub fn accuracies(&self, judge: &Judge) -> [f64; LABELS] {
        let predicted = judge.predict_all(&self.views);
        std::array::from_fn(|label| {
            let of =
                |all: &[[usize; LABELS]]| all.iter().map(|clip| clip[label]).collect::<Vec<_>>();
            accuracy(&of(&predicted), &of(&self.labels))
        })
    }
}

impl JudgeStage {
    /// A stage that trains a judge of the classes of `mix` on batches of `batch` clips of one size.
    pub fn new(mix: Mix, seed: u64, batch: usize, train: Labelled, held_out: Labelled) -> Self {
        Self { mix, seed, batch, train, held_out }
    }
}

impl Stage for JudgeStage {
    type Model = Judge;

    fn model(&self) -> Judge {
        Judge::new(self.mix, self.seed, &device())
    }

    fn loss(&mut self, model: &Judge, step: u64) -> StepLoss {
        let mut rng = Stream::new(self.seed, &format!("judge/step/{step}"));
        let views = &self.train.views;
        let first = rng.below(views.len());
        let mut items = vec![first];
        while items.len() < self.batch {
            let item = rng.below(views.len());
            if views[item].size() == views[first].size() {
                items.push(item);
            }
        }
        let batch: Vec<&View> = items.iter().map(|&item| &views[item]).collect();
        let labels: Vec<[usize; LABELS]> =
            items.iter().map(|&item| self.train.labels[item]).collect();
        let (loss, parts) = model.loss(clip_tensor(&batch, &device()), &labels);
        StepLoss {
            loss,
            parts: Attributes::NAMES.into_iter().zip(parts).collect(),
            items: self.batch,
            flops: 3.0 * Judge::forward_flops(views[first].size()) * self.batch as f64,
        }
    }

    fn rule(&self, _name: &str, shape: &[usize]) -> Rule {
        Rule::AdamW { weight_decay: if shape.len() < 2 { 0.0 } else { 0.05 } }
    }

    fn inspect(&mut self, averaged: &Judge, _: u64, _: &Path) -> Result<Vec<(String, f64)>, Error> {
        let accuracies = self.held_out.accuracies(averaged);
        Ok(Attributes::NAMES.into_iter().map(str::to_owned).zip(accuracies).collect())
    }

    fn config(&self) -> String {
        // Runs of the first mix began without its name.
        let mix = match self.mix {
            Mix::First => "",
            Mix::Whole => ", whole mix",
        };
        format!("judge, seed {}, batch {}{mix}", self.seed, self.batch)
    }
}
