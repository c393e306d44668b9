//! Training of the autoencoder on runs of three groups of frames.
//!
//! Loss: Charbonnier. Latents are normalised by the batch and disturbed by noise, so that the decoder forgives what the
//! transformer gets wrong.
//!
//! # Source
//! `lark`, section 2

use std::path::Path;
use std::slice::from_ref;

use burn::tensor::{Tensor, TensorData};
use hibari_data::FrameSet;
use hibari_diffusion::noise::Stream;
use hibari_eval::measures::{Block, psnr_db, worst_blocks};
use hibari_media::Frame;
use hibari_models::lark::{
    config::{AeConfig, FRAMES},
    vae::{self, Ae},
};
use hibari_models::layers::initialise;
use hibari_ops::device;
use rayon::prelude::*;

use super::frame;
use crate::{Error, Rule, Stage, StepLoss};

/// Groups in a run.
const GROUPS: usize = 3;
/// Half-width of the round bottom of the Charbonnier loss, in units of [-1, 1].
const CHARBONNIER: f32 = 0.3;
/// Share of steps in which groups are decoded without neighbours.
const ALONE: f64 = 0.2;
/// Share of runs whose frames are all the same.
const STILL: f64 = 0.15;
/// Largest standard deviation of the noise on latents.
const NOISE: f64 = 0.1;
/// Runs from which the statistics of the latents are taken.
const STATISTIC_RUNS: usize = 256;

/// Settings of the stage.
#[derive(Clone, Debug, PartialEq)]
pub struct AeSettings {
    /// Sizes of the network.
    pub model: AeConfig,
    /// Runs in a batch.
    pub runs: usize,
    /// Width and height of the region that is cut out, multiples of 16 pixels.
    pub crop: (usize, usize),
    /// Whether only the decoder learns: then latents stay what a transformer has learned.
    pub frozen_encoder: bool,
    /// Seed of all randomness.
    pub seed: u64,
}

/// The autoencoder's stage.
#[derive(Debug)]
pub struct AeStage {
    settings: AeSettings,
    frames: FrameSet,
    held_out: FrameSet,
    start: Option<Ae>,
}

impl AeStage {
    /// A stage that trains on `frames`, from `start` or from scratch, and looks at `held_out`.
    pub fn new(
        settings: AeSettings,
        frames: FrameSet,
        held_out: FrameSet,
        start: Option<Ae>,
    ) -> Self {
        Self { settings, frames, held_out, start }
    }

    /// The model with the statistics of its latents over the training clips; those of a frozen encoder stay.
    pub fn with_statistics(&self, ae: Ae) -> Ae {
        if self.settings.frozen_encoder {
            return ae;
        }
        let channels = self.settings.model.channels;
        let (mut sums, mut squares, mut n) =
            (vec![0.0_f64; channels], vec![0.0_f64; channels], 0.0);
        for i in 0..STATISTIC_RUNS {
            let mut rng = Stream::new(self.settings.seed, &format!("ae/statistics/{i}"));
            let latents = ae.encode_raw(self.batch(1, &mut rng)).into_data();
            let latents = latents.try_into_vec::<f32>().expect("latents are f32");
            for cell in latents.chunks_exact(channels) {
                for (channel, &value) in cell.iter().enumerate() {
                    sums[channel] += f64::from(value);
                    squares[channel] += f64::from(value).powi(2);
                }
                n += 1.0;
            }
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let std = squares.iter().zip(&mean).map(|(square, mean)| (square / n - mean * mean).sqrt());
        let std: Vec<f32> = std.map(|std| std as f32).collect();
        let mean: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
        ae.with_statistics(&mean, &std)
    }

    /// Runs of groups, packed: `[runs * GROUPS, height/4, width/4, PATCH_VALUES]`.
    fn batch(&self, runs: usize, rng: &mut Stream) -> Tensor<4> {
        let (width, height) = self.settings.crop;
        let streams: Vec<Stream> = (0..runs).map(|_| Stream::new(rng.bits(), "ae/run")).collect();
        let packed = |mut rng: Stream| {
            let clip = self.frames.clip(rng.below(self.frames.clips()));
            let frame_len = clip.size.0 * clip.size.1 * 3;
            let frames: Vec<&[u8]> = clip.rgb.chunks_exact(frame_len).collect();
            let first = FRAMES * rng.below(frames.len() / FRAMES - GROUPS + 1);
            let place = |rng: &mut Stream, side: usize, cut: usize| rng.below(side - cut + 1);
            let at = (place(&mut rng, clip.size.0, width), place(&mut rng, clip.size.1, height));
            let is_still = rng.uniform() < STILL;
            let mut values = Vec::with_capacity(GROUPS * FRAMES * width * height * 3);
            for group in 0..GROUPS {
                let of_group = std::array::from_fn(|i| {
                    frames[if is_still { first } else { first + group * FRAMES + i }]
                });
                vae::pack(of_group, clip.size.0, at, (width, height), &mut values);
            }
            values
        };
        let values = streams.into_par_iter().map(packed).collect::<Vec<_>>().concat();
        let dims = [runs * GROUPS, height / vae::PATCH, width / vae::PATCH, vae::PATCH_VALUES];
        Tensor::from_data(TensorData::new(values, dims), &device())
    }
}

impl Stage for AeStage {
    type Model = Ae;

