//! `hibari bench --work`: whole pieces of work, which `reference/compare.sh` measures beside PyTorch's.
//!
//! Shapes are those of `reference/bench_torch.py`, piece by piece. Values are arbitrary: no time depends on them.

mod wan;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use clap::ValueEnum;
use hibari_kernels::Products;
use hibari_kernels::attention::{self, attention};
use hibari_kernels::epilogue::Epilogue;
use hibari_kernels::matmul::PackedWeight;
use hibari_models::lark::config::{AeConfig, DitConfig};
use hibari_models::lark::dit::{Dit, Layout, PATCH};
use hibari_models::lark::text::{EncodedText, TextBatch};
use hibari_models::lark::vae::Ae;
use hibari_models::layers::initialise;
use hibari_models::source::Residency;
use hibari_ops::device;
use hibari_train::{Length, Rule, Schedule, Settings, Stage, StepLoss, train};
use serde::Serialize;

use crate::failure::Failure;
use crate::machine;
use crate::output::Output;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// A dense layer of 2048 tokens, 1536 to 1536, its weight packed before
    #[value(name = "linear-2048x1536x1536")]
    LinearSquare,
    /// A dense layer of 2048 tokens, 1536 to 6144
    #[value(name = "linear-2048x1536x6144")]
    LinearWide,
    /// A dense layer of 512 tokens, 384 to 1536
    #[value(name = "linear-512x384x1536")]
    LinearSmall,
    /// Attention of 4096 tokens, 12 heads of 128
    #[value(name = "attention-4096x12x128")]
    AttentionLong,
    /// Attention of 8 windows of 480 tokens, 6 heads of 64
    #[value(name = "attention-8x480x6x64")]
    AttentionWindows,
    /// A training step of a transformer of width 384 and 12 layers on 8 windows of 480 tokens
    #[value(name = "lark-s-step")]
    LarkStep,
    /// Decoding 4 s at 256x144 with the autoencoder of the design
    #[value(name = "lark-ae-decode")]
    AeDecode,
    /// The transformer of Wan 1.3B on 1280 tokens
    #[value(name = "wan-dit-1280")]
    WanShort,
    /// The same with 8-bit integers
    #[value(name = "wan-dit-1280-int8")]
    WanShortInt8,
    /// The transformer of Wan 1.3B on 3510 tokens
    #[value(name = "wan-dit-3510")]
    WanLong,
    /// The same with 8-bit integers
    #[value(name = "wan-dit-3510-int8")]
    WanLongInt8,
    /// Decoding 17 frames of 256x256 with the autoencoder of Wan 2.1
    #[value(name = "wan-vae-decode")]
    WanDecode,
}

/// Latent frames, height and width of 256x256 pixels and 17 frames, and of 416x240 and 33.
const SHORT: [usize; 3] = [5, 32, 32];
const LONG: [usize; 3] = [9, 30, 52];

#[derive(Serialize)]
struct Line {
    work: String,
    seconds: f64,
    tflops: f64,
    peak_mb: Option<f64>,
}

/// Measures a piece of work: once to warm up, then `runs` times; the median counts.
pub(crate) fn run(work: Work, runs: usize, json: bool, output: Output) -> Result<(), Failure> {
    let (mut seconds, flops) = match work {
        Work::LinearSquare => linear([2048, 1536, 1536], runs),
        Work::LinearWide => linear([2048, 1536, 6144], runs),
        Work::LinearSmall => linear([512, 384, 1536], runs),
        Work::AttentionLong => attended(1, 4096, 12, 128, runs),
        Work::AttentionWindows => attended(8, 480, 6, 64, runs),
        Work::LarkStep => step(runs)?,
        Work::AeDecode => decode(runs),
        Work::WanShort => wan::velocity(SHORT, Residency::Bf16, runs),
        Work::WanShortInt8 => wan::velocity(SHORT, Residency::Int8, runs),
        Work::WanLong => wan::velocity(LONG, Residency::Bf16, runs),
        Work::WanLongInt8 => wan::velocity(LONG, Residency::Int8, runs),
        Work::WanDecode => wan::decode(runs),
    };
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let name = work.to_possible_value().expect("none is hidden").get_name().to_owned();
    let peak_mb = machine::peak_memory_bytes().map(|bytes| bytes as f64 / 1e6);
    let line = Line { work: name, seconds: median, tflops: flops / median / 1e12, peak_mb };
    if json {
        return output.json(&line);
    }
    let memory = peak_mb.map_or_else(String::new, |mb| format!(", {mb:.0} MB"));
    let Line { work, seconds, tflops, .. } = &line;
    output.data(&format!("{work}: {seconds:.4} s, {tflops:.3} TFLOP/s{memory}"))
}

/// The times of `runs` runs after one that warms up.
fn timed(runs: usize, mut f: impl FnMut()) -> Vec<f64> {
    f();
    let mut one = || {
        let began = Instant::now();
        f();
        began.elapsed().as_secs_f64()
    };
    (0..runs).map(|_| one()).collect()
}

/// `len` values in -1..1 that are not all alike.
fn ramp(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 2_654_435_761 % 2048) as f32 / 1024.0 - 1.0).collect()
}

