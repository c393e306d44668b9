//! A recipe from beginning to end: data, training, final weights. What is there already is not made again.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hibari_data::{ClipPlan, DataError, FramePick, FrameSet, LatentMakers, LatentSet};
use hibari_eval::judge::Judge;
use hibari_models::ModelError;
use hibari_models::lark::config::DitConfig;
use hibari_models::lark::{self, Parts, dit::Dit, text::Words};
use hibari_models::text::MiniLm;
use hibari_ops::device;
use hibari_weights::{WeightIndex, module::load, quantize::Storage, write_safetensors};
use hibari_world::{Detail, Mix};

use crate::recipe::{AeRecipe, DitRecipe, JudgeRecipe, Run};
use crate::stage::ae::{AeSettings, AeStage};
use crate::stage::dit::{DitSettings, DitStage, Preview, caption_words};
use crate::stage::judge::{JudgeStage, Labelled};
use crate::{Error, Progress, Stage, export, train};

/// Captions kept of each clip that gives windows; stills have one.
const CAPTIONS: usize = 2;
/// Captions that the pictures of a run are drawn from.
const PREVIEWS: usize = 12;

/// What a run tells while it works.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Training data is made.
    Data {
        /// Which.
        what: &'static str,
        /// Clips that are there.
        done: usize,
        /// Clips in all.
        of: usize,
    },
    /// A step was made.
    Step(&'a Progress),
}

/// Hears what happens, and may stop the run.
pub type Listener<'a> = dyn FnMut(Event<'_>) -> ControlFlow<()> + 'a;

/// Trains the autoencoder; gives the file of its weights, or nothing if `tell` stopped the run.
///
/// # Errors
/// see [`Error`]
pub fn ae(recipe: &AeRecipe, tell: &mut Listener<'_>) -> Result<Option<PathBuf>, Error> {
    let fault = recipe.model.fault().or_else(|| recipe.crop_fault());
    possible(&recipe.run, fault)?;
    mix(&recipe.run, &[&recipe.clips], &recipe.held_out)?;
    let frames = |name: &'static str, plan, tell: &mut Listener<'_>| {
        frames(&recipe.data.join(name), plan, FramePick::Run(12), name, tell)
    };
    let train_set = frames("clips", &recipe.clips, tell)?;
    let held_out = frames("held-out", &recipe.held_out, tell)?;
    let (Some(train_set), Some(held_out)) = (train_set, held_out) else { return Ok(None) };
    let settings = AeSettings {
        model: recipe.model.clone(),
        runs: recipe.batch,
        crop: recipe.crop,
        frozen_encoder: recipe.frozen_encoder,
        seed: recipe.run.seed,
    };
    let start = recipe.start.as_deref().map(|path| {
        let (sizes, ae) = opened(path, lark::load_ae)?;
        same_sizes(path, &sizes, &recipe.model)?;
        Ok::<_, Error>(ae)
    });
    let start = start.transpose()?;
    let mut stage = AeStage::new(settings, train_set, held_out, start);
    let Some(model) = trained(&mut stage, &recipe.run, tell)? else { return Ok(None) };
    let path = recipe.run.folder.join("ae.safetensors");
    let model = stage.with_statistics(model);
    lark::save_ae(&path, &recipe.model, &model, Storage::Bf16, &described(recipe))?;
    Ok(Some(path))
}

/// Trains the transformer; gives the file of the whole model, or nothing if `tell` stopped the run.
///
/// # Errors
/// see [`Error`]
pub fn dit(
    recipe: &DitRecipe,
    encoder: &Arc<MiniLm>,
    tell: &mut Listener<'_>,
) -> Result<Option<PathBuf>, Error> {
    let ae_index = WeightIndex::open(&recipe.ae).map_err(model_error(&recipe.ae))?;
    let (ae_config, ae) = lark::load_ae(&ae_index).map_err(model_error(&recipe.ae))?;
    let mix = mix(&recipe.run, &[&recipe.stills, &recipe.clips], &recipe.held_out)?;
    let words = caption_words(mix);
    let dit_config = recipe.model.config(ae_config.channels, words.rows());
    possible(&recipe.run, dit_config.fault())?;
    let started = |path: &Path| started(path, &words, &dit_config);
    let start = recipe.start.as_deref().map(started).transpose()?;
    let makers = LatentMakers { ae: &ae, ae_hash: ae_index.hash(), words: &words, encoder };
    let latents = |name: &'static str, plan, stills, tell: &mut Listener<'_>| {
        let captions = if stills { 1 } else { CAPTIONS };
        latents(&recipe.data.join(name), plan, (stills, captions), makers, name, tell)
    };
    let stills = latents("stills", &recipe.stills, true, tell)?;
    let clips = latents("clips", &recipe.clips, false, tell)?;
    let held_out = latents("held-out", &recipe.held_out, false, tell)?;
    let (Some(stills), Some(clips), Some(held_out)) = (stills, clips, held_out) else {
        return Ok(None);
    };
    let mut parts = Parts {
        preset: "lark-first-light".into(),
        dit: Dit::new(&dit_config, &device()),
        ae_config,
        dit_config: dit_config.clone(),
        words: words.clone(),
        ae,
    };
    let preview = Preview {
        parts: parts.clone(),
        encoder: Arc::clone(encoder),
        captions: (0..PREVIEWS)
            .map(|item| {
                let held_out = &recipe.held_out;
                held_out.caption(&held_out.script(item), Detail::Dense, 0)
            })
            .collect(),
    };
    let settings = DitSettings {
        model: dit_config,
        stills: recipe.batch_stills,
        windows: recipe.batch_windows,
        still_share: recipe.still_share,
        lengths: recipe.lengths.clone(),
        all_equal: recipe.all_equal,
        seed: recipe.run.seed,
    };
    let mut stage = DitStage::new(settings, [stills, clips, held_out], start, preview);
    let Some(model) = trained(&mut stage, &recipe.run, tell)? else { return Ok(None) };
    parts.dit = model;
    let path = recipe.run.folder.join("lark.safetensors");
    lark::save(&path, &parts, Storage::Bf16, &described(recipe))?;
    Ok(Some(path))
}

