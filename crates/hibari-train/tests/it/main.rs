//! Tiny recipes from beginning to end: worlds are rendered, encoded and trained on, and the weights that come of it load.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hibari_data::ClipPlan;
use hibari_eval::Judge;
use hibari_models::lark::{
    self,
    config::{AeConfig, DitConfig},
    vae::Ae,
};
use hibari_models::text::MiniLm;
use hibari_train::recipe::{AeRecipe, DitModel, DitRecipe, JudgeRecipe, Run};
use hibari_train::run::{self, Event};
use hibari_weights::WeightIndex;

fn run_of(folder: PathBuf, steps: u64) -> Run {
    Run {
        folder,
        seed: 5,
        steps: Some(steps),
        minutes: None,
        rate: 1e-3,
        warmup_steps: 2,
        decay_share: 0.0,
        ema_decay: 0.9,
        inspect_every: 0,
    }
}

fn clips(seed: u64, clips: usize) -> ClipPlan {
    ClipPlan { seed, clips, other_sizes: 0.0 }
}

/// Trains an autoencoder, or only the decoder of the one in `start`.
fn ae(folder: &Path, name: &str, start: Option<&Path>) -> PathBuf {
    let recipe = ae_recipe(folder, name, start);
    run::ae(&recipe, &mut |_event| ControlFlow::Continue(())).unwrap().expect("nobody stops it")
}

fn ae_recipe(folder: &Path, name: &str, start: Option<&Path>) -> AeRecipe {
    AeRecipe {
        run: run_of(folder.join(name), 3),
        clips: clips(1, 2),
        held_out: clips(100, 1),
        data: folder.join("frames"),
        start: start.map(Path::to_path_buf),
        frozen_encoder: start.is_some(),
        model: AeConfig::tiny(),
        batch: 2,
        crop: (64, 32),
    }
}

fn dit(folder: &Path, name: &str, ae: &Path, steps: u64) -> DitRecipe {
    DitRecipe {
        run: run_of(folder.join(name), steps),
        ae: ae.to_path_buf(),
        start: None,
        stills: clips(1, 3),
        clips: clips(10, 2),
        held_out: clips(100, 1),
        data: folder.join("latents"),
        model: DitModel { width: 32, heads: 2, hidden: 48, layers: "SF".into(), refiner: 1 },
        batch_stills: 2,
        batch_windows: 1,
        still_share: 0.5,
        lengths: vec![2, 3],
        all_equal: 0.5,
    }
}

#[test]
fn a_model_is_trained_stopped_and_resumed_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let ae = ae(folder.path(), "ae", None);
    lark::load_ae(&WeightIndex::open(&ae).unwrap()).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/minilm.safetensors");
    let encoder = Arc::new(MiniLm::load(&WeightIndex::open(&weights).unwrap()).unwrap());

    let whole = dit(folder.path(), "whole", &ae, 6);
    let path = run::dit(&whole, &encoder, &mut |_event| ControlFlow::Continue(())).unwrap();
    let whole = WeightIndex::open(&path.expect("nobody stops it")).unwrap();
    let parts = lark::load(&whole).unwrap();
    assert_eq!(parts.dit_config.width, 32);

    let halves = dit(folder.path(), "halves", &ae, 6);
    let mut stop = |event: Event<'_>| match event {
        Event::Step(progress) if progress.step == 3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert_eq!(run::dit(&halves, &encoder, &mut stop).unwrap(), None);
    let path = run::dit(&halves, &encoder, &mut |_event| ControlFlow::Continue(())).unwrap();
    let halves = WeightIndex::open(&path.expect("nobody stops it")).unwrap();
    for name in whole.names() {
        assert_eq!(whole.tensor_f32(name).unwrap(), halves.tensor_f32(name).unwrap(), "{name}");
    }
}

#[test]
fn a_decoder_learns_while_its_encoder_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = ae(folder.path(), "first", None);
    let second = WeightIndex::open(&ae(folder.path(), "second", Some(&first))).unwrap();
    let first = WeightIndex::open(&first).unwrap();
    for name in first.names() {
        let stays = Ae::is_encoder(&name[3..]) || Ae::is_statistic(&name[3..]);
        let is_equal = first.tensor_f32(name).unwrap() == second.tensor_f32(name).unwrap();
        assert_eq!(stays, is_equal, "{name}");
    }
}

#[test]
fn impossible_sizes_are_refused_before_anything_is_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let good = ae_recipe(folder.path(), "run", None);
    let refused = |change: fn(&mut AeRecipe), named: &str| {
        let mut recipe = good.clone();
        change(&mut recipe);
        let error = run::ae(&recipe, &mut |_event| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    };
    refused(|recipe| recipe.model.encoder = [48, 100, 192], "`encoder`");
    refused(|recipe| recipe.model.decoder = [250, 128, 64], "`decoder`");
    refused(|recipe| recipe.model.channels = 0, "`channels`");
    refused(|recipe| recipe.crop = (60, 32), "`crop`");
    refused(|recipe| recipe.crop = (256, 160), "`crop`");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was written");

    let words = DitConfig::tiny(9);
    assert_eq!(words.fault(), None);
    assert!(DitConfig { heads: 3, ..words.clone() }.fault().unwrap().contains("3 heads"));
    assert!(DitConfig { layers: "SXF".into(), ..words }.fault().unwrap().contains("`X`"));
}

#[test]
fn a_judge_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = JudgeRecipe {
        run: run_of(folder.path().join("judge"), 2),
        clips: clips(1, 4),
        held_out: clips(100, 2),
        data: folder.path().join("frames"),
        batch: 2,
    };
    let mut data = 0;
    let mut tell = |event: Event<'_>| {
        if let Event::Data { done, of, .. } = event {
            assert!(done <= of);
            data += 1;
        }
        ControlFlow::Continue(())
    };
    let path = run::judge(&recipe, &mut tell).unwrap().expect("nobody stops it");
    assert!(data >= 2, "both sets are told of");
    Judge::load(&WeightIndex::open(&path).unwrap()).unwrap();
}
