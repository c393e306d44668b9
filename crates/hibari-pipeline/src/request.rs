//! What is asked of a model, held against what it can make.

use std::path::PathBuf;

use hibari_diffusion::Guidance;
use hibari_models::source::Settings;
use hibari_models::{FirstPicture, ModelSpec, Window};
use hibari_world::ClipForm;
use hibari_world::grounding::count_shots;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::prompt;

/// Longest prompt, in characters.
pub const MAX_PROMPT_CHARS: usize = 32_000;
/// Most denoising steps: more change nothing that can be seen.
const MAX_STEPS: usize = 1_000;
/// Strongest guidance: beyond it colours burn out.
const MAX_GUIDANCE: f64 = 20.0;
/// How far a length may be from one that can be made, in seconds: `0.67` means two thirds.
const SECONDS_TOLERANCE: f64 = 0.01;

/// The files of a published or trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFiles {
    /// The file or folder.
    pub path: PathBuf,
    /// What belongs to it, and how it is loaded.
    pub settings: Settings,
}

/// A video to make. `None` leaves a setting to the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Where the model is, for whoever takes up the work; `None` for one that is part of the program.
    pub model: Option<ModelFiles>,
    /// The text, as it was typed.
    pub prompt: String,
    /// Seed of all that the prompt leaves open, and of the noise.
    pub seed: u64,
    /// Width and height, in pixels.
    pub size: Option<(usize, usize)>,
    /// Length, in seconds.
    pub seconds: Option<f64>,
    /// Length, in frames; in place of the seconds.
    pub frames: Option<usize>,
    /// Frames a second.
    pub fps: Option<u32>,
    /// Denoising steps.
    pub steps: Option<usize>,
    /// Guidance weight; 1 asks the model once a step.
    pub guidance: Option<f64>,
    /// Guidance weight of the expert of low noise, for models that have one.
    pub guidance_low: Option<f64>,
    /// Shift of the schedule: more of the steps at high noise.
    pub shift: Option<f64>,
    /// What the video should not show.
    pub negative: Option<String>,
    /// A picture that the video begins with, PNG or WebP; it is brought to the size of the video.
    pub image: Option<PathBuf>,
    /// A file with the noise to begin with, in place of the seed's: `latents`, `[1, C, f, h, w]`.
    pub noise: Option<PathBuf>,
    /// A file with token states in place of the prompt's: `prompt_embeds` and `negative_prompt_embeds`, `[1, L, D]`.
    pub states: Option<PathBuf>,
}

/// A request that the model can meet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// What the world calls it.
    pub(crate) form: ClipForm,
    /// What the model calls it.
    pub(crate) window: Window,
    /// Denoising steps.
    pub(crate) steps: usize,
    /// How it is guided.
    pub(crate) guidance: Guidance,
    /// Shift of the schedule.
    pub(crate) shift: f64,
}

impl Request {
    /// Holds the request against what the model can make.
    ///
    /// # Errors
    /// for the first setting that does not fit, with the nearest value that does
    pub(crate) fn plan(&self, spec: &ModelSpec) -> Result<Plan, PipelineError> {
        self.check_prompt()?;
        let preset = || spec.preset.clone();
        match (&self.image, spec.first_picture) {
            (Some(path), FirstPicture::None) => {
                return Err(PipelineError::Image { path: path.clone(), preset: preset() });
            }
            (None, FirstPicture::Shown(_)) => {
                return Err(PipelineError::NoImage { preset: preset() });
            }
            _ => {}
        }
        let (width, height) = self.size_of(spec)?;
        let n_latents = self.n_latents(spec)?;
        let number = |value: usize| u32::try_from(value).expect("a model's sizes are small");
        Ok(Plan {
            form: ClipForm {
                width: number(width),
                height: number(height),
                fps: self.fps_of(spec)?,
                frames: number(spec.frames(n_latents)),
            },
            window: Window {
                size: (width, height),
                times: (0..n_latents).map(|time| time as f32).collect(),
                still: false,
            },
            steps: self.steps_of(spec)?,
            guidance: self.guidance_of(spec)?,
            shift: self.shift_of(spec)?,
        })
    }

    fn check_prompt(&self) -> Result<(), PipelineError> {
        if self.prompt.trim().is_empty() {
            return Err(PipelineError::EmptyPrompt);
        }
        let chars = self.prompt.chars().count();
        if chars > MAX_PROMPT_CHARS {
            return Err(PipelineError::LongPrompt { chars });
        }
        Ok(())
    }

