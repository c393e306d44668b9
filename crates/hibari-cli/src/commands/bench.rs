//! `hibari bench`: speeds of the kernels on this machine, on each instruction set that it has.

use hibari_kernels::isa::{self, Isa};
use hibari_kernels::measure::{self, Row};
use hibari_kernels::{attention, conv, threads};
use serde::Serialize;

use crate::commands::work::{self, Work};
use crate::failure::Failure;
use crate::output::Output;

/// Measure the kernels on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari bench                           all kernels on all instruction sets; * marks what hibari uses
  hibari bench linear                    only those of dense layers
  hibari bench --threads 1 --isa avx2    one thread, without AVX-512

GFLOP/s is useful work over the median time; GB/s is what operands and results alone need of the memory.")]
pub(crate) struct Args {
    /// Measure only kernels whose name begins so
    #[arg(value_name = "KERNEL", default_value = "")]
    kernel: String,
    /// Measure a whole piece of work instead, for `reference/compare.sh`
    #[arg(long, value_name = "WORK", conflicts_with = "kernel")]
    work: Option<Work>,
    /// Runs of each kernel; the median counts
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Dense layers of the embedded model, `[rows, in, out]`: a window of 480 tokens, and twice as wide.
const LINEAR: [[usize; 3]; 3] = [[480, 256, 256], [480, 256, 704], [480, 512, 1408]];
/// Convolutions of its decoder, and of one of videos, as videos, frames, height, width and channels.
const CONV: [[usize; 5]; 5] = [
    [12, 1, 9, 16, 256],
    [12, 1, 18, 32, 128],
    [12, 1, 36, 64, 64],
    [1, 4, 32, 32, 384],
    [1, 6, 128, 128, 96],
];
/// Its attention, as windows and tokens of a window: whole windows, and within latent frames.
const ATTENTION: [[usize; 2]; 2] = [[1, 480], [12, 40]];

#[derive(Serialize)]
struct Line<'a> {
    op: &'a str,
    shape: &'a str,
    instructions: String,
    is_chosen: bool,
    threads: usize,
    time_ms: f64,
    gflops: f64,
    gbs: f64,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let runs = usize::from(args.runs);
    if let Some(work) = args.work {
        return work::run(work, runs, args.json, output);
    }
    let works = works(&args.kernel);
    if works.is_empty() {
        return Err(Failure::input(
            format!("no kernel's name begins with `{}`", args.kernel),
            "they begin with linear, conv or attention",
        ));
    }
    let (best, threads) = (isa::best(), threads::count());
    let sets: Vec<Isa> = isa::allowed().collect();
    if !args.json {
        output.note(&format!("{threads} threads, median of {} runs", args.runs));
        output.data(&format!(
            "{:<16} {:<42} {:<13} {:>9} {:>9} {:>7}",
            "kernel", "shape", "instructions", "ms", "GFLOP/s", "GB/s"
        ))?;
    }
    let show = |isa: Isa, row: &Row| {
        let Row { op, shape, time_ms, gflops, gbs } = row;
        let (instructions, is_chosen) = (format!("{isa:?}"), isa == best);
        if args.json {
            let (time_ms, gflops, gbs) = (*time_ms, *gflops, *gbs);
            let line = Line { op, shape, instructions, is_chosen, threads, time_ms, gflops, gbs };
            output.json(&line)
        } else {
            let mark = if is_chosen { "*" } else { "" };
            let instructions = format!("{instructions}{mark}");
            output.data(&format!(
                "{op:<16} {shape:<42} {instructions:<13} {time_ms:>9.3} {gflops:>9.1} {gbs:>7.1}"
            ))
        }
    };
    for measure in works {
        for &isa in &sets {
            isa::limit(isa);
            let rows = measure(runs);
            let mut wanted = rows.iter().filter(|row| row.op.starts_with(&args.kernel));
            wanted.try_for_each(|row| show(isa, row))?;
        }
        isa::limit(best);
    }
    Ok(())
}

/// Measures the kernels of one shape, so many runs each.
type Measure = Box<dyn Fn(usize) -> Vec<Row>>;

/// All that is measured, but families of kernels that have none whose name begins with `kernel`.
fn works(kernel: &str) -> Vec<Measure> {
    let is_wanted = |family: &str| family.starts_with(kernel) || kernel.starts_with(family);
    let mut works: Vec<Measure> = Vec::new();
    if is_wanted("linear") {
        works.extend(
            LINEAR.map(|sizes| -> Measure { Box::new(move |runs| measure::linear(sizes, runs)) }),
        );
    }
    if is_wanted("conv") {
        works.extend(CONV.map(|[videos, frames, height, width, channels]| -> Measure {
            let (c_in, c_out, kernel) = (channels, channels, [3, 3, frames.min(3)]);
            let shape = conv::Shape { videos, frames, height, width, c_in, c_out, kernel };
            Box::new(move |runs| measure::conv(shape, runs))
        }));
    }
    if is_wanted("attention") {
        works.extend(ATTENTION.map(|[batch, n_tokens]| -> Measure {
            let (n_queries, n_keys) = (n_tokens, n_tokens);
            let shape = attention::Shape { batch, n_heads: 4, n_queries, n_keys, d_head: 64 };
            Box::new(move |runs| measure::attention(shape, runs))
        }));
    }
    works
}
