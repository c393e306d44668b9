//! What `generate` and `resume` share: the files they write, the state they keep, what they tell.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hibari_media::Provenance;
use hibari_pipeline::{
    Clip, Gauge, Generator, Made, Means, MemoryPlan, PipelineError, Pixels, Progress, StageSecs,
    State, Understood,
};
use hibari_weights::{StoredTensor, write_safetensors};
use hibari_world::Grounding;
use serde::Serialize;

use crate::args::Files;
use crate::failure::Failure;
use crate::output::{Bar, Output};
use crate::targets::{self, Targets};
use crate::{cancel, machine};

/// Work that took longer is kept when it is canceled.
const WORTH_KEEPING: Duration = Duration::from_secs(60);

/// What is written beside the video.
#[derive(Debug, clap::Args)]
pub(crate) struct Outputs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Also keep the clean latents, which `hibari resume` makes a video of
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Files to write")]
    save_latents: Option<PathBuf>,
    /// Also keep the frames before any rounding: `frames`, [1, 3, F, H, W] in [-1, 1]
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Files to write")]
    save_frames: Option<PathBuf>,
    /// How often to write down how far the work is, in seconds; `hibari resume` takes it up after a crash
    #[arg(long, value_name = "S", default_value_t = 60, help_heading = "Files to write")]
    checkpoint_secs: u64,
    /// Print what was made as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a PathBuf,
    sheet: Option<&'a PathBuf>,
    gif: Option<&'a PathBuf>,
    prompt: &'a str,
    caption: &'a str,
    unknown_words: Vec<&'a String>,
    guessed_words: Vec<&'a hibari_world::grounding::Guess>,
    impossible: Vec<&'a String>,
    seed: u64,
    width: usize,
    height: usize,
    frames: usize,
    fps: u32,
    model: String,
    model_sha256: &'a str,
    seconds: Seconds,
    peak_memory_bytes: Option<u64>,
}

/// Where the time went.
#[derive(Serialize)]
struct Seconds {
    load: f64,
    understand: f64,
    denoise: f64,
    decode: f64,
    write: f64,
    total: f64,
}

/// Where the video goes, and what is known before it is made.
pub(crate) struct Making<'a> {
    pub(crate) outputs: &'a Outputs,
    pub(crate) targets: Targets,
    /// Where its state may be kept.
    pub(crate) aside: Aside,
    /// When the command began.
    pub(crate) start: Instant,
    pub(crate) output: Output,
}

/// The work itself.
pub(crate) type Work<'w> = &'w mut dyn FnMut(
    &mut dyn Generator,
    &Means,
    Option<&mut Pixels>,
    &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Clip, PipelineError>;

impl Making<'_> {
    /// Does the work and writes its files; if it fails, the state is kept and the hint tells how to go on.
    pub(crate) fn make(self, model: &mut dyn Generator, work: Work<'_>) -> Result<(), Failure> {
        let Self { outputs, targets, aside, start, output } = self;
        if let Some(path) = &outputs.save_latents {
            targets::check(path, &["safetensors"], true)?;
        }
        let load = start.elapsed().as_secs_f64();
        let every = Duration::from_secs(outputs.checkpoint_secs);
        let memory = Gauge::new(|| machine::memory_bytes().map(|(_total, available)| available));
        let means = Means { paths: aside.paths.clone(), every, memory };
        let mut watch = Watch { output, story: Vec::new(), kept: None, bar: None };
        let mut pixels = Pixels::default();
        let raw = outputs.save_frames.is_some().then_some(&mut pixels);
        let made = work(model, &means, raw, &mut |progress: Progress<'_>| {
            watch.tell(progress);
            cancel::flow()
        });
        let (kept, story) = (watch.kept.take(), std::mem::take(&mut watch.story));
        drop(watch);
        let write = Instant::now();
        let clip = made.map_err(Failure::from).and_then(|clip| {
            if let Some(path) = &outputs.save_frames {
                save_frames(path, &pixels)?;
            }
            if let (Some(path), Some(kept)) = (&outputs.save_latents, &kept) {
                State::open(kept)?.save(path)?;
            }
            targets.write(&clip, &provenance(&clip.made))?;
            Ok(clip)
        });
        let clip = match (clip, kept) {
            (Ok(clip), _) => clip,
            (Err(failure), Some(kept))
                if !failure.is_canceled() || start.elapsed() > WORTH_KEEPING =>
            {
                return Err(aside.keep(&kept, failure));
            }
            (Err(failure), _) => return Err(failure),
        };
        let total = start.elapsed().as_secs_f64();
        output.note(&wrote(&targets, &clip, total));
        if outputs.json {
            let StageSecs { understand, denoise, decode } = clip.secs;
            let write = write.elapsed().as_secs_f64();
            let seconds = Seconds { load, understand, denoise, decode, write, total };
            output.json(&report(&targets, &clip, &story, model, seconds))?;
        }
        Ok(())
    }
}

