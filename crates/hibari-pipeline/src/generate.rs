//! The one generation loop: request, prompt, noise, denoising, state aside, frames.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_diffusion::noise::Stream;
use hibari_diffusion::{Latent, Position};
use hibari_media::Frame;
use hibari_models::{Decoding, Estimate, FirstPicture, ModelSpec, TimedText};

use crate::error::PipelineError;
use crate::families::{Generator, ShotText, Shown, Told};
use crate::given;
use crate::memory::{self, Gauge, MemoryPlan};
use crate::picture::Begun;
use crate::pixels::frame_from_pixels;
use crate::prompt::{self, Understood};
use crate::request::{Plan, Request};
use crate::state::{Job, Made, Means, State, values};

/// What [`generate`] tells its caller, who may answer by asking it to stop.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The prompt was understood; only of models that want the words of the world.
    Understood(&'a Understood),
    /// The work begins; only of models with an estimate.
    Planned {
        /// What memory it takes, and how it decodes.
        memory: &'a MemoryPlan,
        /// Multiplications and additions to come.
        flop: u64,
    },
    /// So many denoising steps are done.
    Denoised {
        /// Steps done, from 1.
        done: usize,
        /// Steps in all.
        of: usize,
    },
    /// The state is in this file.
    Saved(&'a Path),
    /// So much of the decoding is done, of which frames come at the end.
    Tiled {
        /// Pieces done.
        done: usize,
        /// Pieces in all.
        of: usize,
    },
    /// The memory grew short, so decoding begins again in tiles of this side, in pixels.
    Short(usize),
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
/// The state is kept now and then while the model denoises, and before the latents are decoded, so that [`resume`] can
/// take up the work after a failure; the caller removes that file. `pixels`, if given, gets the frames before they are
/// rounded.
///
/// # Errors
/// if the model cannot make it, returns nonsense, or `progress` breaks ([`PipelineError::Canceled`])
pub fn generate(
    request: &Request,
    model: &mut dyn Generator,
    means: &Means,
    pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let plan = request.plan(model.spec())?;
    let start = Instant::now();
    let shots = if let Some(mix) = prompt::mix_of(model.spec()) {
        let mut nearest = |word: &str| model.nearest(word);
        let (text, seed) = (&request.prompt, request.seed);
        let understood = prompt::understand(mix, text, seed, plan.form, &mut nearest);
        tell(progress, Progress::Understood(&understood))?;
        understood.shots
    } else {
        vec![ShotText { latents: plan.window.times.len(), text: request.prompt.clone() }]
    };
    let understand = start.elapsed().as_secs_f64();

    // What does not fit is refused before a picture is encoded; `resume` tells the plan.
    memory::plan(&*model, &plan.window, &means.memory)?;
    let mut latent = noise(request, model.spec(), &plan)?;
    let mut picture = None;
    if let Some(path) = &request.image {
        let square = match model.spec().first_picture {
            FirstPicture::Shown(square) => square,
            _ => None,
        };
        let begun = Begun::open(path, plan.window.size, square)?;
        match model.spec().first_picture {
            FirstPicture::Shown(_) => picture = Some(begun),
            _ => latent.video = begun_with(begun.frame, latent.video, &*model),
        }
    }
    let model_sha256 = model.sha256().to_owned();
    let job = Job { request: request.clone(), shots, model_sha256, done: 0 };
    let state = State { job, position: Position::start(latent), picture };
    let clip = resume(state, model, means, pixels, progress)?;
    Ok(Clip { secs: StageSecs { understand, ..clip.secs }, ..clip })
}

/// Takes up a video in the making: the frames have the same bits as if nothing had happened.
///
/// # Errors
/// as [`generate`]
/// # Panics
/// if another model began it, see [`State::is_of`]
pub fn resume(
    mut state: State,
    model: &mut dyn Generator,
    means: &Means,
    pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    assert!(state.is_of(&*model), "the state belongs to another model");
    let plan = state.request().plan(model.spec())?;
    let memory = memory::plan(&*model, &plan.window, &means.memory)?;
    if let Some(memory) = &memory {
        let calls = if plan.guidance.weight > 1.0 { 2 } else { 1 };
        let left = (plan.steps - state.position.done.min(plan.steps)) as u64;
        let &Estimate { call_flop, decode_flop, encode_flop, .. } = &memory.estimate;
        let encode_flop = if state.picture.is_some() { encode_flop } else { 0 };
        let flop = calls * left * call_flop + decode_flop + encode_flop;
        tell(progress, Progress::Planned { memory, flop })?;
    }
    let start = Instant::now();
    let tile_px = memory.as_ref().and_then(MemoryPlan::tile_px);
    if state.position.done < plan.steps {
        denoise(&mut state, &plan, model, tile_px, means, progress)?;
    }
    let denoise = start.elapsed().as_secs_f64();
    if let Some(path) = means.keep(&state) {
        tell(progress, Progress::Saved(path))?;
    }
    let whole = [Decoding::default()];
    let ways = memory.as_ref().map_or(&whole[..], MemoryPlan::decodings);
    let clip = decode(&state, model, ways, &means.memory, pixels, progress)?;
    Ok(Clip { secs: StageSecs { denoise, ..clip.secs }, ..clip })
}

/// Decodes clean latents to frames in the first of these ways that the memory is enough for; `pixels`, if given, gets them
/// before they are rounded.
///
/// Systems that promise more memory than they have end a program that uses it, so no allocation is waited for to fail:
/// before each piece of the work, what is available is held against what is still to be taken.
fn decode(
    state: &State,
    model: &dyn Generator,
    ways: &[Decoding],
    available: &Gauge,
    mut pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError> {
    let start = Instant::now();
    for (idx, way) in ways.iter().enumerate() {
        if let (1.., Some(tile_px)) = (idx, way.tile_px) {
            tell(progress, Progress::Short(tile_px))?;
        }
        if let Some(pixels) = pixels.as_deref_mut() {
            *pixels = Pixels::default();
        }
        let frames = attempt(state, model, *way, available, pixels.as_deref_mut(), progress)?;
        if let Some(frames) = frames {
            let secs = StageSecs { decode: start.elapsed().as_secs_f64(), ..StageSecs::default() };
            return Ok(Clip { frames, fps: model.spec().fps, made: state.made(), secs });
        }
    }
    let need = ways.last().map_or(0, |way| way.bytes);
    Err(PipelineError::Decoding { need_mb: need >> 20, have_mb: available.bytes() >> 20 })
}

/// All frames, or nothing if the memory grew short.
fn attempt(
    state: &State,
    model: &dyn Generator,
    way: Decoding,
    available: &Gauge,
    mut pixels: Option<&mut Pixels>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Option<Vec<Frame>>, PipelineError> {
    let latents = &state.position.latent.video;
    let of = model.spec().frames(latents.dims()[2]);
    let mut frames = Vec::with_capacity(of);
    // What ends it early: an error, or nothing if the memory is short.
    let ended: RefCell<Option<Option<PipelineError>>> = RefCell::new(None);
    let end = |error| {
        *ended.borrow_mut() = Some(error);
        ControlFlow::Break(())
    };
    let progress = RefCell::new(progress);
    let told = |news| tell(*progress.borrow_mut(), news);
    tracing::debug!(frames = of, tile_px = ?way.tile_px, "decoding");
    let piece = &mut |done, of_pieces| {
        let need = if done == 0 { way.bytes - way.weight_bytes } else { way.piece_bytes };
        if available.bytes() < need {
            return end(None);
        }
        if way.tile_px.is_some()
            && let Err(error) = told(Progress::Tiled { done, of: of_pieces })
        {
            return end(Some(error));
        }
        ControlFlow::Continue(())
    };
    let mut frame = |picture: Tensor<4>| {
        if let Some(pixels) = pixels.as_deref_mut() {
            pixels.add(picture.clone());
        }
        let outcome = frame_from_pixels(picture).and_then(|frame| {
            frames.push(frame);
            told(Progress::Decoded { done: frames.len(), of })
        });
        outcome.map_or_else(|error| end(Some(error)), ControlFlow::Continue)
    };
    let mut from = 0;
    for ShotText { latents: n, .. } in &state.job.shots {
        if ended.borrow().is_none() {
            model.decode(latents.clone().narrow(2, from, *n), way.tile_px, piece, &mut frame);
        }
        from += n;
    }
    match ended.into_inner() {
        Some(Some(error)) => Err(error),
        Some(None) => Ok(None),
        None => {
            assert_eq!(frames.len(), of, "frames decoded and frames wanted");
            Ok(Some(frames))
        }
    }
}

/// Brings the state to clean latents, and keeps it on the way.
fn denoise(
    state: &mut State,
    plan: &Plan,
    model: &mut dyn Generator,
    tile_px: Option<usize>,
    means: &Means,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<(), PipelineError> {
    let spec = model.spec();
    let request = state.request().clone();
    let shown = state.picture.as_ref().map(|begun| Shown { picture: begun.picture(), tile_px });
    let mut given = vec![false; plan.window.times.len()];
    given[0] = request.image.is_some() && shown.is_none();
    let noise_plan = spec.method.plan(plan.steps, plan.shift, &given);
    let told = match &request.states {
        Some(path) => given::states(path)?,
        None => Told::Text {
            positive: state.job.shots.clone(),
            negative: match request.negative.as_ref().unwrap_or(&spec.negative) {
                text if text.is_empty() => TimedText::default(),
                text => TimedText::whole(text),
            },
        },
    };
    let start = state.position.clone();
    tracing::debug!(steps = plan.steps, done = start.done, latents = ?start.latent.video.dims(), "denoising");
    let mut kept = Instant::now();
    let clean = model.denoise(
        &told,
        shown.as_ref(),
        &plan.window,
        start,
        &noise_plan,
        &plan.guidance,
        &mut |step| {
            if step.done < step.of && kept.elapsed() >= means.every {
                state.reach(step.position());
                if let Some(path) = means.keep(state) {
                    progress(Progress::Saved(path))?;
                }
                kept = Instant::now();
            }
            progress(Progress::Denoised { done: step.done, of: step.of })
        },
    )?;
    if values(&clean.video).iter().any(|value| !value.is_finite()) {
        return Err(PipelineError::NotFinite);
    }
    state.reach(Position { latent: clean, done: plan.steps, memory: Vec::new() });
    state.picture = None; // it has done its work
    Ok(())
}

/// Latents whose first frame is that of a picture.
fn begun_with(picture: Frame, noise: Tensor<5>, model: &dyn Generator) -> Tensor<5> {
    let first = model.encode(&vec![picture; model.spec().first_frames]);
    let later = noise.dims()[2] - 1;
    let first = first.to_device(&noise.device());
    match later {
        0 => first,
        _ => Tensor::cat(vec![first, noise.narrow(2, 1, later)], 2),
    }
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
