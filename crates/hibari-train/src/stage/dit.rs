//! Training of the transformer on latents: stills and windows of clips, each latent frame with its own noise level.
//!
//! Loss: mean over the target frames of `|x^ - x|^2 / max(sigma, 0.05)^2`.
//!
//! # Source
//! `lark`, section 4

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use hibari_data::{LatentItem, LatentSet};
use hibari_diffusion::{
    Guidance, Latent, NoisePlan, Position, denoise, noise::Stream, objective::Mixture, schedule,
    solver::DpmPp2M,
};
use hibari_media::Frame;
use hibari_models::lark::{
    Lark, Parts,
    config::{CELL_PX, DitConfig},
    decode_rgb,
    dit::{Dit, Layout, PATCH, tokens_from_cells},
    text::{EncodedText, TextBatch, Words},
};
use hibari_models::layers::initialise;
use hibari_models::text::MiniLm;
use hibari_models::{TimedText, VideoModel, Window};
use hibari_ops::device;
use hibari_world::{Mix, caption_words_of};
use rayon::prelude::*;

use super::frame;
use crate::{Error, Rule, Stage, StepLoss};

/// Smallest level that the loss divides by.
const LEAST_SIGMA: f32 = 0.05;
/// Share of items whose text is dropped.
const NO_TEXT: f64 = 0.1;
/// Noisy copies of each still in a batch: they share the cost of its text.
const COPIES: usize = 4;
/// Windows from which the held-out loss is computed.
const HELD_OUT: usize = 64;

/// Settings of the stage.
#[derive(Clone, Debug, PartialEq)]
pub struct DitSettings {
    /// Sizes of the network.
    pub model: DitConfig,
    /// Stills in a batch of stills, each in several noisy copies.
    pub stills: usize,
    /// Windows in a batch of windows.
    pub windows: usize,
    /// Share of batches that are stills.
    pub still_share: f64,
    /// Lengths of windows, latent frames; each is as likely as it is often listed.
    pub lengths: Vec<usize>,
    /// The mixture of noise levels.
    pub all_equal: f64,
    /// Seed of all randomness.
    pub seed: u64,
}

/// The transformer's stage.
pub struct DitStage {
    settings: DitSettings,
    stills: Buckets,
    clips: Buckets,
    held_out: Buckets,
    start: Option<Dit>,
    preview: Preview,
}

/// What the looks at the averaged model draw.
pub struct Preview {
    /// The model that the transformer is put into.
    pub parts: Parts,
    /// Its text encoder.
    pub encoder: Arc<MiniLm>,
    /// Captions of the pictures.
    pub captions: Vec<String>,
}

/// A set, and which of its items have one size.
#[derive(Debug)]
struct Buckets {
    set: LatentSet,
    /// Items of each size, by latent rows and columns.
    sizes: Vec<((usize, usize), Vec<usize>)>,
}

/// The noisy copies of one item.
#[derive(Default)]
struct Copies {
    noisy: Vec<f32>,
    clean: Vec<f32>,
    weight: Vec<f32>,
    sigma: Vec<f32>,
}

/// One batch, as numbers.
struct Batch {
    layout: Layout,
    /// Each for `copies` windows in a row.
    texts: Vec<EncodedText>,
    windows: usize,
    noisy: Vec<f32>,
    clean: Vec<f32>,
    /// Weight of each value in the loss; they add up to about the number of values at high noise.
    weight: Vec<f32>,
    sigma: Vec<f32>,
}

impl Buckets {
    fn new(set: LatentSet) -> Self {
        let mut sizes: Vec<((usize, usize), Vec<usize>)> = Vec::new();
        for item in 0..set.clips() {
            let cells = set.cells(item);
            match sizes.iter_mut().find(|(size, _)| *size == cells) {
                Some((_, items)) => items.push(item),
                None => sizes.push((cells, vec![item])),
            }
        }
        Self { set, sizes }
    }

