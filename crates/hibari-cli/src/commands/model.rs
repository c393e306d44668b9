//! `hibari model`: published models on this machine.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use hibari_models::source::Inspection;
use hibari_store::{Hub, Pull, Store, StoreError};
use serde_json::json;

use crate::cancel;
use crate::failure::Failure;
use crate::output::Output;

/// Pull published models from a hub, look at them, check and remove them
///
/// A model is named by its preset (wan2.1-t2v-1.3b, wan2.2-ti2v-5b, ..) or by owner and name on the hub; `generate --model`
/// takes the same names once it is here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari model pull wan2.1-t2v-1.3b
  hibari model pull city96/Wan2.1-T2V-14B-gguf --only '*Q4_K_M.gguf'
  hibari model inspect wan2.1-t2v-14b-q4_k_m.gguf
  hibari generate \"a cat on a roof\" --model wan2.1-t2v-1.3b")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where models are.
#[derive(Debug, clap::Args)]
struct Place {
    /// The hub, or a mirror of it
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "HF_ENDPOINT",
        default_value = "https://huggingface.co"
    )]
    hub: String,
    /// Who asks, where the hub wants to know
    #[arg(long, global = true, value_name = "TOKEN", env = "HF_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print JSON on stdout
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring a model here; goes on where it stopped, and checks each file
    Pull {
        /// A preset, or OWNER/NAME
        model: String,
        /// A branch, tag or commit
        #[arg(long, default_value = "main")]
        revision: String,
        /// Only files that match, such as 'transformer/*' [default: all that a model needs]; may be repeated
        #[arg(long, value_name = "PATTERN")]
        only: Vec<String>,
    },
    /// List the models that are here
    List,
    /// Tell what a file or folder holds: family, preset, types, parameters, missing parts
    Inspect {
        /// A file or folder, a preset, or OWNER/NAME
        model: String,
    },
    /// Read a model again and compare it with its hashes
    Verify {
        /// A preset, or OWNER/NAME
        model: String,
    },
    /// Remove a model
    Rm {
        /// A preset, or OWNER/NAME
        model: String,
    },
}

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let Place { hub, token, json } = &args.place;
    match &args.command {
        Command::Pull { model, revision, only } => {
            let pull = Pull {
                id: id_of(model).to_owned(),
                revision: revision.clone(),
                only: only.clone(),
                patience: Duration::from_secs(1),
            };
            self::pull(&pull, &Hub::new(hub, token.clone()), *json, output)
        }
        Command::List => list(*json, output),
        Command::Inspect { model } => inspect(model, *json, output),
        Command::Verify { model } => verify(model, *json, output),
        Command::Rm { model } => {
            let freed = store()?.remove(id_of(model))?;
            if *json {
                return output.json(&json!({ "removed": id_of(model), "freed_bytes": freed }));
            }
            output.note(&format!("removed {}, {}", id_of(model), megabytes(freed)));
            Ok(())
        }
    }
}

/// The file or folder that `--model` means: a path, or a model that was pulled.
pub(crate) fn located(model: &Path) -> Result<PathBuf, Failure> {
    let name = model.to_string_lossy();
    if model.exists() || hibari_pipeline::hub_id(&name).is_none() && name.split('/').count() != 2 {
        return Ok(model.to_path_buf());
    }
    match store()?.find(id_of(&name), "main") {
        Some(folder) => Ok(folder),
        // Names have no such endings, so this was meant as a path.
        None if name.ends_with(".safetensors") || name.ends_with(".gguf") => {
            Ok(model.to_path_buf())
        }
        None if hibari_pipeline::hub_id(&name).is_none() => Err(Failure::input(
            format!("`{name}` is no file or folder, and no model of that name is here"),
            format!("look at the spelling, or bring it: `hibari model pull {name}`"),
        )),
        None => Err(StoreError::Absent { id: name.into_owned() }.into()),
    }
}

/// The name on the hub.
fn id_of(model: &str) -> &str {
    hibari_pipeline::hub_id(model).unwrap_or(model)
}

