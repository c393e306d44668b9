//! The one generation loop: request, prompt, noise, denoising, latents aside, frames.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_diffusion::noise::Stream;
use hibari_diffusion::{Guidance, Latent, NoisePlan, schedule};
use hibari_media::Frame;
use hibari_models::{ModelSpec, TimedText};

use crate::error::PipelineError;
use crate::families::Generator;
use crate::latents::{Latents, Made};
use crate::pixels::frame_from_pixels;
use crate::prompt::{self, Understood};
use crate::request::{Plan, Request};

/// Noise levels between which guidance acts: above, it narrows what is drawn; below, it costs and changes little.
///
/// # Source
/// Kynkäänniemi et al. 2404.07724.
const GUIDED: (f64, f64) = (0.1, 0.8);

/// What [`generate`] tells its caller, who may answer by asking it to stop.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The prompt was understood.
    Understood(&'a Understood),
    /// So many denoising steps are done.
    Denoised {
        /// Steps done, from 1.
        done: usize,
        /// Steps in all.
        of: usize,
    },
    /// The latents are in this file.
    Saved(&'a Path),
    /// So many frames are decoded.
    Decoded {
        /// Frames done, from 1.
        done: usize,
        /// Frames in all.
        of: usize,
    },
}

/// A video.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Its pictures.
    pub frames: Vec<Frame>,
    /// Frames a second.
    pub fps: u32,
    /// What it was made from.
    pub made: Made,
    /// Where the time went.
    pub secs: StageSecs,
}

/// Seconds of each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageSecs {
    /// Reading the prompt.
    pub understand: f64,
    /// Denoising, the text encoder included.
    pub denoise: f64,
    /// Latents to frames.
    pub decode: f64,
}

/// Makes the video that `request` asks for.
///
/// The latents are written to `aside` before they are decoded, so that [`decode`] can finish the work after a failure;
/// the caller removes that file.
///
/// # Errors
/// if the model cannot make it, returns nonsense, or `progress` breaks ([`PipelineError::Canceled`])
pub fn generate(
    request: &Request,
    model: &mut dyn Generator,
    aside: &Path,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let plan = request.plan(model.spec())?;

    let start = Instant::now();
    let mut nearest = |word: &str| model.nearest(word);
    let understood = prompt::understand(&request.prompt, request.seed, plan.form, &mut nearest);
    let understand = start.elapsed().as_secs_f64();
    tell(progress, Progress::Understood(&understood))?;

    let start = Instant::now();
    let latents = denoise(request, &plan, understood.caption, model, progress)?;
    let denoise = start.elapsed().as_secs_f64();
    match latents.save(aside) {
        Ok(()) => tell(progress, Progress::Saved(aside))?,
        Err(error) => {
            tracing::warn!(%error, "the latents are not kept: a failure from here on loses them")
        }
    }

    let clip = decode(&latents, model, progress)?;
    Ok(Clip { secs: StageSecs { understand, denoise, ..clip.secs }, ..clip })
}

/// Decodes latents to frames.
///
/// # Errors
/// if the model returns nonsense, or `progress` breaks ([`PipelineError::Canceled`])
/// # Panics
/// if the latents are not of this model's form
pub fn decode(
    latents: &Latents,
    model: &dyn Generator,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let start = Instant::now();
    let spec = model.spec();
    let of = latents.video.dims()[2] * spec.frames_per_latent;
    let mut frames = Vec::with_capacity(of);
    let mut outcome = Ok(());
    tracing::debug!(frames = of, "decoding");
    model.decode(latents.video.clone(), &mut |pixels| {
        outcome = frame_from_pixels(pixels).and_then(|frame| {
            frames.push(frame);
            tell(progress, Progress::Decoded { done: frames.len(), of })
        });
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    outcome?;
    assert_eq!(frames.len(), of, "frames decoded and frames wanted");
    let secs = StageSecs { decode: start.elapsed().as_secs_f64(), ..StageSecs::default() };
    Ok(Clip { frames, fps: spec.fps, made: latents.made.clone(), secs })
}

fn denoise(
    request: &Request,
    plan: &Plan,
    caption: String,
    model: &mut dyn Generator,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Latents, PipelineError> {
    let levels = schedule::linear(plan.steps, model.spec().shift);
    let noise_plan = NoisePlan::uniform(&levels, plan.window.times.len());
    let guidance = Guidance { weight: plan.guidance, from: GUIDED.0, to: GUIDED.1 };
    let start = noise(request.seed, model.spec(), plan);
    tracing::debug!(steps = plan.steps, latents = ?start.video.dims(), "denoising");
    let clean = model.denoise(
        &TimedText::whole(&caption),
        &plan.window,
        start,
        &noise_plan,
        &guidance,
        &mut |step| progress(Progress::Denoised { done: step.done, of: step.of }),
    )?;
    let made = Made {
        prompt: request.prompt.clone(),
        caption,
        seed: request.seed,
        model_sha256: model.sha256().to_owned(),
    };
    let latents = Latents { video: clean.video, made };
    if latents.values().iter().any(|value| !value.is_finite()) {
        return Err(PipelineError::NotFinite);
    }
    Ok(latents)
}

/// Pure noise `[1, C, f, h, w]`.
fn noise(seed: u64, spec: &ModelSpec, plan: &Plan) -> Latent {
    let (width, height) = plan.window.size;
    let shape =
        [1, spec.channels, plan.window.times.len(), height / spec.cell_px, width / spec.cell_px];
    let values = Stream::new(seed, "noise").fill_normal(shape.iter().product());
    Latent { video: Tensor::from_data(TensorData::new(values, shape), &Device::flex()) }
}

fn tell(
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    news: Progress<'_>,
) -> Result<(), PipelineError> {
    if progress(news).is_break() { Err(PipelineError::Canceled) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
