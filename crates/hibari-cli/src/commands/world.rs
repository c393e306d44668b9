//! `hibari world`: the simulated world that the embedded model learned from.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use hibari_media::{FrameRate, Mp4Options, Provenance, contact_sheet, encode_mp4, save_still};
use hibari_world::clip::ClipRenderer;
use hibari_world::export::{ExportOptions, export_clip, export_set};
use hibari_world::grounding::ground_story;
use hibari_world::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Light, Material, Place, Relation, Size, Subject, Term, Top, Weather,
};
use hibari_world::{ClipForm, Detail, Mix, Script, Split};
use serde::Serialize;

use super::making::notes;
use crate::failure::Failure;
use crate::output::Output;
use crate::{args, machine, targets};

/// Draw, list and render the world that the embedded model learned from
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari world vocabulary                             the words that a prompt can count on
  hibari world sample --n 24 --sheet world.png        24 training scenes with their short captions
  hibari world render --seed 7 --out scene.mp4        one training video
  hibari world render --prompt \"a cat chases a ball on a beach. Then it sits in the snow.\" --out cat.mp4
  hibari world sample --mix whole --sheet all.png     scenes of everything that the world can draw
  hibari world export --n 100 --out clips             a data set: videos, captions and facts in tar files
  hibari world export --n 8 --seconds 60 --fps 24 --files --out takes   long takes, as files of their own
  hibari world export --n 50 --shots 4 --out stories  the same characters in four scenes each
  hibari world bench                                  how fast one core draws training videos")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Draw scenes as training does, and show a still of each with its short caption
    Sample {
        /// Number of scenes
        #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1024))]
        n: u16,
        /// The picture to write, PNG or WebP
        #[arg(long, value_name = "FILE.png")]
        sheet: PathBuf,
        /// Seed of the first scene
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Which scenes
        #[arg(long, value_name = "SPLIT", default_value = "train")]
        split: SplitName,
        /// How much of the world
        #[arg(long, value_name = "MIX", default_value = "first")]
        mix: MixName,
        /// Replace a file that exists
        #[arg(short, long)]
        force: bool,
    },
    /// Render one video of the world
    Render {
        /// A script; --prompt or --seed draws one instead
        #[arg(
            value_name = "SCRIPT.json",
            required_unless_present_any = ["seed", "prompt"],
            conflicts_with_all = ["seed", "prompt"]
        )]
        script: Option<PathBuf>,
        /// Words to draw, of all of the world; "Shot 2:", "then" and the like begin another shot of four seconds
        #[arg(long, value_name = "TEXT", conflicts_with = "mix")]
        prompt: Option<String>,
        /// Seed of the script to draw, or of what the words leave open
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// How much of the world a drawn script may use; a script of yours may use all of it
        #[arg(long, value_name = "MIX", default_value = "first")]
        mix: MixName,
        /// The video to write
        #[arg(short, long, value_name = "FILE.mp4")]
        out: PathBuf,
        /// Also print the script on stdout
        #[arg(long)]
        json: bool,
        /// Replace a file that exists
        #[arg(short, long)]
        force: bool,
    },
    /// Measure how fast one core draws training videos, by place
    Bench {
        /// Number of videos, as training draws them
        #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=4096))]
        clips: u16,
        /// How much of the world
        #[arg(long, value_name = "MIX", default_value = "first")]
        mix: MixName,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write a data set: tar files of videos with captions and facts, and an index in Parquet
    Export {
        /// Number of clips
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        n: u32,
        #[command(flatten)]
        form: Form,
        /// Write NAME.mp4 and NAME.json of each clip in place of tar files
        #[arg(long, conflicts_with_all = ["per_shard", "dense"])]
        files: bool,
        /// The folder to write, made if needed
        #[arg(short, long, value_name = "FOLDER")]
        out: PathBuf,
        /// Seed of the first clip
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// How much of the world
        #[arg(long, value_name = "MIX", default_value = "whole")]
        mix: MixName,
        /// Shots of each clip, which share their cast
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
        shots: u8,
        /// Clips in a tar file
        #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
        per_shard: u16,
        /// Also write ids, depth and flow of every frame
        #[arg(long)]
        dense: bool,
    },
    /// List the words that the world knows
    Vocabulary {
        /// How much of the world: `first` is what the embedded model learned
        #[arg(long, value_name = "MIX", default_value = "first")]
        mix: MixName,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Size and length of clips.
#[derive(Debug, clap::Args)]
struct Form {
    /// Length of each clip in seconds, in thirds, from 0.33 to 64
    #[arg(long, value_name = "S", default_value_t = 4.0)]
    seconds: f64,
    /// Frame size
    #[arg(long, value_name = "WxH", value_parser = args::size, default_value = "256x144")]
    size: (usize, usize),
    /// Frames a second, 12 or 24: the same clips, of which 24 has twice the frames
    #[arg(long, value_name = "N", default_value_t = 12)]
    fps: u32,
}

impl Form {
    /// What to draw at 12 frames a second, and whether it is then drawn at 24.
    fn read(&self, shots: usize) -> Result<(ClipForm, bool), Failure> {
        // A NaN becomes the shortest, and is refused below.
        let thirds = (3.0 * self.seconds).round().max(shots as f64).min(3.0 * LONGEST_SECS);
        let is_near = (thirds / 3.0 - self.seconds).abs() <= 0.01;
        if !is_near || !matches!(self.fps, 12 | 24) {
            let nearest = format!(
                "{:.2} seconds at {} a second",
                thirds / 3.0,
                if self.fps > 18 { 24 } else { 12 }
            );
            return Err(Failure::input(
                format!(
                    "clips of {} seconds at {} frames a second cannot be drawn",
                    self.seconds, self.fps
                ),
                format!(
                    "nearest that can: {nearest}; a shot has at least a third of a second, a clip at most {LONGEST_SECS} seconds"
                ),
            ));
        }
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let (width, height) = (side(self.size.0), side(self.size.1));
        let form = ClipForm { width, height, fps: 12, frames: 4 * thirds as u32 };
        Script::sample_story(Mix::First, 0, Split::Train, form, shots).validate()?;
        Ok((form, self.fps == 24))
    }
}

/// Longest clip of an export.
const LONGEST_SECS: f64 = 64.0;

/// Which scenes to draw.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SplitName {
    /// Scenes for training
    Train,
    /// Scenes with a combination that training never shows
    Combinatorial,
    /// Speeds and crowds beyond those of training
    Outside,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Combinatorial => Self::Combinatorial,
            SplitName::Outside => Self::Outside,
        }
    }
}