/// Writes frames as videos are laid out elsewhere.
fn save_frames(path: &Path, pixels: &Pixels) -> Result<(), Failure> {
    let (dims, values) = pixels.by_channel();
    let tensor = StoredTensor::from_f32("frames", &dims, &values);
    Ok(write_safetensors(path, &[tensor], &BTreeMap::new())?)
}

/// What made the file.
fn provenance(made: &Made) -> Provenance {
    Provenance {
        generator: "hibari".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        prompt: made.prompt.clone(),
        seed: made.seed,
        model_sha256: made.model_sha256.clone(),
    }
}

/// The last line.
fn wrote(targets: &Targets, clip: &Clip, secs: f64) -> String {
    let frame = &clip.frames[0];
    format!(
        "wrote {} ({}x{}, {} frames at {} a second, seed {}) in {secs:.1} s",
        targets.video.display(),
        frame.width,
        frame.height,
        clip.frames.len(),
        clip.fps,
        clip.made.seed,
    )
}

fn report<'a>(
    targets: &'a Targets,
    clip: &'a Clip,
    story: &'a [Grounding],
    model: &dyn Generator,
    seconds: Seconds,
) -> Report<'a> {
    Report {
        path: &targets.video,
        sheet: targets.sheet.as_ref(),
        gif: targets.gif.as_ref(),
        prompt: &clip.made.prompt,
        caption: &clip.made.caption,
        unknown_words: each(story, |shot| &shot.unknown),
        guessed_words: each(story, |shot| &shot.guessed),
        impossible: each(story, |shot| &shot.impossible),
        seed: clip.made.seed,
        width: clip.frames[0].width,
        height: clip.frames[0].height,
        frames: clip.frames.len(),
        fps: clip.fps,
        model: model.spec().preset.clone(),
        model_sha256: &clip.made.model_sha256,
        seconds,
        peak_memory_bytes: machine::peak_memory_bytes(),
    }
}

/// Shows how far the work is.
struct Watch {
    output: Output,
    /// What was understood of each shot.
    story: Vec<Grounding>,
    /// Where the state is.
    kept: Option<PathBuf>,
    bar: Option<(&'static str, Bar)>,
}

impl Watch {
    fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Understood(understood) => {
                self.output.note(&understood_text(understood));
                self.story = understood.story.shots.clone();
            }
            Progress::Planned { memory, flop } => self.output.note(&planned_text(memory, flop)),
            Progress::Denoised { done, of } => self.show("denoising", done, of),
            Progress::Saved(path) => self.kept = Some(path.to_path_buf()),
            Progress::Tiled { done, of } => self.show("tiles", done, of),
            Progress::Short(side) => {
                self.bar = None;
                self.output.note(&format!(
                    "note: memory is short, decoding again in tiles of {side} pixels"
                ));
            }
            Progress::Decoded { done, of } => self.show("decoding", done, of),
        }
    }

    fn show(&mut self, what: &'static str, done: usize, of: usize) {
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != what) {
            self.bar = None; // the old one is cleared before the new one draws
            self.bar = Some((what, self.output.bar(what)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set(done, of);
        }
    }
}