    /// `n` items of one size, larger buckets more often.
    fn draw(&self, n: usize, rng: &mut Stream) -> Vec<LatentItem> {
        let mut at = rng.below(self.set.clips());
        let bucket = self.sizes.iter().find(|(_, items)| {
            let is_here = at < items.len();
            at = at.wrapping_sub(if is_here { 0 } else { items.len() });
            is_here
        });
        let (_, items) = bucket.expect("every item is in a bucket");
        (0..n)
            .map(|_| self.set.item(items[rng.below(items.len())], rng.bits() as usize % 1024))
            .collect()
    }
}

impl DitStage {
    /// A stage that trains on stills and clips, from `start` or from scratch.
    pub fn new(
        settings: DitSettings,
        [stills, clips, held_out]: [LatentSet; 3],
        start: Option<Dit>,
        preview: Preview,
    ) -> Self {
        let [stills, clips, held_out] = [stills, clips, held_out].map(Buckets::new);
        Self { settings, stills, clips, held_out, start, preview }
    }

    fn mixture(&self) -> Mixture {
        let all_equal = self.settings.all_equal;
        let context = 0.64 * (1.0 - all_equal);
        Mixture { all_equal, context, logit_mean: 0.8, logit_std: 0.8, shift: 1.0 }
    }

    fn batch(&self, buckets: &Buckets, still: bool, rng: &mut Stream) -> Batch {
        let (items, copies) = if still {
            (buckets.draw(self.settings.stills, rng), COPIES)
        } else {
            (buckets.draw(self.settings.windows, rng), 1)
        };
        let lengths = &self.settings.lengths;
        let f = if still { 1 } else { lengths[rng.below(lengths.len())].min(items[0].f) };
        let layout =
            Layout { cells: items[0].cells, times: (0..f).map(|i| i as f32).collect(), still };
        let windows = items.len() * copies;
        let streams: Vec<Stream> =
            items.iter().map(|_| Stream::new(rng.bits(), "dit/item")).collect();
        let noised: Vec<(Copies, EncodedText)> = items
            .into_par_iter()
            .zip(streams)
            .map(|(item, mut rng)| {
                let noised = self.noised(&item, &layout, copies, &mut rng);
                let is_dropped = rng.uniform() < NO_TEXT;
                (noised, if is_dropped { EncodedText::empty() } else { item.text })
            })
            .collect();
        let joined = |values: fn(&Copies) -> &Vec<f32>| {
            noised.iter().map(|(copies, _)| values(copies).as_slice()).collect::<Vec<_>>().concat()
        };
        Batch {
            noisy: joined(|copies| &copies.noisy),
            clean: joined(|copies| &copies.clean),
            weight: joined(|copies| &copies.weight),
            sigma: joined(|copies| &copies.sigma),
            texts: noised.into_iter().map(|(_, text)| text).collect(),
            windows,
            layout,
        }
    }

    /// Noisy copies of the latent frames of a window that begins anywhere in the item.
    fn noised(
        &self,
        item: &LatentItem,
        layout: &Layout,
        copies: usize,
        rng: &mut Stream,
    ) -> Copies {
        let f = layout.times.len();
        let channels = self.settings.model.channels;
        let per_frame = layout.tokens_per_frame() * PATCH * PATCH * channels;
        let inside = layout.inside(channels);
        let mixture = self.mixture();
        let cells = item.cells.0 * item.cells.1 * channels;
        let first = rng.below(item.f - f + 1);
        let mut clean = Vec::with_capacity(f * per_frame);
        for latents in item.latents.chunks_exact(cells).skip(first).take(f) {
            tokens_from_cells(latents, layout, channels, &mut clean);
        }
        let mut out = Copies::default();
        for _ in 0..copies {
            let draw = mixture.draw(f, rng);
            let noise = rng.fill_normal(clean.len());
            let targets = draw.target.iter().filter(|&&is_target| is_target).count();
            let scale = f as f32 / targets as f32;
            for (i, (&sigma, &is_target)) in draw.sigma.iter().zip(&draw.target).enumerate() {
                let weight = if is_target { scale / sigma.max(LEAST_SIGMA).powi(2) } else { 0.0 };
                let values = i * per_frame..(i + 1) * per_frame;
                let pairs = clean[values.clone()].iter().zip(&noise[values]);
                out.noisy.extend(pairs.map(|(x, eps)| (1.0 - sigma) * x + sigma * eps));
                out.weight.extend(inside.iter().map(|&inside| if inside { weight } else { 0.0 }));
            }
            out.clean.extend_from_slice(&clean);
            out.sigma.extend(draw.sigma);
        }
        out
    }