/// How much of the world.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MixName {
    /// What the embedded model learned
    First,
    /// Everything that the world can draw
    Whole,
}

impl From<MixName> for Mix {
    fn from(name: MixName) -> Self {
        match name {
            MixName::First => Self::First,
            MixName::Whole => Self::Whole,
        }
    }
}

/// A training clip: four seconds at 12 frames a second.
const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };
/// Most columns of a sheet.
const MAX_COLUMNS: usize = 8;

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    match &args.verb {
        Verb::Sample { n, sheet, seed, split, mix, force } => {
            targets::check(sheet, &["png", "webp"], *force)?;
            let draw = |seed| Script::sample_from((*mix).into(), seed, (*split).into(), FORM);
            sample(*n, sheet, *seed, &draw, output)
        }
        Verb::Render { script, prompt, seed, mix, out, json, force } => {
            targets::check(out, &["mp4"], *force)?;
            let seed = seed.unwrap_or(0);
            let script = match (script, prompt) {
                (Some(path), _) => read(path)?,
                (None, Some(prompt)) => told(prompt, seed, output),
                (None, None) => Script::sample_from((*mix).into(), seed, Split::Train, FORM),
            };
            render(&script, out, output)?;
            if *json { output.data(&script.to_json()) } else { Ok(()) }
        }
        Verb::Bench { clips, mix, json } => bench(*clips, (*mix).into(), *json, output),
        Verb::Export { n, form, files, out, seed, mix, shots, per_shard, dense } => {
            let options = ExportOptions {
                per_shard: usize::from(*per_shard),
                dense: *dense,
                quantiser: targets::QUANTISER,
            };
            let (mix, shots, first) = ((*mix).into(), usize::from(*shots), *seed);
            let (form, is_doubled) = form.read(shots)?;
            let mut scripts = (0..u64::from(*n)).map(|idx| {
                let seed = first.wrapping_add(idx);
                let script = Script::sample_story(mix, seed, Split::Train, form, shots);
                if is_doubled { script.at_double_rate() } else { script }
            });
            let of = *n as usize;
            if *files {
                export_files(&mut scripts, of, out, output)
            } else {
                export(&mut scripts, of, out, &options, output)
            }
        }
        Verb::Vocabulary { mix, json } => vocabulary((*mix).into(), *json, output),
    }
}

