//! The binary as a user meets it, with a tiny model of random weights: what it makes, and how it fails.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod failures;
mod model;
mod runs;
mod wan;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use hibari_models::lark;
use hibari_weights::quantize::Storage;
use hibari_world::random::Random;
use hibari_world::{Mix, caption_words_of};
use tempfile::TempDir;

/// A prompt that the world knows all words of.
const PROMPT: &str = "a red car drives down a neon street at night";

/// Two empty folders, one to work in and one for temporary files.
struct Place {
    work: TempDir,
    temporary: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { work: tempfile::tempdir().unwrap(), temporary: tempfile::tempdir().unwrap() }
    }

    /// The binary with these arguments, in this place and on the tiny model.
    fn hibari(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hibari"));
        command.args(args).current_dir(self.work.path()).env("TMPDIR", self.temporary.path());
        command.env("HIBARI_MODEL", model()).env_remove("HIBARI_ISA").env_remove("HIBARI_THREADS");
        command
    }

    /// Runs it to its end.
    fn run(&self, args: &[&str]) -> Outcome {
        Outcome::from(self.hibari(args).output().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Names of the files in the folder to work in.
    fn files(&self) -> Vec<String> {
        names(self.work.path())
    }
}

/// How a run ended.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        // OpenH264 announces one of its settings on stderr before it can be told not to.
        let ours = |line: &&str| !line.starts_with("[OpenH264]");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: stderr.lines().filter(ours).collect::<Vec<_>>().join("\n"),
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The file of a tiny model with random weights.
fn model() -> &'static Path {
    static MODEL: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.safetensors");
        write_model(&path, 1, Mix::First);
        (folder, path)
    });
    path
}

/// Writes a tiny model whose weights the seed draws, and which knows the words of a mix.
fn write_model(path: &Path, seed: u64, mix: Mix) {
    let words = caption_words_of(mix).iter().map(|word| (*word).to_owned()).collect();
    let mut normals = |name: &str, n: usize| {
        let mut random = Random::new(seed, name);
        (0..n).map(|_| random.range(-0.5, 0.5)).collect() // small: H.264 has no room for saturated noise
    };
    let parts = lark::tiny(words, &mut normals);
    lark::save(path, &parts, Storage::Bf16, &BTreeMap::new()).unwrap();
}