    fn loss_of(&self, model: &Dit, batch: Batch) -> (Tensor<1>, f64) {
        let device = device();
        let values = PATCH * PATCH * self.settings.model.channels;
        let dims = [batch.windows, batch.layout.tokens(), values];
        let tensor = |data: Vec<f32>| Tensor::<3>::from_data(TensorData::new(data, dims), &device);
        let sigma_dims = [batch.windows, batch.layout.times.len()];
        let sigma = Tensor::from_data(TensorData::new(batch.sigma, sigma_dims), &device);
        let texts: Vec<&EncodedText> = batch.texts.iter().collect();
        let longest = texts.iter().map(|text| text.words.len()).max().unwrap_or(0);
        let (text_flops, window_flops) =
            Dit::flops(&self.settings.model, &batch.layout, (texts.len(), longest), batch.windows);
        let text = model.text(&TextBatch::new(&texts, &device));
        let clean = model.forward(tensor(batch.noisy), sigma, &text, &batch.layout);
        let error = clean - tensor(batch.clean);
        let squares = error.clone() * error * tensor(batch.weight);
        (squares.mean(), 3.0 * (text_flops + window_flops))
    }
}

impl Stage for DitStage {
    type Model = Dit;

    fn model(&self) -> Dit {
        if let Some(start) = &self.start {
            return start.clone();
        }
        let mut normals = |name: &str, n: usize| {
            Stream::new(self.settings.seed, &format!("dit/{name}")).fill_normal(n)
        };
        initialise(Dit::new(&self.settings.model, &device()), &Dit::gain, &mut normals)
    }

    fn loss(&mut self, model: &Dit, step: u64) -> StepLoss {
        let mut rng = Stream::new(self.settings.seed, &format!("dit/step/{step}"));
        let still = rng.uniform() < self.settings.still_share;
        let buckets = if still { &self.stills } else { &self.clips };
        let batch = self.batch(buckets, still, &mut rng);
        let items = batch.windows;
        let (loss, flops) = self.loss_of(model, batch);
        StepLoss { loss, parts: Vec::new(), items, flops }
    }

    fn rule(&self, name: &str, shape: &[usize]) -> Rule {
        rule(name, shape)
    }

    fn inspect(
        &mut self,
        averaged: &Dit,
        step: u64,
        folder: &Path,
    ) -> Result<Vec<(String, f64)>, Error> {
        let mut figures = Vec::new();
        for (name, still) in [("held_out_still", true), ("held_out_window", false)] {
            let mut sum = 0.0;
            let mut n = 0;
            while n < HELD_OUT {
                let mut rng = Stream::new(self.settings.seed, &format!("dit/{name}/{n}"));
                let batch = self.batch(&self.held_out, still, &mut rng);
                let windows = batch.windows;
                let (loss, _) = self.loss_of(averaged, batch);
                sum += f64::from(loss.into_scalar::<f32>()) * windows as f64;
                n += windows;
            }
            figures.push((name.to_owned(), sum / n as f64));
        }
        let sheet = self.preview.draw(averaged, self.settings.seed)?;
        let path = folder.join(format!("samples-{step:06}.png"));
        hibari_media::save_still(&path, &sheet, None).map_err(Error::stage)?;
        Ok(figures)
    }

