//! `hibari bench`: speeds of the kernels on this machine.

use hibari_kernels::conv::Shape;
use hibari_kernels::measure::{self, Row};
use hibari_kernels::{isa, threads};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// Measure the kernels on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari bench
  hibari bench --threads 1 --isa avx2    one thread, without AVX-512")]
pub(crate) struct Args {
    /// Runs of each kernel; the median counts
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Dense layers of the embedded model, `[rows, in, out]`: a window of 480 tokens, and twice as wide.
const LINEAR: [[usize; 3]; 3] = [[480, 256, 256], [480, 256, 704], [480, 512, 1408]];
/// Convolutions of its decoder, as images, height, width and channels.
const CONV: [[usize; 4]; 3] = [[12, 9, 16, 256], [12, 18, 32, 128], [12, 36, 64, 64]];

#[derive(Serialize)]
struct Line<'a> {
    op: &'a str,
    shape: &'a str,
    instructions: String,
    threads: usize,
    time_ms: f64,
    gflops: f64,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let (instructions, threads) = (format!("{:?}", isa::best()), threads::count());
    if !args.json {
        output.note(&format!("{instructions}, {threads} threads, median of {} runs", args.runs));
        output.data(&format!("{:<12} {:<40} {:>9} {:>9}", "kernel", "shape", "ms", "GFLOP/s"))?;
    }
    let show = |row: Row| {
        let Row { op, shape, time_ms, gflops } = &row;
        if args.json {
            let (instructions, time_ms, gflops) = (instructions.clone(), *time_ms, *gflops);
            output.json(&Line { op, shape, instructions, threads, time_ms, gflops })
        } else {
            output.data(&format!("{op:<12} {shape:<40} {time_ms:>9.3} {gflops:>9.1}"))
        }
    };
    let runs = usize::from(args.runs);
    for sizes in LINEAR {
        measure::linear(sizes, runs).into_iter().try_for_each(show)?;
    }
    for [images, height, width, channels] in CONV {
        let shape =
            Shape { images, height, width, c_in: channels, c_out: channels, kernel: [3, 3] };
        measure::conv2d(shape, runs).into_iter().try_for_each(show)?;
    }
    Ok(())
}