/// The folder that other programs use for the same models, if their settings name one.
fn store() -> Result<Store, Failure> {
    let variable =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HF_HOME").map(|home| home.join("hub"));
    let usual = || {
        let cache =
            variable("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
        Some(cache?.join("huggingface/hub"))
    };
    let folder = variable("HF_HUB_CACHE").or_else(home).or_else(usual).ok_or_else(|| {
        Failure::input("there is no home folder to keep models in", "set HF_HUB_CACHE to a folder")
    })?;
    Ok(Store::new(&folder))
}

fn pull(pull: &Pull, hub: &Hub, json: bool, output: Output) -> Result<(), Failure> {
    cancel::install()?;
    let bar = output.bar("pulling");
    let to_mb = |bytes: u64| usize::try_from(bytes >> 20).unwrap_or(usize::MAX);
    let pulled = store()?.pull(pull, hub, &mut |progress| -> ControlFlow<()> {
        bar.set(to_mb(progress.done), to_mb(progress.of));
        cancel::flow()
    })?;
    drop(bar);
    if json {
        return output.json(&json!({
            "id": pull.id, "commit": pulled.commit, "folder": pulled.folder, "files": pulled.files,
            "size_bytes": pulled.size_bytes,
        }));
    }
    let (id, files, size) = (&pull.id, pulled.files, megabytes(pulled.size_bytes));
    output.note(&format!("{id}: {files} files, {size}, in {}", pulled.folder.display()));
    Ok(())
}

fn list(json: bool, output: Output) -> Result<(), Failure> {
    for held in store()?.list()? {
        let (size, partial) = (held.size_bytes, held.partial_bytes);
        if json {
            output.json(&json!({
                "id": held.id, "commits": held.commits, "size_bytes": size, "partial_bytes": partial,
            }))?;
            continue;
        }
        let rest = if partial > 0 {
            format!(", {} of unfinished files", megabytes(partial))
        } else {
            String::new()
        };
        output.data(&format!("{}  {}{rest}", held.id, megabytes(size)))?;
    }
    Ok(())
}

fn inspect(model: &str, json: bool, output: Output) -> Result<(), Failure> {
    let inspection = hibari_pipeline::inspect(&located(Path::new(model))?)?;
    if json {
        return output.json(&inspection);
    }
    output.data(&told(&inspection))
}

fn told(inspection: &Inspection) -> String {
    let Inspection { family, preset, parts, missing } = inspection;
    let mut lines = vec![format!("family {family}, preset {preset}")];
    for part in parts {
        let kinds: Vec<String> =
            part.encodings.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let (path, billions) = (part.path.display(), part.parameters as f64 / 1e9);
        let (name, tensors, kinds) = (&part.name, part.tensors, kinds.join(", "));
        lines.push(format!(
            "{name}: {billions:.3} billion parameters in {tensors} tensors ({kinds}), {path}"
        ));
        lines.extend(part.problem.iter().map(|problem| format!("  cannot be used: {problem}")));
    }
    if !missing.is_empty() {
        lines.push(format!("missing: {}", missing.join(", ")));
    }
    lines.join("\n")
}

fn verify(model: &str, json: bool, output: Output) -> Result<(), Failure> {
    let id = id_of(model);
    let bar = output.bar("verifying");
    let mut done = 0;
    let troubles = store()?.verify(id, &mut |_file| {
        done += 1;
        bar.set(done, done);
    })?;
    drop(bar);
    for trouble in &troubles {
        match json {
            true => output.json(&json!({ "file": trouble.file, "trouble": trouble.reason }))?,
            false => output.data(&format!("{}: {}", trouble.file, trouble.reason))?,
        }
    }
    if troubles.is_empty() {
        output.note(&format!("{id}: {done} files are as they should be"));
        return Ok(());
    }
    Err(Failure::input(
        format!("{} of {done} files of `{id}` are not as they should be", troubles.len()),
        format!("`hibari model rm {model}` and `hibari model pull {model}` bring them anew"),
    ))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
