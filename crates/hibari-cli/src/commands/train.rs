//! `hibari train`: trains the autoencoder, the transformer and the judge from recipes.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hibari_models::text::MiniLm;
use hibari_train::{
    Progress,
    recipe::{self, AeRecipe, DitRecipe, JudgeRecipe},
    run::{self, Event},
};

use crate::failure::Failure;
use crate::output::{Bar, Output};
use crate::{cancel, embedded};

/// Between lines of progress where nobody watches a terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Train a network from a recipe; the same command again goes on where it stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari train ae recipes/ae.toml          the autoencoder; renders its videos first
  hibari train dit recipes/dit.toml        the transformer, on latents of that autoencoder
  hibari train judge recipes/judge.toml    the judge that `hibari eval` asks

The folder of the run holds checkpoints, log.jsonl, loss.svg, pictures on the way, and in the end the weights.
Ctrl-C writes a checkpoint and stops.

A set of clips in a recipe may say mix = \"whole\": it is drawn from all of the world, see
`hibari world vocabulary --mix whole`. Else it is drawn from what the embedded model learned.")]
pub(crate) struct Args {
    /// What to train
    what: What,
    /// The recipe; see `recipes/`
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The autoencoder
    Ae,
    /// The diffusion transformer
    Dit,
    /// The judge of the evaluation
    Judge,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    cancel::install()?;
    let mut teller = Teller::new(output);
    let mut tell = |event: Event<'_>| {
        teller.hear(event);
        cancel::flow()
    };
    let path = match args.what {
        What::Ae => run::ae(&recipe::read::<AeRecipe>(&args.recipe)?, &mut tell)?,
        What::Dit => {
            let encoder = Arc::new(MiniLm::load(&embedded::minilm()?)?);
            run::dit(&recipe::read::<DitRecipe>(&args.recipe)?, &encoder, &mut tell)?
        }
        What::Judge => run::judge(&recipe::read::<JudgeRecipe>(&args.recipe)?, &mut tell)?,
    };
    drop(teller);
    let path = path.ok_or_else(Failure::canceled)?;
    output.note(&format!("wrote {}", path.display()));
    Ok(())
}

/// Shows events: bars on a terminal, a line now and then elsewhere.
struct Teller {
    output: Output,
    bar: Option<(&'static str, Bar)>,
    told: Option<Instant>,
}

impl Teller {
    fn new(output: Output) -> Self {
        Self { output, bar: None, told: None }
    }

    fn hear(&mut self, event: Event<'_>) {
        let (what, done, of) = match event {
            Event::Data { what, done, of } => (what, done, of),
            Event::Step(progress) => {
                ("training", progress.step as usize, progress.steps.unwrap_or(0) as usize)
            }
        };
        if self.bar.as_ref().is_none_or(|(current, _)| *current != what) {
            self.bar = Some((what, self.output.bar(what)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set(done, of);
        }
        let is_due = self.told.is_none_or(|told| told.elapsed() > LINE_EVERY);
        if is_due && !std::io::stderr().is_terminal() {
            self.told = Some(Instant::now());
            self.output.note(&match event {
                Event::Data { .. } => format!("{what}: {done} of {of}"),
                Event::Step(progress) => line(progress),
            });
        }
    }
}

fn line(progress: &Progress) -> String {
    let Progress { step, steps, loss, items_per_s, tflops, eta, .. } = progress;
    let of = steps.map_or_else(String::new, |steps| format!(" of {steps}"));
    let eta = eta.map_or_else(String::new, |eta| format!(", {} s left", eta.as_secs()));
    format!("step {step}{of}: loss {loss:.4}, {items_per_s:.1} items/s, {tflops:.3} TFLOP/s{eta}")
}