    fn config(&self) -> String {
        format!("{:?}", self.settings)
    }
}

/// How a parameter of a transformer is updated: matrices of hidden layers by orthogonalised momentum, all else by
/// moments; vectors and tables do not decay.
pub fn rule(name: &str, shape: &[usize]) -> Rule {
    let is_hidden = name.starts_with("blocks") || name.starts_with("refiner");
    if is_hidden && shape.len() == 2 {
        return Rule::Muon { weight_decay: 0.01 };
    }
    Rule::AdamW { weight_decay: if shape.len() < 2 || name == "words" { 0.0 } else { 0.01 } }
}

impl Preview {
    /// Stills of all captions and the first, middle and last frame of short clips of the first two.
    fn draw(&self, dit: &Dit, seed: u64) -> Result<Frame, Error> {
        let parts = Parts { dit: dit.clone(), ..self.parts.clone() };
        let mut lark = Lark::new(parts, Arc::clone(&self.encoder));
        let mut items = Vec::new();
        for (i, caption) in self.captions.iter().enumerate() {
            let noise = Stream::new(seed, &format!("preview/{i}"));
            let frames = sample(&mut lark, caption, 1, noise).map_err(Error::stage)?;
            items.push((frames[0].clone(), caption.clone()));
        }
        for (i, caption) in self.captions.iter().take(2).enumerate() {
            let noise = Stream::new(seed, &format!("preview/clip/{i}"));
            let frames = sample(&mut lark, caption, 12, noise).map_err(Error::stage)?;
            for at in [0, frames.len() / 3, frames.len() * 2 / 3, frames.len() - 1] {
                items.push((frames[at].clone(), format!("clip {i}, frame {at}")));
            }
        }
        hibari_media::contact_sheet(&items, 4).map_err(Error::stage)
    }
}

/// A clip of `f` latent frames at 256x144 in 16 guided steps; one latent frame is a still.
fn sample(
    lark: &mut Lark,
    caption: &str,
    f: usize,
    mut noise: Stream,
) -> Result<Vec<Frame>, hibari_models::ModelError> {
    let size = (256, 144);
    let window = Window { size, times: (0..f).map(|i| i as f32).collect(), still: f == 1 };
    let positive = lark.condition(&TimedText::whole(caption), &window)?;
    let negative = lark.condition(&TimedText::default(), &window)?;
    let dims = [1, lark.spec().channels, f, size.1 / CELL_PX, size.0 / CELL_PX];
    let start = TensorData::new(noise.fill_normal(dims.iter().product()), dims);
    let start = Position::start(Latent { video: Tensor::from_data(start, &device()) });
    let plan = NoisePlan::uniform(&schedule::linear(16, 1.0), f);
    let guidance = Guidance { weight: 2.5, low: None, from: 0.1, to: 0.95 };
    let mut predict = |noisy: Latent, sigma, branch| {
        let cond = match branch {
            hibari_diffusion::Branch::Positive => &positive,
            hibari_diffusion::Branch::Negative => &negative,
        };
        lark.predict(noisy, sigma, cond)
    };
    let solver = &mut DpmPp2M::default();
    let done =
        denoise(start, &plan, solver, &guidance, &mut predict, &mut |_| ControlFlow::Continue(()));
    let latent = done.expect("nobody cancels").video;
    let mut frames = Vec::new();
    decode_rgb(lark.ae(), latent, &mut |rgb| {
        frames.push(frame(size, rgb));
        ControlFlow::Continue(())
    });
    Ok(frames)
}

/// The caption words of a mix, as the model keeps them.
pub fn caption_words(mix: Mix) -> Words {
    Words::new(caption_words_of(mix).iter().map(|&word| word.to_owned()).collect())
}
