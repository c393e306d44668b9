//! `hibari generate`: a prompt to a video file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hibari_media::Provenance;
use hibari_pipeline::{Clip, Generator, Made, Pixels, Progress, Request, StageSecs, Understood};
use hibari_weights::{StoredTensor, write_safetensors};
use hibari_world::Grounding;
use serde::Serialize;
use tempfile::TempPath;

use crate::args::{self, Files};
use crate::failure::Failure;
use crate::output::{Bar, Output};
use crate::targets::Targets;
use crate::{cancel, embedded, machine};

/// Make a video from a text
///
/// The text is matched to what the model has learned to draw (`hibari world vocabulary`); what it leaves open is drawn
/// by the seed. The same text and seed give the same video.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari generate \"a woman in a long red dress walks down a neon street at night, the ground is wet\"
  hibari generate \"a blue ball bounces on a table\" --size 192x192 --seconds 2 --seed 3 --out ball.mp4
  hibari generate \"a dog runs in the park\" --steps 12 --sheet dog.png    (faster, and a sheet of frames)
  hibari generate \"a car drives by\" --json | jq .path
  hibari generate \"a cat on a roof\" --model Wan2.1-T2V-1.3B-Diffusers --frames 33 --size 480x272
  hibari generate \"a cat on a roof\" --model wan2.1_t2v_1.3b-q8_0.gguf --with vae/wan_2.1_vae.safetensors \\
      --with umt5_xxl_fp8.safetensors --with tokenizer.json --lora ink.safetensors=0.7")]