    fn model(&self) -> Ae {
        if let Some(start) = &self.start {
            return start.clone();
        }
        let mut normals = |name: &str, n: usize| {
            Stream::new(self.settings.seed, &format!("ae/{name}")).fill_normal(n)
        };
        initialise(Ae::new(&self.settings.model, &device()), &Ae::gain, &mut normals)
    }

    fn loss(&mut self, model: &Ae, step: u64) -> StepLoss {
        let mut rng = Stream::new(self.settings.seed, &format!("ae/step/{step}"));
        let runs = self.settings.runs;
        let patches = self.batch(runs, &mut rng);
        let frozen = self.settings.frozen_encoder;
        let latents = if frozen {
            model.encode_patches(patches.clone()).detach()
        } else {
            normalise(model.encode_raw(patches.clone()))
        };
        let dims = latents.dims();
        let [n, h, w, c] = dims;
        let noise: Vec<f32> = (0..runs)
            .flat_map(|_| {
                let std = (NOISE * rng.uniform()) as f32;
                let values = rng.fill_normal(n / runs * h * w * c);
                values.into_iter().map(move |value| value * std)
            })
            .collect();
        let noise = Tensor::from_data(TensorData::new(noise, dims), &device());
        let groups = if rng.uniform() < ALONE { 1 } else { GROUPS };
        let noisy = (latents + noise).reshape([n / groups, groups, h, w, c]);
        let error = model.decode_patches(noisy) - patches;

        // A product, not a power: Burn's square calls the slow general power.
        let squares = error.clone() * error;
        let mse = squares.clone().detach().mean();
        let loss = (squares + CHARBONNIER * CHARBONNIER).sqrt().mean() - CHARBONNIER;
        let (encoder, decoder) =
            Ae::flops(&self.settings.model, self.settings.crop.0 * self.settings.crop.1);
        StepLoss {
            loss,
            parts: vec![("mse", mse.into_scalar::<f32>())],
            items: runs * GROUPS,
            flops: (if frozen { encoder } else { 3.0 * encoder } + 3.0 * decoder)
                * (runs * GROUPS) as f64,
        }
    }

    fn rule(&self, name: &str, shape: &[usize]) -> Rule {
        if Ae::is_statistic(name) || (self.settings.frozen_encoder && Ae::is_encoder(name)) {
            return Rule::Frozen;
        }
        // Kernels by orthogonalised momentum, maps and vectors by moments.
        if shape.len() == 4 {
            return Rule::Muon { weight_decay: 0.01 };
        }
        Rule::AdamW { weight_decay: if shape.len() < 2 { 0.0 } else { 0.01 } }
    }

