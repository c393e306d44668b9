//! `hibari resume`: goes on with a video that a `hibari generate` could not finish.

use std::path::PathBuf;
use std::time::Instant;

use hibari_models::source::Settings;
use hibari_pipeline::{PipelineError, State};

use crate::args::Files;
use crate::commands::making::{Aside, Making, Outputs};
use crate::failure::Failure;
use crate::output::Output;
use crate::targets::Targets;
use crate::{cancel, embedded};

/// Go on with a video that a `generate` could not finish
///
/// While it works, `generate` writes down now and then how far it is, beside the video. Whatever stops it, this takes up
/// the work from there, and makes the same video. Latents that `--save-latents` kept are drawn, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari resume a-cat-on-a-roof.mp4.state
  hibari resume latents.safetensors --out again.mp4 --sheet again.png")]
pub(crate) struct Args {
    /// The file with the work so far; one that ends in .state is removed once the video is written
    state: PathBuf,
    /// Where the model is, if it was moved or is not the embedded one any more
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let start = Instant::now();
    cancel::install()?;
    let state = State::open(&args.state)?;
    let is_own = args.state.extension().is_some_and(|ending| ending == "state");
    let mut files = Files { out: args.outputs.files.out.clone(), ..args.outputs.files.clone() };
    if files.out.is_none() && is_own {
        let beside = args.state.with_extension("");
        files.out = beside.extension().is_some_and(|ending| ending == "mp4").then_some(beside);
    }
    let targets = Targets::new(&files, &state.request().prompt)?;
    let begun = state.request().model.as_ref();
    let path = args.model.as_deref().or(begun.map(|model| model.path.as_path()));
    let settings = begun.map_or_else(Settings::default, |model| model.settings.clone());
    let mut model = embedded::load(path, settings)?;
    if !state.is_of(model.as_ref()) {
        return Err(PipelineError::OtherModel { path: args.state.clone() }.into());
    }
    let aside = if is_own { Aside::taken_up(&args.state) } else { Aside::new(&targets)? };
    let making = Making { outputs: &args.outputs, targets, aside, start, output };
    making.make(model.as_mut(), &mut |model, means, pixels, tell| {
        hibari_pipeline::resume(state.clone(), model, means, pixels, tell)
    })?;
    if is_own && let Err(error) = std::fs::remove_file(&args.state) {
        tracing::warn!(path = %args.state.display(), %error, "a file could not be removed");
    }
    Ok(())
}
