//! The one generation loop: request, prompt, noise, denoising, latents aside, frames.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_diffusion::Latent;
use hibari_diffusion::noise::Stream;
use hibari_media::Frame;
use hibari_models::{ModelSpec, TimedText};

use crate::error::PipelineError;
use crate::families::{Generator, Told};
use crate::given;
use crate::latents::{Latents, Made};
use crate::pixels::frame_from_pixels;
use crate::prompt::{self, Understood};
use crate::request::{Plan, Request};

/// What [`generate`] tells its caller, who may answer by asking it to stop.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The prompt was understood; only of models that want the words of the world.
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

/// Frames as the model made them, before any rounding.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    /// Frames, height and width.
    pub dims: [usize; 3],
    /// `[F, 3, H, W]`, row-major, in [-1, 1].
    pub values: Vec<f32>,
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
/// the caller removes that file. `pixels`, if given, gets the frames before they are rounded.
///
/// # Errors
/// if the model cannot make it, returns nonsense, or `progress` breaks ([`PipelineError::Canceled`])
pub fn generate(
    request: &Request,
    model: &mut dyn Generator,
    aside: &Path,
    pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let plan = request.plan(model.spec())?;

    let start = Instant::now();
    let caption = if model.spec().is_grounded {
        let mut nearest = |word: &str| model.nearest(word);
        let understood = prompt::understand(&request.prompt, request.seed, plan.form, &mut nearest);
        tell(progress, Progress::Understood(&understood))?;
        understood.caption
    } else {
        request.prompt.clone()
    };
    let understand = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let latents = denoise(request, &plan, caption, model, progress)?;
    let denoise = start.elapsed().as_secs_f64();
    match latents.save(aside) {
        Ok(()) => tell(progress, Progress::Saved(aside))?,
        Err(error) => {
            tracing::warn!(%error, "the latents are not kept: a failure from here on loses them")
        }
    }

    let clip = decode(&latents, model, pixels, progress)?;
    Ok(Clip { secs: StageSecs { understand, denoise, ..clip.secs }, ..clip })
}

/// Decodes latents to frames; `pixels`, if given, gets them before they are rounded.
///
/// # Errors
/// if the model returns nonsense, or `progress` breaks ([`PipelineError::Canceled`])
/// # Panics
/// if the latents are not of this model's form
pub fn decode(
    latents: &Latents,
    model: &dyn Generator,
    mut pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let start = Instant::now();
    let spec = model.spec();
    let of = spec.frames(latents.video.dims()[2]);
    let mut frames = Vec::with_capacity(of);
    let mut outcome = Ok(());
    tracing::debug!(frames = of, "decoding");
    model.decode(latents.video.clone(), &mut |picture| {
        if let Some(pixels) = pixels.as_deref_mut() {
            pixels.add(picture.clone());
        }
        outcome = frame_from_pixels(picture).and_then(|frame| {
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
    let spec = model.spec();
    let mut given = vec![false; plan.window.times.len()];
    let mut start = noise(request, spec, plan)?;
    if let Some(path) = &request.image {
        given[0] = true;
        start.video = begun_with(path, plan.window.size, start.video, &*model)?;
    }
    let noise_plan = spec.method.plan(plan.steps, plan.shift, &given);
    let told = match &request.states {
        Some(path) => given::states(path)?,
        None => Told::Text {
            positive: TimedText::whole(&caption),
            negative: match request.negative.as_ref().unwrap_or(&spec.negative) {
                text if text.is_empty() => TimedText::default(),
                text => TimedText::whole(text),
            },
        },
    };
    tracing::debug!(steps = plan.steps, latents = ?start.video.dims(), "denoising");
    let clean =
        model.denoise(&told, &plan.window, start, &noise_plan, &plan.guidance, &mut |step| {
            progress(Progress::Denoised { done: step.done, of: step.of })
        })?;
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

/// Latents whose first frame is that of a picture.
fn begun_with(
    path: &Path,
    (width, height): (usize, usize),
    noise: Tensor<5>,
    model: &dyn Generator,
) -> Result<Tensor<5>, PipelineError> {
    let picture = hibari_media::load_still(path)?;
    let picture = hibari_media::resized(&picture, width, height)?;
    let first = model.encode(&vec![picture; model.spec().first_frames]);
    let later = noise.dims()[2] - 1;
    let first = first.to_device(&noise.device());
    Ok(match later {
        0 => first,
        _ => Tensor::cat(vec![first, noise.narrow(2, 1, later)], 2),
    })
}

/// Pure noise `[1, C, f, h, w]`, of the seed or of a file.
fn noise(request: &Request, spec: &ModelSpec, plan: &Plan) -> Result<Latent, PipelineError> {
    let (width, height) = plan.window.size;
    let shape =
        [1, spec.channels, plan.window.times.len(), height / spec.cell_px, width / spec.cell_px];
    let video = match &request.noise {
        Some(path) => given::noise(path, shape)?,
        None => {
            let values = Stream::new(request.seed, "noise").fill_normal(shape.iter().product());
            Tensor::from_data(TensorData::new(values, shape), &Device::flex())
        }
    };
    Ok(Latent { video })
}

impl Pixels {
    fn add(&mut self, picture: Tensor<4>) {
        let [_, _, height, width] = picture.dims();
        self.dims = [self.dims[0] + 1, height, width];
        let values = picture.into_data().convert::<f32>().try_into_vec::<f32>();
        self.values.extend(values.expect("converted to f32"));
    }

    /// As videos are laid out elsewhere, `[1, 3, F, H, W]`: the dims, and the values row by row.
    pub fn by_channel(&self) -> ([usize; 5], Vec<f32>) {
        let [frames, height, width] = self.dims;
        let plane = height * width;
        let of = |channel: usize| {
            let frames = self.values.chunks_exact(3 * plane);
            frames.flat_map(move |frame| frame[channel * plane..][..plane].iter().copied())
        };
        ([1, 3, frames, height, width], (0..3).flat_map(of).collect())
    }
}

fn tell(
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    news: Progress<'_>,
) -> Result<(), PipelineError> {
    if progress(news).is_break() { Err(PipelineError::Canceled) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
