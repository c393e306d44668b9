//! `hibari eval`: the figures of a model, against real renders, the autoencoder's losses and chance.

use std::path::PathBuf;

use hibari_eval::measures::{Block, worst_blocks};
use hibari_eval::{Bar, Clips, Judge, Row, Summary, Unit, evaluate};
use hibari_media::{Frame, contact_sheet, save_still};
use hibari_models::source::Settings;
use hibari_pipeline::{Generator, Means, Progress, Request, mix_of};
use hibari_weights::WeightIndex;
use hibari_world::clip::ClipRenderer;
use hibari_world::{ClipForm, Detail, Script};

use crate::failure::Failure;
use crate::output::Output;
use crate::{cancel, embedded, targets};

/// Measure a model: what the judge sees in videos of held-out prompts, and what the autoencoder loses
///
/// Each prompt is rendered (the ceiling), sent through the autoencoder (the floor) and generated. A small network that
/// was trained on renders only, the judge, names what each video shows; chance is its answer against other prompts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hibari eval                                  the embedded model on 256 prompts, as a table
  hibari eval --prompts 32 --sheet eval.png    fewer, and a still of each video with its prompt
  hibari eval --json > figures.json            for machines")]
pub(crate) struct Args {
    /// Number of held-out prompts
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    prompts: u16,
    /// Which prompts
    #[arg(long, value_name = "SPLIT", default_value = "train")]
    split: super::world::SplitName,
    /// Seed of the first prompt; training uses none from here on
    #[arg(long, value_name = "N", default_value_t = 9_500_000)]
    seed: u64,
    /// Denoising steps [default: the model's]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// How strictly to follow the text [default: the model's]
    #[arg(long, value_name = "W")]
    guidance: Option<f64>,
    /// Weights to use in place of the embedded ones
    #[arg(long, value_name = "FILE", env = "HIBARI_MODEL")]
    model: Option<PathBuf>,
    /// Judge to ask in place of the embedded one
    #[arg(long, value_name = "FILE")]
    judge: Option<PathBuf>,
    /// Also a still of each video with its prompt, PNG or WebP
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Print one JSON object on stdout in place of the table
    #[arg(long)]
    json: bool,
}

/// What the judge must see, in renders and in generated videos.
const BARS: [(&str, f64); 4] = [("place", 0.8), ("light", 0.8), ("subject", 0.6), ("colour", 0.6)];
/// What it must see in renders.
const CEILING: f64 = 0.95;
/// Likeness of what comes back from the autoencoder.
const ROUND_TRIP_DB: f64 = 28.0;
/// Columns of the sheet.
const COLUMNS: usize = 8;
/// A training clip: four seconds.
const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    cancel::install()?;
    if let Some(sheet) = &args.sheet {
        targets::check(sheet, &["png", "webp"], true)?;
    }
    let model = embedded::load(args.model.as_deref(), Settings::default())?;
    let model = std::cell::RefCell::new(model);
    let judge = args.judge.as_deref().map_or_else(embedded::judge, WeightIndex::open)?;
    let judge = Judge::load(&judge)?;
    let mix = mix_of(model.borrow().spec()).unwrap_or_default();
    if judge.mix() < mix {
        return Err(Failure::input(
            "the model knows more of the world than the judge",
            "name a judge that was trained with `mix = \"whole\"`: --judge FILE",
        ));
    }
    let prompts: Vec<Script> = (0..u64::from(args.prompts))
        .map(|i| Script::sample_from(mix, args.seed + i, args.split.into(), FORM))
        .collect();

    let mut renderer = ClipRenderer::new();
    let mut worst: Vec<(usize, Block)> = Vec::new();
    let mut stills = Vec::new();
    let mut rendered = 0;
    let bar = output.bar("evaluating");
    let mut real = |idx: usize| {
        let mut frames = Vec::new();
        renderer.render(&prompts[idx], &mut |frame| frames.push(frame));
        Ok::<_, Failure>(frames)
    };
    let mut round_trip = |frames: &[Frame]| {
        let back = model.borrow().round_trip(frames)?;
        worst.extend(worst_blocks(frames, &back, 2).into_iter().map(|block| (rendered, block)));
        worst.sort_by(|a, b| a.1.psnr_db.total_cmp(&b.1.psnr_db));
        worst.truncate(2);
        rendered += 1;
        Ok(back)
    };
    let mut generated = |idx: usize| {
        let script = &prompts[idx];
        let caption = script.caption_in(mix, Detail::Dense, script.seed).text();
        let request = Request {
            prompt: caption,
            seed: script.seed,
            size: Some((FORM.width as usize, FORM.height as usize)),
            steps: args.steps,
            guidance: args.guidance,
            ..Request::default()
        };
        let frames = frames_of(&request, model.borrow_mut().as_mut())?;
        bar.set(idx + 1, prompts.len());
        stills.push((frames[frames.len() / 2].clone(), short(script)));
        Ok(frames)
    };
    let clips = Clips { real: &mut real, round_trip: &mut round_trip, generated: &mut generated };
    let rows = evaluate(&judge, &prompts, clips, args.seed)?;
    drop(bar);

    let summary = summary(rows, args.prompts.into());
    if let Some(path) = &args.sheet {
        save_still(path, &contact_sheet(&stills, COLUMNS)?, None)?;
        output.note(&format!("wrote {}", path.display()));
    }
    for (clip, Block { frame, x, y, psnr_db }) in worst {
        output.note(&format!(
            "worst place of the autoencoder: prompt {clip}, frame {frame}, 16x16 at {x},{y}: {psnr_db:.1} dB"
        ));
    }
    if args.json { output.data(&summary.to_json()) } else { output.data(&summary.to_string()) }
}

fn short(script: &Script) -> String {
    script.caption(Detail::Short, script.seed).text()
}

/// Makes a video without keeping anything on disk.
fn frames_of(request: &Request, model: &mut dyn Generator) -> Result<Vec<Frame>, Failure> {
    let mut goes_on = |_progress: Progress<'_>| cancel::flow();
    let clip = hibari_pipeline::generate(request, model, &Means::none(), None, &mut goes_on)?;
    Ok(clip.frames)
}

/// The rows with their bars, and the judge's own accuracy on renders as rows of its own.
fn summary(rows: Vec<Row>, n: usize) -> Summary {
    let ceilings: Vec<Row> = BARS
        .iter()
        .filter_map(|(name, _)| {
            let row = rows.iter().find(|row| row.figure == *name)?;
            let figure = format!("judge on renders: {name}");
            let bar = Some(Bar::AtLeast(CEILING));
            Some(Row { bar, chance: row.chance, ..Row::new(&figure, Unit::Share, row.ceiling?, n) })
        })
        .collect();
    let mut summary = Summary { rows };
    for (name, bar) in BARS {
        summary.set_bar(name, Bar::AtLeast(bar));
    }
    summary.set_bar("motion", Bar::Within(0.5, 2.0));
    summary.set_bar("frozen", Bar::AtMost(0.0));
    summary.set_bar("round trip", Bar::AtLeast(ROUND_TRIP_DB));
    summary.rows.extend(ceilings);
    summary
}