fn sample(
    n: u16,
    path: &Path,
    seed: u64,
    draw: &dyn Fn(u64) -> Script,
    output: Output,
) -> Result<(), Failure> {
    let mut renderer = ClipRenderer::new();
    let bar = output.bar("rendering");
    let mut items = Vec::with_capacity(usize::from(n));
    for idx in 0..n {
        let script = draw(seed.wrapping_add(u64::from(idx)));
        let caption = script.caption(Detail::Short, script.seed).text();
        items.push((renderer.still(&script, FORM.frames / 2), caption));
        bar.set(items.len(), usize::from(n));
    }
    drop(bar);
    let columns = (1..MAX_COLUMNS).find(|columns| columns * columns >= items.len());
    let sheet = contact_sheet(&items, columns.unwrap_or(MAX_COLUMNS))?;
    save_still(path, &sheet, None)?;
    output.note(&format!("wrote {} ({n} scenes from seed {seed})", path.display()));
    Ok(())
}

fn read(path: &Path) -> Result<Script, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::input(
            format!("cannot read `{}`: {error}", path.display()),
            "check the path; `hibari world render --seed 1 --out a.mp4 --json` prints a script",
        )
    })?;
    Ok(Script::from_json(&text)?)
}

/// The script of a prompt, after telling what of it the world does not know.
fn told(prompt: &str, seed: u64, output: Output) -> Script {
    let story = ground_story(Mix::Whole, prompt, &mut |_| None);
    notes(&story.shots).iter().for_each(|note| output.note(note));
    let n_shots = u32::try_from(story.shots.len()).expect("at most 4");
    story.realise(seed, ClipForm { frames: FORM.frames * n_shots, ..FORM })
}

fn render(script: &Script, path: &Path, output: Output) -> Result<(), Failure> {
    let of = script.frames() as usize;
    let mut frames = Vec::with_capacity(of);
    let bar = output.bar("rendering");
    ClipRenderer::new().render(script, &mut |frame| {
        frames.push(frame);
        bar.set(frames.len(), of);
    });
    drop(bar);
    let caption = script.caption(Detail::Dense, script.seed).text();
    let made = Provenance {
        generator: "hibari world".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        prompt: caption.clone(),
        seed: script.seed,
        model_sha256: String::new(),
    };
    let options = Mp4Options { quantiser: targets::QUANTISER, provenance: Some(made) };
    encode_mp4(path, &frames, FrameRate::from(script.fps), &options, &mut |_done| {})?;
    output.note(&format!("{caption}\nwrote {} ({of} frames)", path.display()));
    Ok(())
}

/// Writes a data set; the folder keeps what it had.
fn export(
    scripts: &mut dyn Iterator<Item = Script>,
    of: usize,
    folder: &Path,
    options: &ExportOptions,
    output: Output,
) -> Result<(), Failure> {
    let bar = output.bar("rendering");
    let shards = export_set(folder, scripts, options, &mut |done| bar.set(done, of))?;
    drop(bar);
    output.note(&format!("wrote {of} clips in {} shards to {}", shards.len(), folder.display()));
    Ok(())
}

