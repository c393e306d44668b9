//! Tiny recipes from beginning to end: worlds are rendered, encoded and trained on, and the weights that come of it load.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hibari_data::{ClipPlan, DataError, LatentMakers, LatentSet};
use hibari_eval::Judge;
use hibari_models::lark::{
    self,
    config::{AeConfig, DitConfig},
    text::MAX_TOKENS,
    vae::Ae,
};
use hibari_models::text::MiniLm;
use hibari_train::Error;
use hibari_train::recipe::{self, AeRecipe, DitModel, DitRecipe, JudgeRecipe, Run};
use hibari_train::run::{self, Event};
use hibari_train::stage::dit::caption_words;
use hibari_weights::WeightIndex;
use hibari_world::{Attributes, Detail, Mix, word_spans};

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

fn encoder() -> Arc<MiniLm> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/minilm.safetensors");
    Arc::new(MiniLm::load(&WeightIndex::open(&weights).unwrap()).unwrap())
}

fn clips(seed: u64, clips: usize) -> ClipPlan {
    ClipPlan { seed, clips, other_sizes: 0.0, mix: Mix::First }
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
    let encoder = encoder();

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

fn judge_recipe(folder: &Path, mix: Mix) -> JudgeRecipe {
    let of_mix = |plan: ClipPlan| ClipPlan { mix, ..plan };
    JudgeRecipe {
        run: run_of(folder.join("judge"), 2),
        clips: of_mix(clips(1, 4)),
        held_out: of_mix(clips(100, 2)),
        data: folder.join("frames"),
        batch: 2,
    }
}

#[test]
fn a_judge_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = judge_recipe(folder.path(), Mix::First);
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
    let judge = Judge::load(&WeightIndex::open(&path).unwrap()).unwrap();
    assert_eq!(judge.classes(), Attributes::classes(Mix::First));
}

#[test]
fn the_whole_mix_is_trained_on_and_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut goes_on = |_event: Event<'_>| ControlFlow::Continue(());
    let whole = |plan: &ClipPlan| ClipPlan { mix: Mix::Whole, ..plan.clone() };

    let first_ae = ae_recipe(folder.path(), "ae", None);
    let first_ae_path = run::ae(&first_ae, &mut goes_on).unwrap().expect("nobody stops it");
    let mut recipe = AeRecipe {
        run: run_of(folder.path().join("whole-ae"), 3),
        clips: whole(&first_ae.clips),
        held_out: whole(&first_ae.held_out),
        ..first_ae
    };
    let error = run::ae(&recipe, &mut goes_on).unwrap_err();
    assert!(error.to_string().contains("other data"), "{error}");
    recipe.data = folder.path().join("whole-frames");
    let ae = run::ae(&recipe, &mut goes_on).unwrap().expect("nobody stops it");

    let encoder = encoder();
    let first = dit(folder.path(), "dit", &first_ae_path, 3);
    let first_path = run::dit(&first, &encoder, &mut goes_on).unwrap().expect("nobody stops it");
    // Stills of the first mix and looks at it share the words of the whole.
    let mut recipe = dit(folder.path(), "whole-dit", &ae, 3);
    recipe.data = folder.path().join("whole-latents");
    recipe.clips.mix = Mix::Whole;
    let path = run::dit(&recipe, &encoder, &mut goes_on).unwrap().expect("nobody stops it");
    let parts = lark::load(&WeightIndex::open(&path).unwrap()).unwrap();
    assert_eq!(parts.words, caption_words(Mix::Whole));
    assert_eq!(parts.dit_config.words, parts.words.rows());
    // Whose rows of words are not those of a run of the first mix only.
    let mut of_first = dit(folder.path(), "mixed-up", &ae, 3);
    of_first.data = recipe.data.clone();
    let error = run::dit(&of_first, &encoder, &mut goes_on).unwrap_err();
    assert!(error.to_string().contains("other data"), "{error}");

    recipe.start = Some(first_path);
    let mut rendered = |_event: Event<'_>| panic!("refused before anything is rendered");
    let error = run::dit(&recipe, &encoder, &mut rendered).unwrap_err();
    assert!(matches!(error, Error::OtherWords { has, wants, .. } if has < wants), "{error}");
    recipe.start = Some(path);
    recipe.run.folder = folder.path().join("further");
    recipe.model.hidden *= 2;
    let error = run::dit(&recipe, &encoder, &mut rendered).unwrap_err();
    assert!(matches!(error, Error::OtherSizes { .. }), "{error}");
    recipe.model.hidden /= 2;
    run::dit(&recipe, &encoder, &mut goes_on).unwrap().expect("nobody stops it");

    recipe.clips.mix = Mix::First;
    recipe.held_out.mix = Mix::Whole;
    let error = run::dit(&recipe, &encoder, &mut goes_on).unwrap_err();
    assert!(error.to_string().contains("`mix` of `held_out`"), "{error}");
}

#[test]
fn a_judge_of_the_whole_mix_has_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = judge_recipe(folder.path(), Mix::Whole);
    let mut goes_on = |_event: Event<'_>| ControlFlow::Continue(());
    let path = run::judge(&recipe, &mut goes_on).unwrap().expect("nobody stops it");
    let judge = Judge::load(&WeightIndex::open(&path).unwrap()).unwrap();
    assert_eq!(judge.classes(), Attributes::classes(Mix::Whole));
}

#[test]
fn captions_have_rows_for_all_their_words_and_fit() {
    let plan = ClipPlan { mix: Mix::Whole, ..clips(1, 200) };
    let [words, of_first] = [Mix::Whole, Mix::First].map(caption_words);
    assert!(of_first.as_slice().iter().all(|word| words.holds(word)));
    let mut longest = String::new();
    for item in 0..plan.clips {
        let script = plan.script(item);
        for detail in [Detail::Dense, Detail::Medium, Detail::Short] {
            let caption = plan.caption(&script, detail, item as u64);
            for (_, word) in word_spans(&caption) {
                assert!(words.holds(&word.to_lowercase()), "`{word}` of {caption}");
            }
            longest = if caption.len() > longest.len() { caption } else { longest };
        }
    }
    let encoder = encoder();
    let encoded = words.encode(&[&longest], &encoder).remove(0);
    assert!(encoded.words.len() < MAX_TOKENS, "{} tokens: {longest}", encoded.words.len());

    // A model of the first mix does not know them, and says so before anything is written.
    let folder = tempfile::tempdir().unwrap();
    let ae = Ae::new(&AeConfig::tiny(), &hibari_ops::device());
    let makers = LatentMakers { ae: &ae, ae_hash: "", words: &of_first, encoder: &encoder };
    let mut progress = |_done| ControlFlow::Continue(());
    let error = LatentSet::open(folder.path(), &plan, true, 1, makers, &mut progress).unwrap_err();
    assert!(matches!(error, DataError::Word { .. }), "{error}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was written");
}

#[test]
fn a_recipe_names_its_mix_or_means_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.toml");
    let read = |mix: &str| {
        std::fs::write(&path, format!("seed = 1\nclips = 2\nother_sizes = 0.0\n{mix}")).unwrap();
        recipe::read::<ClipPlan>(&path)
    };
    assert_eq!(read("").unwrap().mix, Mix::First);
    assert_eq!(read("mix = \"first\"").unwrap().mix, Mix::First);
    assert_eq!(read("mix = \"whole\"").unwrap().mix, Mix::Whole);
    let error = read("mix = \"all\"").unwrap_err().to_string();
    assert!(error.contains("`first` or `whole`"), "{error}");
}