/// Trains the judge; gives the file of its weights, or nothing if `tell` stopped the run.
///
/// # Errors
/// see [`Error`]
pub fn judge(recipe: &JudgeRecipe, tell: &mut Listener<'_>) -> Result<Option<PathBuf>, Error> {
    let mix = mix(&recipe.run, &[&recipe.clips], &recipe.held_out)?;
    let labelled = |name: &'static str, plan, tell: &mut Listener<'_>| {
        let pick = FramePick::Spread(hibari_eval::view::FRAMES as u32);
        let frames = frames(&recipe.data.join(name), plan, pick, name, tell)?;
        Ok::<_, Error>(frames.map(|frames| Labelled::new(&frames, plan)))
    };
    let train_set = labelled("clips", &recipe.clips, tell)?;
    let held_out = labelled("held-out", &recipe.held_out, tell)?;
    let (Some(train_set), Some(held_out)) = (train_set, held_out) else { return Ok(None) };
    let mut stage = JudgeStage::new(mix, recipe.run.seed, recipe.batch, train_set, held_out);
    let Some(model) = trained(&mut stage, &recipe.run, tell)? else { return Ok(None) };
    let path = recipe.run.folder.join("judge.safetensors");
    write_safetensors(&path, &Judge::stored(&model, Storage::Bf16), &described(recipe))?;
    Ok(Some(path))
}

/// Refuses what the recipe asks for if there is a fault in it.
fn possible(run: &Run, fault: Option<String>) -> Result<(), Error> {
    let path = run.folder.clone();
    fault.map_or(Ok(()), |message| Err(Error::Recipe { path, message }))
}

/// The mix that holds all clips to train on, and so the words and classes of the model.
fn mix(run: &Run, sets: &[&ClipPlan], held_out: &ClipPlan) -> Result<Mix, Error> {
    let mix = sets.iter().map(|plan| plan.mix).max().unwrap_or_default();
    let is_beyond = held_out.mix > mix;
    let message = "`mix` of `held_out` is wider than that of the clips to train on";
    possible(run, is_beyond.then(|| message.into()))?;
    Ok(mix)
}

/// The transformer of a model to start from, if its rows of words and its sizes are those of the recipe.
fn started(path: &Path, words: &Words, sizes: &DitConfig) -> Result<Dit, Error> {
    let parts = opened(path, lark::load)?;
    if parts.words != *words {
        let [has, wants] = [&parts.words, words].map(|words| words.as_slice().len());
        return Err(Error::OtherWords { path: path.to_path_buf(), has, wants });
    }
    same_sizes(path, &parts.dit_config, sizes)?;
    Ok(parts.dit)
}

/// Refuses a model to start from that is not of the sizes of the recipe, which are written beside the trained weights.
fn same_sizes<C: PartialEq + Debug>(path: &Path, has: &C, wants: &C) -> Result<(), Error> {
    if has == wants {
        return Ok(());
    }
    let [has, wants] = [has, wants].map(|sizes| format!("{sizes:?}"));
    Err(Error::OtherSizes { path: path.to_path_buf(), has, wants })
}

/// Trains and gives the averaged model.
fn trained<S: Stage>(
    stage: &mut S,
    run: &Run,
    tell: &mut Listener<'_>,
) -> Result<Option<S::Model>, Error> {
    let outcome = train(stage, &run.settings()?, &mut |progress| tell(Event::Step(progress)))?;
    if !outcome.is_finished {
        return Ok(None);
    }
    let averaged = export(&outcome.checkpoint, true)?;
    Ok(Some(load(stage.model(), averaged)?))
}

fn frames(
    folder: &Path,
    plan: &ClipPlan,
    pick: FramePick,
    what: &'static str,
    tell: &mut Listener<'_>,
) -> Result<Option<FrameSet>, Error> {
    let of = plan.clips;
    let mut progress = |done| tell(Event::Data { what, done, of });
    finished(FrameSet::open(folder, plan, pick, &mut progress))
}

fn latents(
    folder: &Path,
    plan: &ClipPlan,
    (stills, captions): (bool, usize),
    makers: LatentMakers<'_>,
    what: &'static str,
    tell: &mut Listener<'_>,
) -> Result<Option<LatentSet>, Error> {
    let of = plan.clips;
    let mut progress = |done| tell(Event::Data { what, done, of });
    finished(LatentSet::open(folder, plan, stills, captions, makers, &mut progress))
}

/// Nothing where the listener stopped the work.
fn finished<T>(made: Result<T, DataError>) -> Result<Option<T>, Error> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(DataError::Canceled) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The recipe, kept in the metadata of the weights that came of it.
fn described<R: serde::Serialize>(recipe: &R) -> BTreeMap<String, String> {
    let recipe = serde_json::to_string(recipe).expect("a recipe holds plain values");
    BTreeMap::from([("hibari.recipe".to_owned(), recipe)])
}

/// What `load` makes of a file that the recipe names.
fn opened<T>(path: &Path, load: fn(&WeightIndex) -> Result<T, ModelError>) -> Result<T, Error> {
    let index = WeightIndex::open(path).map_err(model_error(path))?;
    load(&index).map_err(model_error(path))
}

fn model_error<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Error + '_ {
    |error| Error::Model { path: path.to_path_buf(), message: error.to_string() }
}
