//! `hibari decode`: finishes a video from the latents that a failed `hibari generate` has kept.

use std::path::PathBuf;
use std::time::Instant;

use hibari_pipeline::{Latents, PipelineError};

use crate::args::{self, Files};
use crate::commands::generate::{Watch, provenance, wrote};
use crate::failure::Failure;
use crate::output::Output;
use crate::targets::Targets;
use crate::{cancel, embedded};

/// Finish a video from latents that a failed `generate` has kept
///
/// The file of latents stays; remove it once the video is good.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file of latents
    latents: PathBuf,
    #[command(flatten)]
    model: args::Model,
    #[command(flatten)]
    files: Files,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let start = Instant::now();
    cancel::install()?;
    let latents = Latents::open(&args.latents)?;
    let targets = Targets::new(&args.files, &latents.made.prompt)?;
    let model = embedded::load(args.model.model.as_deref(), args.model.settings())?;
    if latents.made.model_sha256 != model.sha256() {
        return Err(PipelineError::OtherModel { path: args.latents.clone() }.into());
    }
    let mut watch = Watch { output, grounding: None, is_saved: true, bar: None };
    let clip = hibari_pipeline::decode(&latents, model.as_ref(), None, &mut |progress| {
        watch.tell(progress);
        cancel::flow()
    })?;
    drop(watch);
    targets.write(&clip, &provenance(&clip.made))?;
    output.note(&wrote(&targets, &clip, start.elapsed().as_secs_f64()));
    Ok(())
}