pub(crate) struct Args {
    /// What to show, in free English
    prompt: String,
    /// Another number, another video of the same text
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Width and height in pixels [default: the model's, 256x144 of the embedded one]
    #[arg(long, value_name = "WxH", value_parser = args::size)]
    size: Option<(usize, usize)>,
    /// Length [default: the longest that the model makes]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// Length in frames, in place of the seconds
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    frames: Option<usize>,
    /// Frames a second [default: the model's]
    #[arg(long, value_name = "N")]
    fps: Option<u32>,
    /// Denoising steps: fewer are faster and rougher [default: the model's]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// How strictly to follow the text; 1 is loosest and takes half the time [default: the model's]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// The same while little noise is left, for models that have an expert for that [default: the model's]
    #[arg(long, value_name = "W", allow_negative_numbers = true)]
    guidance_low: Option<f64>,
    /// A picture that the video begins with, for models that take one: PNG or WebP
    #[arg(long, value_name = "FILE.png")]
    image: Option<PathBuf>,
    /// How many of the steps are at high noise [default: the model's]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    shift: Option<f64>,
    /// What the video should not show, for models that listen [default: the model's]
    #[arg(long, value_name = "TEXT")]
    negative: Option<String>,
    #[command(flatten)]
    model: args::Model,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    files: Files,
    /// Also keep the latents, which `hibari decode` makes a video of
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Files to write")]
    save_latents: Option<PathBuf>,
    /// Print what was made as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What to compare with other programs by.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "To compare with other programs, number by number")]
struct Given {
    /// Noise to begin with: `latents`, [1, C, f, h, w]
    #[arg(long, value_name = "FILE.safetensors")]
    noise: Option<PathBuf>,
    /// The encoded prompt: `prompt_embeds` and `negative_prompt_embeds`, [1, L, D]
    #[arg(long, value_name = "FILE.safetensors")]
    prompt_embeds: Option<PathBuf>,
    /// Also keep the frames before any rounding: `frames`, [1, 3, F, H, W] in [-1, 1]
    #[arg(long, value_name = "FILE.safetensors")]
    save_frames: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a PathBuf,
    sheet: Option<&'a PathBuf>,
    gif: Option<&'a PathBuf>,
    prompt: &'a str,
    caption: &'a str,
    unknown_words: &'a [String],
    guessed_words: &'a [hibari_world::grounding::Guess],
    impossible: &'a [String],
    seed: u64,
    width: usize,
    height: usize,
    frames: usize,
    fps: u32,
    model: String,
    model_sha256: &'a str,
    seconds: Seconds,
    peak_memory_bytes: Option<u64>,
}

/// Where the time went.
#[derive(Serialize)]
struct Seconds {
    load: f64,
    understand: f64,
    denoise: f64,
    decode: f64,
    write: f64,
    total: f64,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let start = Instant::now();
    cancel::install()?;
    let targets = Targets::new(&args.files, &args.prompt)?;
    let mut model = embedded::load(args.model.model.as_deref(), args.model.settings())?;
    let load = start.elapsed().as_secs_f64();
    let request = Request {
        prompt: args.prompt.clone(),
        seed: args.seed,
        size: args.size,
        seconds: args.seconds,
        frames: args.frames,
        fps: args.fps,
        steps: args.steps,
        guidance: args.guidance,
        guidance_low: args.guidance_low,
        shift: args.shift,
        negative: args.negative.clone(),
        image: args.image.clone(),
        noise: args.given.noise.clone(),
        states: args.given.prompt_embeds.clone(),
    };

    let aside = Aside::new(args.save_latents.as_deref())?;
    let mut watch = Watch { output, grounding: None, is_saved: false, bar: None };
    let mut pixels = Pixels::default();
    let kept = args.given.save_frames.is_some().then_some(&mut pixels);
    let mut tell = |progress: Progress<'_>| {
        watch.tell(progress);
        cancel::flow()
    };
    let made = hibari_pipeline::generate(&request, model.as_mut(), &aside.path, kept, &mut tell);
    let is_saved = watch.is_saved;
    let grounding = watch.grounding.take();
    drop(watch);
    let write = Instant::now();
    let clip = made.map_err(Failure::from).and_then(|clip| {
        if let Some(path) = &args.given.save_frames {
            save_frames(path, &pixels)?;
        }
        targets.write(&clip, &provenance(&clip.made))?;
        Ok(clip)
    });
    let clip = match clip {
        Err(failure) if is_saved && !failure.is_canceled() => return Err(aside.keep(failure)),
        other => other?,
    };

    if let Some(path) = &args.save_latents {
        aside.keep_as(path)?;
    }
    let total = start.elapsed().as_secs_f64();
    output.note(&wrote(&targets, &clip, total));
    if args.json {
        let StageSecs { understand, denoise, decode } = clip.secs;
        let write = write.elapsed().as_secs_f64();
        let grounding = grounding.unwrap_or_default();
        let seconds = Seconds { load, understand, denoise, decode, write, total };
        output.json(&report(&targets, &clip, &grounding, model.as_ref(), seconds))?;
    }
    Ok(())
}

/// Writes frames as videos are laid out elsewhere.
fn save_frames(path: &Path, pixels: &Pixels) -> Result<(), Failure> {
    let (dims, values) = pixels.by_channel();
    let tensor = StoredTensor::from_f32("frames", &dims, &values);
    Ok(write_safetensors(path, &[tensor], &BTreeMap::new())?)
}

/// What made the file.
pub(crate) fn provenance(made: &Made) -> Provenance {
    Provenance {
        generator: "hibari".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        prompt: made.prompt.clone(),
        seed: made.seed,
        model_sha256: made.model_sha256.clone(),
    }
}

/// The last line.
pub(crate) fn wrote(targets: &Targets, clip: &Clip, secs: f64) -> String {
    let frame = &clip.frames[0];
    format!(
        "wrote {} ({}x{}, {} frames at {} a second, seed {}) in {secs:.1} s",
        targets.video.display(),
        frame.width,
        frame.height,
        clip.frames.len(),
        clip.fps,
        clip.made.seed,
    )
}

fn report<'a>(
    targets: &'a Targets,
    clip: &'a Clip,
    grounding: &'a Grounding,
    model: &dyn Generator,
    seconds: Seconds,
) -> Report<'a> {
    Report {
        path: &targets.video,
        sheet: targets.sheet.as_ref(),
        gif: targets.gif.as_ref(),
        prompt: &clip.made.prompt,
        caption: &clip.made.caption,
        unknown_words: &grounding.unknown,
        guessed_words: &grounding.guessed,
        impossible: &grounding.impossible,
        seed: clip.made.seed,
        width: clip.frames[0].width,
        height: clip.frames[0].height,
        frames: clip.frames.len(),
        fps: clip.fps,
        model: model.spec().preset.clone(),
        model_sha256: &clip.made.model_sha256,
        seconds,
        peak_memory_bytes: machine::peak_memory_bytes(),
    }
}