    fn inspect(
        &mut self,
        averaged: &Ae,
        step: u64,
        folder: &Path,
    ) -> Result<Vec<(String, f64)>, Error> {
        let ae = self.with_statistics(averaged.clone());
        let figures = reconstruct(&ae, &self.held_out, 32);
        let mut items = Vec::new();
        for (given, back) in figures.pairs.iter().take(8) {
            let likeness = psnr_db(from_ref(given), from_ref(back));
            items.push((given.clone(), "render".into()));
            items.push((back.clone(), format!("{likeness:.1} dB")));
        }
        let sheet = hibari_media::contact_sheet(&items, 4).map_err(Error::stage)?;
        let path = folder.join(format!("reconstruction-{step:06}.png"));
        hibari_media::save_still(&path, &sheet, None).map_err(Error::stage)?;
        Ok(vec![("psnr_db".into(), figures.psnr_db)])
    }

    fn config(&self) -> String {
        format!("{:?}", self.settings)
    }
}

/// How well an autoencoder gives back clips.
#[derive(Debug)]
pub struct Reconstruction {
    /// Peak signal-to-noise ratio over all pixels of all clips.
    pub psnr_db: f64,
    /// The 2 worst places, with the clip they are in.
    pub worst: Vec<(usize, Block)>,
    /// A frame of each clip, and what came back.
    pub pairs: Vec<(Frame, Frame)>,
}

/// Encodes and decodes the first `clips` clips of a set.
pub fn reconstruct(ae: &Ae, frames: &FrameSet, clips: usize) -> Reconstruction {
    let (mut all, mut back) = (Vec::new(), Vec::new());
    let (mut pairs, mut worst) = (Vec::new(), Vec::new());
    for item in 0..clips.min(frames.clips()) {
        let clip = frames.clip(item);
        let given: Vec<Frame> = clip
            .rgb
            .chunks_exact(clip.size.0 * clip.size.1 * 3)
            .map(|rgb| frame(clip.size, rgb.to_vec()))
            .collect();
        let returned = roundtrip(ae, &given);
        worst.extend(worst_blocks(&given, &returned, 2).into_iter().map(|block| (item, block)));
        pairs.push((given[given.len() / 2].clone(), returned[given.len() / 2].clone()));
        all.extend(given);
        back.extend(returned);
    }
    worst.sort_by(|a, b| a.1.psnr_db.total_cmp(&b.1.psnr_db));
    worst.truncate(2);
    Reconstruction { psnr_db: psnr_db(&all, &back), worst, pairs }
}

/// Frames, a multiple of four of them, to latents and back.
///
/// # Panics
/// if the frames differ in size or their number is no multiple of four
pub fn roundtrip(ae: &Ae, frames: &[Frame]) -> Vec<Frame> {
    let size = (frames[0].width, frames[0].height);
    let mut values = Vec::new();
    for group in frames.chunks_exact(FRAMES) {
        let group = std::array::from_fn(|i| group[i].rgb.as_slice());
        vae::pack(group, size.0, (0, 0), size, &mut values);
    }
    let f = frames.len() / FRAMES;
    let dims = [f, size.1 / vae::PATCH, size.0 / vae::PATCH, vae::PATCH_VALUES];
    let patches = Tensor::from_data(TensorData::new(values, dims), &device());
    let latents = ae.encode_patches(patches);
    let [_, h, w, c] = latents.dims();
    let patches = ae.decode_patches(latents.reshape([1, f, h, w, c])).into_data();
    let patches = patches.try_into_vec::<f32>().expect("patches are f32");
    patches
        .chunks_exact(size.0 * size.1 * 3 * FRAMES)
        .flat_map(|group| vae::unpack(group, size))
        .map(|rgb| frame(size, rgb))
        .collect()
}

/// Latents with mean 0 and variance 1 over the batch, each channel by itself.
fn normalise(latents: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = latents.dims();
    let flat: Tensor<2> = latents.reshape([n * h * w, c]);
    let centred = flat.clone() - flat.mean_dim(0);
    let variance = centred.clone().square().mean_dim(0);
    (centred / (variance + 1e-6).sqrt()).reshape([n, h, w, c])
}
