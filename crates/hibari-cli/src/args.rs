//! The command line: every flag, its environment variable, and the help that teaches both.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use hibari_kernels::isa::Isa;
use hibari_models::source::{LoraFile, Residency, Settings};
use hibari_ops::device::DeviceKind;

use crate::commands::{bench, doctor, eval, generate, model, resume, train, world};

/// Text to video that you run, train and change yourself, on a plain CPU.
#[derive(Debug, Parser)]
#[command(
    name = "hibari",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  hibari generate \"a red car drives down a neon street at night\"
  hibari generate \"a dog runs in the park\" --seed 7 --seconds 2 --sheet dog.png
  hibari world vocabulary        what the embedded model has learned to draw
  hibari doctor                  what this machine offers, and whether all is in order

Exit codes: 0 done, 1 a failure of the program or the machine, 2 a request that cannot be met, 130 canceled."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings of every command")]
pub(crate) struct Global {
    /// Threads to compute on [default: all cores]; the result does not depend on it
    #[arg(long, global = true, env = "HIBARI_THREADS", value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Use no instructions above this set
    #[arg(long, global = true, env = "HIBARI_ISA", value_name = "SET")]
    pub(crate) isa: Option<IsaLimit>,
    /// What computes; only on the CPU does a seed give the same bits
    #[arg(
        long,
        global = true,
        env = "HIBARI_DEVICE",
        value_name = "DEVICE",
        default_value = "cpu"
    )]
    pub(crate) device: Device,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tell what is done; twice: every step
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Generate(Box<generate::Args>),
    Resume(resume::Args),
    Model(model::Args),
    World(world::Args),
    Train(train::Args),
    Eval(eval::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
}

/// Where a video goes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Files to write")]
pub(crate) struct Files {
    /// The video [default: a free name made of the prompt's first words]
    #[arg(short, long, value_name = "FILE.mp4")]
    pub(crate) out: Option<PathBuf>,
    /// Also eight frames of the video on one picture, PNG or WebP
    #[arg(long, value_name = "FILE.png")]
    pub(crate) sheet: Option<PathBuf>,
    /// Also an animated preview
    #[arg(long, value_name = "FILE.gif")]
    pub(crate) gif: Option<PathBuf>,
    /// Replace files that exist
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// The model of a video.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The model")]
pub(crate) struct Model {
    /// A model in place of the embedded one: a file, a folder, or the name of one that `hibari model pull` brought
    #[arg(long, value_name = "PATH", env = "HIBARI_MODEL")]
    pub(crate) model: Option<PathBuf>,
    /// More files or folders of a published model, which say themselves what they are; may be repeated
    #[arg(long = "with", value_name = "PATH")]
    more: Vec<PathBuf>,
    /// A LoRA to merge into a published model, and how strongly [default: 1]; may be repeated
    #[arg(long = "lora", value_name = "FILE[=STRENGTH]", value_parser = lora)]
    loras: Vec<LoraFile>,
    /// What published models hold and multiply; the embedded one has its own way
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    dtype: Dtype,
    /// Leave the weights of a published model in their files, for models larger than the memory: slower, the same video
    #[arg(long, conflicts_with = "dtype")]
    stream_weights: bool,
}

impl Model {
    /// How to load it.
    pub(crate) fn settings(&self) -> Settings {
        let residency = match (self.stream_weights, self.dtype) {
            (true, _) => Residency::Streamed,
            (false, Dtype::Bf16) => Residency::Bf16,
            (false, Dtype::Int8) => Residency::Int8,
            (false, Dtype::F32) => Residency::F32,
        };
        Settings { residency, more: self.more.clone(), loras: self.loras.clone() }
    }
}

/// What models hold and multiply.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dtype {
    /// 16-bit floats, summed in 32 bits
    Bf16,
    /// 8-bit integers, a little coarser: half the memory for weights, and faster where the processor multiplies them
    Int8,
    /// 32-bit floats, to compare with other programs
    F32,
}

/// Reads `style.safetensors=0.8`.
fn lora(text: &str) -> Result<LoraFile, String> {
    let (path, strength) = match text.rsplit_once('=') {
        None => (text, Ok(1.0)),
        Some((path, strength)) => (path, strength.parse::<f32>()),
    };
    match strength {
        Ok(strength) if strength.is_finite() => Ok(LoraFile { path: path.into(), strength }),
        _ => Err("write the file and a number, such as style.safetensors=0.8".to_owned()),
    }
}

/// An instruction set, as it is named on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IsaLimit {
    /// Portable code
    Scalar,
    /// NEON of 64-bit Arm
    Neon,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512
    Avx512,
    /// AVX-512 with BF16
    Avx512Bf16,
    /// AVX-512 with AMX tiles
    Amx,
}

impl From<IsaLimit> for Isa {
    fn from(limit: IsaLimit) -> Self {
        match limit {
            IsaLimit::Scalar => Self::Scalar,
            IsaLimit::Neon => Self::Neon,
            IsaLimit::Avx2 => Self::Avx2,
            IsaLimit::Avx512 => Self::Avx512,
            IsaLimit::Avx512Bf16 => Self::Avx512Bf16,
            IsaLimit::Amx => Self::Amx,
        }
    }
}

/// A kind of device, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    /// The kernels of hibari, on all cores
    Cpu,
    /// Any graphics card, through Vulkan, Metal or DirectX
    Gpu,
    /// An NVIDIA card, through CUDA
    Cuda,
}

impl Device {
    /// As it is written on the command line, and as the feature that builds it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Cuda => "cuda",
        }
    }
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Gpu => Self::Gpu,
            Device::Cuda => Self::Cuda,
        }
    }
}

/// Reads `256x144`.
pub(crate) fn size(text: &str) -> Result<(usize, usize), String> {
    text.split_once(['x', 'X', '×'])
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "write width and height in pixels, such as 256x144".to_owned())
}

fn threads(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=1024).contains(count));
    count.ok_or_else(|| "write a number from 1 to 1024".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn loras_have_a_strength() {
        let read = |text| lora(text).map(|lora| (lora.path, lora.strength));
        assert_eq!(read("a.safetensors"), Ok(("a.safetensors".into(), 1.0)));
        assert_eq!(read("a=b.safetensors=-0.5"), Ok(("a=b.safetensors".into(), -0.5)));
        for text in ["a=", "a=x", "a=nan", "a=inf"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("256x144"), Ok((256, 144)));
        for text in ["256", "x", "axb", "-1x4", "1x2x3", ""] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