fn linear([m, k, n]: [usize; 3], runs: usize) -> (Vec<f64>, f64) {
    let (x, weight) = (ramp(m * k), PackedWeight::from_f32(&ramp(k * n), [k, n]));
    let seconds = timed(runs, || drop(black_box(weight.linear(&x, None, Epilogue::None, m))));
    (seconds, 2.0 * (m * k * n) as f64)
}

fn attended(
    batch: usize,
    tokens: usize,
    n_heads: usize,
    d_head: usize,
    runs: usize,
) -> (Vec<f64>, f64) {
    let shape = attention::Shape { batch, n_heads, n_queries: tokens, n_keys: tokens, d_head };
    let [q, k, v] = [(); 3].map(|()| ramp(batch * tokens * n_heads * d_head));
    let inputs = [q.as_slice(), &k, &v];
    let seconds = timed(runs, || drop(black_box(attention(inputs, None, shape, Products::Bf16))));
    (seconds, 4.0 * (batch * n_heads * tokens * tokens * d_head) as f64)
}

/// An autoencoder of the size of the design's; its widths are multiples of their neighbours', as hibari's are.
const AE: AeConfig = AeConfig {
    channels: 32,
    encoder: [64, 128, 256],
    encoder_blocks: [2, 2, 2],
    decoder: [384, 192, 96],
    decoder_blocks: [3, 3, 1],
};

fn decode(runs: usize) -> (Vec<f64>, f64) {
    let config = AE;
    let ae = initialise(Ae::new(&config, &device()), &Ae::gain, &mut |_, n| ramp(n));
    let (_, flops) = Ae::flops(&config, 256 * 144);
    let latents = TensorData::new(ramp(12 * 9 * 16 * 32), [1, 12, 9, 16, 32]);
    let latents: Tensor<5> = Tensor::from_data(latents, &device());
    let seconds = timed(runs, || {
        drop(black_box(ae.decode_patches(latents.clone()).into_data()));
    });
    (seconds, 12.0 * flops)
}

const WINDOWS: usize = 8;
const TEXT: usize = 96;

/// The training loop itself, on one batch.
struct LarkStep {
    config: DitConfig,
    layout: Layout,
    text: TextBatch,
}

fn step(runs: usize) -> Result<(Vec<f64>, f64), Failure> {
    let words = 1536;
    let config = DitConfig {
        width: 384,
        heads: 6,
        hidden: 1024,
        layers: "SF".repeat(6),
        refiner: 2,
        channels: 32,
        words,
    };
    let times = (0..12).map(|time| time as f32).collect();
    let layout = Layout { cells: (9, 16), times, still: false };
    let text = EncodedText {
        states: ramp(TEXT * 384),
        words: (0..TEXT as u32).map(|at| at * 7 % words as u32).collect(),
    };
    let text = TextBatch::new(&[&text; WINDOWS], &device());
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::internal(format!("no folder for the run: {error}")))?;
    let settings = Settings {
        length: Length::Steps(runs as u64 + 1),
        schedule: Schedule { rate: 1e-4, warmup_steps: 0, decay_share: 0.0 },
        clip: 1.0,
        ema_decay: 0.99,
        checkpoint_secs: f64::INFINITY,
        inspect_every: 0,
        folder: folder.path().join("run"),
        seed: 0,
    };
    let (text_flops, window_flops) = Dit::flops(&config, &layout, (WINDOWS, TEXT), WINDOWS);
    let mut stage = LarkStep { config, layout, text };
    let mut seconds = Vec::new();
    let mut began = Instant::now();
    train(&mut stage, &settings, &mut |_progress| {
        seconds.push(began.elapsed().as_secs_f64());
        began = Instant::now();
        ControlFlow::Continue(())
    })?;
    seconds.remove(0); // the first warms up
    Ok((seconds, 3.0 * (text_flops + window_flops)))
}

impl Stage for LarkStep {
    type Model = Dit;

    fn model(&self) -> Dit {
        initialise(Dit::new(&self.config, &device()), &Dit::gain, &mut |_, n| ramp(n))
    }

    fn loss(&mut self, model: &Dit, _step: u64) -> StepLoss {
        let values = PATCH * PATCH * self.config.channels;
        let dims = [WINDOWS, self.layout.tokens(), values];
        let noisy = TensorData::new(ramp(dims.iter().product()), dims);
        let noisy: Tensor<3> = Tensor::from_data(noisy, &device());
        let sigma = Tensor::full([WINDOWS, self.layout.times.len()], 0.5, &device());
        let text = model.text(&self.text);
        let error = model.forward(noisy.clone(), sigma, &text, &self.layout) - noisy;
        let (text_flops, window_flops) =
            Dit::flops(&self.config, &self.layout, (WINDOWS, TEXT), WINDOWS);
        StepLoss {
            loss: (error.clone() * error).mean(),
            parts: Vec::new(),
            items: WINDOWS,
            flops: 3.0 * (text_flops + window_flops),
        }
    }

    fn rule(&self, name: &str, shape: &[usize]) -> Rule {
        hibari_train::stage::dit::rule(name, shape)
    }

    fn inspect(
        &mut self,
        _averaged: &Dit,
        _step: u64,
        _folder: &Path,
    ) -> Result<Vec<(String, f64)>, hibari_train::Error> {
        Ok(Vec::new())
    }

    fn config(&self) -> String {
        format!("{:?}", self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_autoencoder_can_be() {
        assert_eq!(AE.fault(), None);
    }
}