/// Shows how far the work is.
pub(crate) struct Watch {
    pub(crate) output: Output,
    /// What was understood.
    pub(crate) grounding: Option<Grounding>,
    /// Whether the latents are in their file.
    pub(crate) is_saved: bool,
    pub(crate) bar: Option<(&'static str, Bar)>,
}

impl Watch {
    pub(crate) fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Understood(understood) => {
                self.output.note(&understood_text(understood));
                self.grounding = Some(understood.grounding.clone());
            }
            Progress::Denoised { done, of } => self.show("denoising", done, of),
            Progress::Saved(_) => self.is_saved = true,
            Progress::Decoded { done, of } => self.show("decoding", done, of),
        }
    }

    fn show(&mut self, what: &'static str, done: usize, of: usize) {
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != what) {
            self.bar = None; // the old one is cleared before the new one draws
            self.bar = Some((what, self.output.bar(what)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set(done, of);
        }
    }
}

/// The prompt as it was understood, and what was not.
fn understood_text(understood: &Understood) -> String {
    let Understood { grounding, caption, .. } = understood;
    let mut lines = vec![format!("understood: {caption}")];
    if grounding.is_empty() {
        lines.push(
            "note: nothing in the prompt is known to the world, so all of it was drawn by the seed"
                .into(),
        );
    }
    if !grounding.unknown.is_empty() {
        lines.push(format!("note: not known to the world: `{}`", grounding.unknown.join("`, `")));
    }
    for guess in &grounding.guessed {
        lines.push(format!("note: took `{}` for `{}`", guess.word, guess.name));
    }
    lines.extend(grounding.impossible.iter().map(|sentence| format!("note: {sentence}")));
    lines.join("\n")
}

/// The file of latents: removed when dropped, unless it is kept.
struct Aside {
    path: TempPath,
}

impl Aside {
    /// Beside `target`, where it may get that name in the end, or else among temporary files.
    fn new(target: Option<&Path>) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("hibari-").suffix(".latents");
        let file = match target {
            None => builder.tempfile().map_err(|error| {
                Failure::input(
                    format!("the folder for temporary files cannot be written: {error}"),
                    "set TMPDIR to a folder that can",
                )
            }),
            Some(target) => {
                let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
                builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(|error| {
                    Failure::input(
                        format!("cannot write `{}`: {error}", target.display()),
                        "create the folder, or choose another",
                    )
                })
            }
        }?;
        Ok(Self { path: file.into_temp_path() })
    }

    /// Keeps the file under a name.
    fn keep_as(self, target: &Path) -> Result<(), Failure> {
        self.path.persist(target).map_err(|error| {
            Failure::input(
                format!("cannot write `{}`: {}", target.display(), error.error),
                "choose another name",
            )
        })
    }

    /// Keeps the file, and tells in `failure` what it is good for.
    fn keep(self, failure: Failure) -> Failure {
        let Ok(path) = self.path.keep() else { return failure };
        let Failure { message, hint, code } = failure;
        let path = path.display();
        let hint = format!("{hint}; then `hibari decode {path} --out FILE.mp4` finishes the video");
        Failure { message, hint, code }
    }
}
