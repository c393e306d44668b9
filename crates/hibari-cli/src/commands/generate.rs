//! `hibari generate`: a prompt to a video file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use hibari_pipeline::{ModelFiles, Request};

use crate::args;
use crate::commands::making::{Aside, Making, Outputs};
use crate::commands::model;
use crate::failure::Failure;
use crate::output::Output;
use crate::targets::Targets;
use crate::{cancel, embedded};

/// Make a video from a text
///
/// The text is matched to what the model has learned to draw (`hibari world vocabulary`); what it leaves open is drawn
/// by the seed. The same text and seed give the same video.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari generate \"a red car drives down a neon street at night, the ground is wet\"
  hibari generate \"a dog runs in a park. Then a woman in a red coat walks there.\"    (two shots)
  hibari generate \"a blue ball bounces on a table\" --size 192x192 --seconds 2 --seed 3 --out ball.mp4
  hibari generate \"a dog runs in the park\" --steps 12 --sheet dog.png    (faster, and a sheet of frames)
  hibari generate \"a car drives by\" --json | jq .path
  hibari generate \"a cat on a roof\" --model Wan2.1-T2V-1.3B-Diffusers --frames 33 --size 480x272
  hibari generate \"a cat on a roof\" --model wan2.1_t2v_1.3b-q8_0.gguf --with vae/wan_2.1_vae.safetensors \\
      --with umt5_xxl_fp8.safetensors --with tokenizer.json --lora ink.safetensors=0.7")]
pub(crate) struct Args {
    /// What to show, in free English; "then", "Shot 2:" and the like begin another shot
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
    outputs: Outputs,
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
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let start = Instant::now();
    cancel::install()?;
    let targets = Targets::new(&args.outputs.files, &args.prompt)?;
    let path = args.model.model.as_deref().map(model::located).transpose()?;
    let mut model = embedded::load(path.as_deref(), args.model.settings())?;
    let path = path.as_deref().map(absolute);
    let request = Request {
        model: path.map(|path| ModelFiles { path, settings: args.model.settings() }),
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
        image: args.image.as_deref().map(absolute),
        noise: args.given.noise.as_deref().map(absolute),
        states: args.given.prompt_embeds.as_deref().map(absolute),
    };

    let aside = Aside::new(&targets)?;
    let making = Making { outputs: &args.outputs, targets, aside, start, output };
    making.make(model.as_mut(), &mut |model, means, pixels, tell| {
        hibari_pipeline::generate(&request, model, means, pixels, tell)
    })
}

/// A path that means the same in another folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_no_folder| path.to_path_buf())
}
