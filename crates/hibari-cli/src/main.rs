//! The `hibari` binary: settings, wiring, messages.

mod args;
mod cancel;
mod commands;
mod embedded;
mod failure;
mod logging;
mod machine;
mod output;
mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output { is_quiet: args.global.quiet };
    let result = panic::catch_unwind(AssertUnwindSafe(|| run(&args, output)));
    match result.unwrap_or_else(|_panic| Err(Failure::panic())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn run(args: &Args, output: Output) -> Result<(), Failure> {
    logging::install(args.global.verbose);
    hibari_kernels::memory::keep_freed();
    if let Some(isa) = args.global.isa {
        hibari_kernels::isa::limit(isa.into());
    }
    let threads = args.global.threads.unwrap_or_else(machine::cores);
    hibari_kernels::threads::set_count(threads)
        .map_err(|error| Failure::internal(format!("the threads cannot be started: {error}")))?;
    hibari_ops::device::choose(args.global.device.into())
        .map_err(|error| Failure::device(args.global.device.name(), error))?;
    hibari_kernels::threads::enter(|| match &args.command {
        Command::Generate(args) => commands::generate::run(args, output),
        Command::Resume(args) => commands::resume::run(args, output),
        Command::Model(args) => commands::model::run(args, output),
        Command::World(args) => commands::world::run(args, output),
        Command::Train(args) => commands::train::run(args, output),
        Command::Eval(args) => commands::eval::run(args, output),
        Command::Doctor(args) => commands::doctor::run(args, output),
        Command::Bench(args) => commands::bench::run(args, output),
    })
}