    fn size_of(&self, spec: &ModelSpec) -> Result<(usize, usize), PipelineError> {
        let usual = *spec.sizes.first().expect("a model has at least one size");
        let Some(size) = self.size else { return Ok(usual) };
        if spec.sizes.contains(&size) {
            return Ok(size);
        }
        let text = |(width, height): (usize, usize)| format!("{width}x{height}");
        if let Some(step) = spec.side_step {
            let side =
                |side: usize| (side.saturating_add(step / 2) / step).clamp(1, MAX_SIDES) * step;
            let nearest = (side(size.0), side(size.1));
            let valid = format!("sides that are multiples of {step}");
            return if nearest == size {
                Ok(size)
            } else {
                Err(wrong("size", text(size), text(nearest), valid))
            };
        }
        let distance = |known: &&(usize, usize)| {
            known.0.abs_diff(size.0).saturating_add(known.1.abs_diff(size.1))
        };
        let nearest = *spec.sizes.iter().min_by_key(distance).unwrap_or(&usual);
        let valid: Vec<String> = spec.sizes.iter().map(|&size| text(size)).collect();
        Err(wrong("size", text(size), text(nearest), valid.join(", ")))
    }

    /// The length in latent frames; each shot that the prompt tells of may be as long as a window.
    fn n_latents(&self, spec: &ModelSpec) -> Result<usize, PipelineError> {
        let (first, step) = (spec.first_frames, spec.frames_per_latent);
        let n_shots = prompt::mix_of(spec).map_or(1, |mix| count_shots(mix, &self.prompt));
        let longest = spec.max_window * n_shots;
        // The latent frames whose number of frames is nearest; a NaN becomes one, and is refused below.
        let nearest = |frames: f64| {
            let later = ((frames - first as f64) / step as f64).round().max(0.0) as usize;
            later.saturating_add(1).clamp(n_shots, longest)
        };
        if let Some(frames) = self.frames {
            let n_latents = nearest(frames as f64);
            if spec.frames(n_latents) == frames {
                return Ok(n_latents);
            }
            let ends = [n_shots, longest].map(|n_latents| spec.frames(n_latents));
            let valid =
                format!("{} to {} frames in steps of {step}{}", ends[0], ends[1], of(n_shots));
            return Err(wrong("frames", frames, spec.frames(n_latents), valid));
        }
        let Some(seconds) = self.seconds else { return Ok(spec.usual_window * n_shots) };
        let fps = f64::from(spec.fps);
        let n_latents = nearest(seconds * fps);
        // Where one frame stands alone, no length is round, and the nearest is meant.
        let tolerance = if first == step { SECONDS_TOLERANCE } else { step as f64 / fps / 2.0 };
        let length = |n_latents: usize| spec.frames(n_latents) as f64 / fps;
        if seconds > 0.0 && (length(n_latents) - seconds).abs() <= tolerance {
            return Ok(n_latents);
        }
        let text = |seconds: f64| {
            let text = format!("{seconds:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let ends = [n_shots, longest].map(|n_latents| text(length(n_latents)));
        let steps = text(step as f64 / fps);
        let valid =
            format!("{} to {} seconds in steps of {steps}{}", ends[0], ends[1], of(n_shots));
        Err(wrong("seconds", seconds, text(length(n_latents)), valid))
    }

    fn fps_of(&self, spec: &ModelSpec) -> Result<u32, PipelineError> {
        match self.fps {
            Some(fps) if fps != spec.fps => {
                Err(wrong("fps", fps, spec.fps, format!("{} frames a second", spec.fps)))
            }
            _ => Ok(spec.fps),
        }
    }

    fn steps_of(&self, spec: &ModelSpec) -> Result<usize, PipelineError> {
        let steps = self.steps.unwrap_or(spec.steps);
        let nearest = steps.clamp(1, MAX_STEPS);
        if steps != nearest {
            return Err(wrong("steps", steps, nearest, format!("1 to {MAX_STEPS} steps")));
        }
        Ok(steps)
    }

    fn shift_of(&self, spec: &ModelSpec) -> Result<f64, PipelineError> {
        let shift = self.shift.unwrap_or(spec.shift);
        if (0.01..=MAX_SHIFT).contains(&shift) {
            return Ok(shift);
        }
        let nearest = if shift.is_nan() { 1.0 } else { shift.clamp(0.01, MAX_SHIFT) };
        Err(wrong("shift", shift, nearest, format!("shifts from 0.01 to {MAX_SHIFT}")))
    }

    fn guidance_of(&self, spec: &ModelSpec) -> Result<Guidance, PipelineError> {
        let (from, to) = spec.guided;
        let weight = guidance("guidance", self.guidance.unwrap_or(spec.guidance))?;
        let low = match (spec.low_noise, self.guidance_low) {
            (Some(low), own) => {
                // Who sets one weight means both.
                let usual = self.guidance.unwrap_or(low.guidance);
                Some((low.below, guidance("guidance-low", own.unwrap_or(usual))?))
            }
            (None, None) => None,
            (None, Some(own)) => {
                let valid = "models with an expert for low noise".into();
                return Err(wrong("guidance-low", own, "none", valid));
            }
        };
        Ok(Guidance { weight, low, from, to })
    }
}

/// Whose length that is, if it is of several shots.
fn of(n_shots: usize) -> String {
    if n_shots > 1 { format!(" for {n_shots} shots") } else { String::new() }
}

fn guidance(setting: &'static str, weight: f64) -> Result<f64, PipelineError> {
    if (1.0..=MAX_GUIDANCE).contains(&weight) {
        return Ok(weight);
    }
    let nearest = if weight.is_nan() { 1.0 } else { weight.clamp(1.0, MAX_GUIDANCE) };
    Err(wrong(setting, weight, nearest, format!("guidance from 1 to {MAX_GUIDANCE}")))
}

/// Strongest shift: all but the last step at full noise.
const MAX_SHIFT: f64 = 100.0;
/// Largest side, in steps of sides.
const MAX_SIDES: usize = 1 << 16;

fn wrong(
    setting: &'static str,
    value: impl ToString,
    nearest: impl ToString,
    valid: String,
) -> PipelineError {
    let (value, nearest) = (value.to_string(), nearest.to_string());
    PipelineError::Setting { setting, value, nearest, valid }
}

#[cfg(test)]
mod tests {
    use hibari_diffusion::Method;
    use hibari_models::LowNoise;

    use super::*;

    fn spec() -> ModelSpec {
        ModelSpec {
            family: "lark",
            preset: "tiny".into(),
            sizes: vec![(256, 144), (144, 256), (192, 192)],
            side_step: None,
            fps: 12,
            channels: 32,
            cell_px: 16,
            first_frames: 4,
            frames_per_latent: 4,
            usual_window: 12,
            max_window: 12,
            steps: 24,
            guidance: 2.5,
            low_noise: None,
            guided: (0.1, 0.8),
            negative: String::new(),
            shift: 1.0,
            method: Method::DpmPp2M,
            first_picture: FirstPicture::None,
            words: vec!["dog".into()],
        }
    }

    /// As the open models are: any size of whole tokens, one frame more than a multiple of four.
    fn open_spec() -> ModelSpec {
        ModelSpec {
            sizes: vec![(832, 480)],
            side_step: Some(16),
            fps: 16,
            first_frames: 1,
            usual_window: 21,
            max_window: 256,
            ..spec()
        }
    }

    fn request() -> Request {
        Request { prompt: "a dog".into(), seed: 1, ..Request::default() }
    }

    #[test]
    fn what_is_left_open_is_the_models_own() {
        let plan = request().plan(&spec()).unwrap();
        assert_eq!(plan.form, ClipForm { width: 256, height: 144, fps: 12, frames: 48 });
        assert_eq!((plan.window.times.len(), plan.steps, plan.guidance.weight), (12, 24, 2.5));
    }

    #[test]
    fn lengths_in_thirds_of_a_second_fit() {
        for (seconds, n_latents) in [(4.0, 12), (0.33, 1), (1.0 / 3.0, 1), (2.67, 8), (1.0, 3)] {
            let plan = Request { seconds: Some(seconds), ..request() }.plan(&spec()).unwrap();
            assert_eq!(plan.window.times.len(), n_latents, "{seconds} s");
        }
    }

    #[test]
    fn each_shot_may_be_as_long_as_a_window() {
        let prompt = "Shot 1: a dog runs in a park. Shot 2: it sits. Shot 3: it is night.";
        let stories = Request { prompt: prompt.into(), ..request() };
        let n_latents = |seconds| {
            let plan = Request { seconds, ..stories.clone() }.plan(&spec())?;
            Ok::<_, PipelineError>(plan.window.times.len())
        };
        assert_eq!(n_latents(None).unwrap(), 36);
        assert_eq!(n_latents(Some(4.0)).unwrap(), 12);
        assert_eq!(n_latents(Some(1.0)).unwrap(), 3);
        for (seconds, nearest) in [(0.33, "`1`"), (20.0, "`12`")] {
            let error = n_latents(Some(seconds)).unwrap_err();
            assert!(error.hint().contains(nearest), "{}", error.hint());
            assert!(error.hint().contains("for 3 shots"), "{}", error.hint());
        }
        let reads_itself = ModelSpec { words: Vec::new(), ..open_spec() };
        assert_eq!(stories.plan(&reads_itself).unwrap().window.times.len(), 21);
    }

    #[test]
    fn sizes_and_lengths_of_open_models_are_free_but_for_their_steps() {
        let plan = |request: Request| request.plan(&open_spec());
        let usual = plan(request()).unwrap();
        assert_eq!((usual.window.times.len(), usual.form.frames, usual.form.width), (21, 81, 832));
        let small = Request { size: Some((48, 32)), frames: Some(9), ..request() };
        assert_eq!(plan(small).unwrap().window.times.len(), 3);
        let five = Request { seconds: Some(5.0), ..request() };
        assert_eq!(plan(five).unwrap().form.frames, 81, "the nearest length is meant");
        let nearest = |request: Request| match plan(request).unwrap_err() {
            PipelineError::Setting { nearest, .. } => nearest,
            error => panic!("{error}"),
        };
        assert_eq!(nearest(Request { size: Some((50, 30)), ..request() }), "48x32");
        assert_eq!(nearest(Request { size: Some((0, 7)), ..request() }), "16x16");
        assert_eq!(nearest(Request { frames: Some(80), ..request() }), "81");
        assert_eq!(nearest(Request { frames: Some(0), ..request() }), "1");
        assert_eq!(nearest(Request { frames: Some(5_000), ..request() }), "1021");
        let image = Request { image: Some("a.png".into()), ..request() };
        assert!(matches!(plan(image.clone()), Err(PipelineError::Image { .. })));
        let shown = ModelSpec { first_picture: FirstPicture::Shown(None), ..open_spec() };
        assert!(image.plan(&shown).is_ok());
        assert!(matches!(request().plan(&shown), Err(PipelineError::NoImage { .. })));
        assert_eq!(nearest(Request { shift: Some(-1.0), ..request() }), "0.01");
    }

    #[test]
    fn what_does_not_fit_names_the_nearest_that_does() {
        let check = |request: Request, expected: &str| {
            let error = request.plan(&spec()).unwrap_err();
            let PipelineError::Setting { nearest, .. } = &error else { panic!("{error}") };
            assert_eq!(nearest, expected, "{error}");
            assert!(error.hint().contains(expected));
        };
        check(Request { size: Some((1920, 1080)), ..request() }, "256x144");
        check(Request { size: Some((100, 300)), ..request() }, "144x256");
        check(Request { size: Some((usize::MAX, usize::MAX)), ..request() }, "256x144");
        for (seconds, nearest) in
            [(0.0, "0.33"), (-1.0, "0.33"), (f64::NAN, "0.33"), (2.5, "2.67"), (10_000.0, "4")]
        {
            check(Request { seconds: Some(seconds), ..request() }, nearest);
        }
        check(Request { fps: Some(24), ..request() }, "12");
        check(Request { steps: Some(0), ..request() }, "1");
        check(Request { steps: Some(100_000), ..request() }, "1000");
        for (guidance, nearest) in [(0.0, "1"), (f64::NAN, "1"), (f64::INFINITY, "20")] {
            check(Request { guidance: Some(guidance), ..request() }, nearest);
        }
    }

    #[test]
    fn experts_are_guided_each_its_way() {
        let low_noise = Some(LowNoise { below: 0.875, guidance: 3.0 });
        let spec = ModelSpec { low_noise, guidance: 4.0, guided: (0.0, 1.0), ..open_spec() };
        let guidance = |request: Request| request.plan(&spec).unwrap().guidance;
        let usual = guidance(request());
        assert_eq!(
            [0.9, 0.875, 0.5].map(|sigma| usual.at(sigma)),
            [Some(4.0), Some(4.0), Some(3.0)]
        );
        assert_eq!(guidance(Request { guidance: Some(5.0), ..request() }).low, Some((0.875, 5.0)));
        let both = Request { guidance: Some(5.0), guidance_low: Some(1.0), ..request() };
        assert_eq!(guidance(both).low, Some((0.875, 1.0)));
        let lone = Request { guidance_low: Some(2.0), ..request() }.plan(&open_spec());
        assert!(matches!(lone, Err(PipelineError::Setting { setting: "guidance-low", .. })));
    }

    #[test]
    fn prompts_have_words_and_an_end() {
        let plan = |prompt: String| Request { prompt, ..request() }.plan(&spec());
        assert!(matches!(plan(" \n".into()), Err(PipelineError::EmptyPrompt)));
        assert!(plan("é".repeat(MAX_PROMPT_CHARS)).is_ok());
        let long = plan("é".repeat(MAX_PROMPT_CHARS + 1)).unwrap_err();
        assert!(matches!(long, PipelineError::LongPrompt { chars: 32_001 }), "{long}");
    }
}