/// What the work will take.
fn planned_text(memory: &MemoryPlan, flop: u64) -> String {
    let secs = flop as f64 / machine::flops_a_second();
    let time = match secs {
        secs if secs < 90.0 => format!("{secs:.0} s"),
        secs if secs < 5400.0 => format!("{:.0} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    };
    let tiles = memory
        .tile_px()
        .map_or_else(String::new, |side| format!(", decoding in tiles of {side} pixels"));
    format!("planned: about {time} and {:.1} GB of memory{tiles}", memory.peak_bytes as f64 / 1e9)
}

/// The prompt as it was understood, and what was not.
fn understood_text(understood: &Understood) -> String {
    let Understood { story, shots, .. } = understood;
    let mut lines = Vec::new();
    for (idx, shot) in shots.iter().enumerate() {
        let of = match shots.len() {
            1 => String::new(),
            n => format!(" (shot {} of {n})", idx + 1),
        };
        lines.push(format!("understood{of}: {}", shot.text));
    }
    lines.extend(notes(&story.shots));
    lines.join("\n")
}

/// What was not understood, or cannot be shown.
pub(crate) fn notes(shots: &[Grounding]) -> Vec<String> {
    let mut notes = Vec::new();
    if shots.iter().all(Grounding::is_empty) {
        notes.push(
            "note: nothing in the prompt is known to the world, so all of it was drawn by the seed"
                .into(),
        );
    }
    let unknown: Vec<&str> =
        each(shots, |shot| &shot.unknown).into_iter().map(String::as_str).collect();
    if !unknown.is_empty() {
        notes.push(format!("note: not known to the world: `{}`", unknown.join("`, `")));
    }
    for guess in each(shots, |shot| &shot.guessed) {
        notes.push(format!("note: took `{}` for `{}`", guess.word, guess.name));
    }
    let impossible = each(shots, |shot| &shot.impossible).into_iter();
    notes.extend(impossible.map(|sentence| format!("note: {sentence}")));
    notes
}

/// What is said of the shots, each once.
fn each<T: PartialEq>(story: &[Grounding], of: fn(&Grounding) -> &Vec<T>) -> Vec<&T> {
    let mut all = Vec::new();
    for said in story.iter().flat_map(of) {
        if !all.contains(&said) {
            all.push(said);
        }
    }
    all
}

/// Files that a state may be kept in: removed when dropped, unless one of them is kept.
pub(crate) struct Aside {
    paths: Vec<PathBuf>,
    is_kept: bool,
}

impl Aside {
    /// Beside the video, and if that cannot be written among temporary files.
    ///
    /// # Errors
    /// if a video in the making is there already
    pub(crate) fn new(targets: &Targets) -> Result<Self, Failure> {
        let temporary = std::env::temp_dir().join(format!("hibari-{}.state", std::process::id()));
        let mut paths = vec![temporary];
        // A device has no place beside it.
        if !targets.video.exists() || targets.video.is_file() {
            let beside = targets.state();
            if beside.exists() {
                let beside = beside.display();
                return Err(Failure::input(
                    format!("`{beside}` holds this video in the making"),
                    format!(
                        "`hibari resume {beside}` goes on with it; or give another name, or remove it"
                    ),
                ));
            }
            paths.insert(0, beside);
        }
        Ok(Self { paths, is_kept: false })
    }

    /// The file of a work that is taken up; it stays if that fails.
    pub(crate) fn taken_up(path: &Path) -> Self {
        Self { paths: vec![path.to_path_buf()], is_kept: true }
    }

    /// Keeps what was written, and tells in `failure` what it is good for.
    fn keep(mut self, path: &Path, failure: Failure) -> Failure {
        self.is_kept = true;
        let Failure { message, hint, code } = failure;
        let hint = format!("{hint}; then `hibari resume {}` finishes the video", path.display());
        Failure { message, hint, code }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        for path in self.paths.iter().filter(|path| !self.is_kept && path.is_file()) {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a file could not be removed");
            }
        }
    }
}