/// Writes a video and its facts for each clip; the folder keeps what it had.
fn export_files(
    scripts: &mut dyn Iterator<Item = Script>,
    of: usize,
    folder: &Path,
    output: Output,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| {
        Failure::input(
            format!("cannot make `{}`: {error}", folder.display()),
            "give another folder",
        )
    })?;
    let bar = output.bar("rendering");
    for (idx, script) in scripts.enumerate() {
        export_clip(folder, &format!("{idx:09}"), &script, targets::QUANTISER)?;
        bar.set(idx + 1, of);
    }
    drop(bar);
    output.note(&format!("wrote {of} clips with their facts to {}", folder.display()));
    Ok(())
}

/// The speed of one place, or of all.
#[derive(Serialize)]
struct Speed {
    place: &'static str,
    clips: usize,
    frames_per_s: f64,
    /// Of the whole process.
    peak_memory_bytes: Option<u64>,
}

/// Renders on this thread alone, so that frames a second are those of a core.
fn bench(clips: u16, mix: Mix, is_json: bool, output: Output) -> Result<(), Failure> {
    let mut renderer = ClipRenderer::new();
    let mut times: Vec<(Place, f64)> = Vec::new();
    let bar = output.bar("rendering");
    for seed in 0..clips {
        let script = Script::sample_from(mix, u64::from(seed), Split::Train, FORM);
        let began = Instant::now();
        renderer.render(&script, &mut |frame| drop(black_box(frame)));
        times.push((script.shots[0].place, began.elapsed().as_secs_f64()));
        bar.set(times.len(), usize::from(clips));
    }
    drop(bar);
    let speed = |name: &'static str, is_counted: &dyn Fn(Place) -> bool| {
        let counted = times.iter().filter(|(place, _)| is_counted(*place));
        let (clips, secs) = counted.fold((0, 0.0), |(n, sum), (_, secs)| (n + 1, sum + secs));
        let frames_per_s = (clips * FORM.frames as usize) as f64 / secs;
        let peak_memory_bytes = machine::peak_memory_bytes();
        (clips > 0).then_some(Speed { place: name, clips, frames_per_s, peak_memory_bytes })
    };
    let places = Place::ALL.iter().filter_map(|&place| speed(place.name(), &|at| at == place));
    for row in places.chain(speed("all", &|_| true)) {
        if is_json {
            output.json(&row)?;
        } else {
            let Speed { place, clips, frames_per_s, peak_memory_bytes } = row;
            let memory = peak_memory_bytes.map_or(0.0, |bytes| bytes as f64 / 1e6);
            output.data(&format!(
                "{place:<12} {clips:>4} clips {frames_per_s:>7.0} frames/s {memory:>6.0} MB"
            ))?;
        }
    }
    Ok(())
}

/// One table of the vocabulary.
#[derive(Serialize)]
struct Table {
    slot: &'static str,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    synonyms: &'static [&'static str],
    chinese: &'static [&'static str],
}

fn table<T: Term>(mix: Mix) -> Table {
    let entry =
        |term: &T| Entry { name: term.name(), synonyms: term.synonyms(), chinese: term.chinese() };
    Table { slot: T::SLOT, entries: T::of(mix).iter().map(entry).collect() }
}

fn vocabulary(mix: Mix, is_json: bool, output: Output) -> Result<(), Failure> {
    let tables = [
        table::<Subject>(mix),
        table::<Colour>(mix),
        table::<Size>(mix),
        table::<Material>(mix),
        table::<Top>(mix),
        table::<Bottom>(mix),
        table::<Footwear>(mix),
        table::<Item>(mix),
        table::<Hair>(mix),
        table::<Action>(mix),
        table::<Facing>(mix),
        table::<Place>(mix),
        table::<Light>(mix),
        table::<Ground>(mix),
        table::<CameraMove>(mix),
        table::<Framing>(mix),
        table::<Angle>(mix),
        table::<Weather>(mix),
        table::<Expression>(mix),
        table::<Relation>(mix),
        table::<Crowd>(mix),
    ];
    if is_json {
        return output.json(&tables);
    }
    for Table { slot, entries } in &tables {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        output.data(&format!("{slot:<10} {}", names.join(", ")))?;
    }
    Ok(())
}
