//! `hibari doctor`: what the machine offers, and whether the program is whole.

use hibari_kernels::isa::{self, Isa};
use hibari_kernels::threads;
use hibari_ops::device::{self, DeviceError, DeviceKind};
use hibari_weights::{WeightIndex, WeightsError};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::{embedded, machine};

/// Show what this machine offers, and whether the program is whole
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    instructions: String,
    instructions_available: Vec<String>,
    cores: usize,
    threads: usize,
    memory_bytes: Option<u64>,
    memory_available_bytes: Option<u64>,
    devices: Vec<Device>,
    models: Vec<Model>,
}

/// A value of `--device` other than the CPU.
#[derive(Serialize)]
struct Device {
    name: &'static str,
    is_built: bool,
    found: Vec<String>,
}

#[derive(Serialize)]
struct Model {
    name: &'static str,
    sha256: Option<String>,
    tensors: usize,
    problem: Option<String>,
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let (memory_bytes, memory_available_bytes) = machine::memory_bytes().unzip();
    let available = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        instructions: format!("{:?}", isa::best()),
        instructions_available: available.map(|isa| format!("{isa:?}")).collect(),
        cores: machine::cores(),
        threads: threads::count(),
        memory_bytes,
        memory_available_bytes,
        devices: vec![device("gpu", DeviceKind::Gpu), device("cuda", DeviceKind::Cuda)],
        models: vec![
            model("minilm", embedded::minilm()),
            model("lark", embedded::lark()),
            model("judge", embedded::judge()),
        ],
    };
    if args.json {
        output.json(&report)?;
    } else {
        output.data(&text(&report))?;
    }
    match report.models.iter().find_map(|model| model.problem.clone()) {
        Some(problem) => Err(Failure::internal(problem)),
        None => Ok(()),
    }
}

fn device(name: &'static str, kind: DeviceKind) -> Device {
    let found = device::names(kind);
    Device { name, is_built: found != Err(DeviceError::NotBuilt), found: found.unwrap_or_default() }
}

fn model(name: &'static str, index: Result<WeightIndex, WeightsError>) -> Model {
    match index {
        Ok(index) => Model {
            name,
            sha256: Some(index.hash().to_owned()),
            tensors: index.names().count(),
            problem: None,
        },
        Err(error) => Model { name, sha256: None, tensors: 0, problem: Some(error.to_string()) },
    }
}

fn text(report: &Report) -> String {
    let gib = |bytes: Option<u64>| {
        bytes.map_or("unknown".to_owned(), |bytes| {
            format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
        })
    };
    let mut lines = vec![
        format!("hibari        {}", report.version),
        format!(
            "instructions  {} (of {})",
            report.instructions,
            report.instructions_available.join(", ")
        ),
        format!("threads       {} on {} cores", report.threads, report.cores),
        format!(
            "memory        {}, {} available",
            gib(report.memory_bytes),
            gib(report.memory_available_bytes)
        ),
    ];
    lines.extend(report.devices.iter().map(|device| {
        let state = match (device.is_built, device.found.as_slice()) {
            (false, _) => format!("not in this build (`--features {}`)", device.name),
            (true, []) => "none found".to_owned(),
            (true, found) => found.join(", "),
        };
        format!("{:<13} {state}", device.name)
    }));
    lines.extend(report.models.iter().map(|model| {
        let state = match (&model.sha256, &model.problem) {
            (Some(sha256), _) => format!("in order, {} tensors, SHA-256 {sha256}", model.tensors),
            (None, problem) => problem.clone().unwrap_or_default(),
        };
        format!("{:<13} {state}", model.name)
    }));
    lines.join("\n")
}
