//! A small network learns a sum; runs are stopped, damaged, resumed and compared bit for bit.

use std::fs;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use hibari_weights::{NamedTensor, WeightIndex};

use super::*;
use crate::{checkpoint::export, log};

/// One matrix used three times, so that gradients from several places meet.
#[derive(Module, Debug)]
struct Net {
    enter: Param<Tensor<2>>,
    hidden: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    gain: Param<Tensor<1>>,
    unused: Param<Tensor<1>>,
}

const INPUTS: usize = 3;
const WIDTH: usize = 8;
const ITEMS: usize = 32;

/// What is wrong with a step.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Loss,
    Gradient,
}

struct Toy {
    fault: fn(u64) -> Fault,
    width_note: &'static str,
    looks: Vec<u64>,
}

fn toy() -> Toy {
    Toy { fault: |_| Fault::None, width_note: "8", looks: Vec::new() }
}

/// Seeded values in -1..1 (splitmix64).
fn random<const D: usize>(seed: u64, dims: [usize; D]) -> Tensor<D> {
    let value = |i: usize| {
        let mut z = (seed << 32).wrapping_add(i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..dims.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(values, dims), &Device::default())
}

impl Stage for Toy {
    type Model = Net;

    fn model(&self) -> Net {
        let ones = || Param::from_tensor(Tensor::ones([1], &Device::default()));
        Net {
            enter: Param::from_tensor(random(1, [INPUTS, WIDTH])),
            hidden: Param::from_tensor(random(2, [WIDTH, WIDTH]) * 0.2),
            bias: Param::from_tensor(random(3, [WIDTH]) * 0.1),
            gain: ones(),
            unused: ones(),
        }
    }

    fn loss(&mut self, model: &Net, step: u64) -> StepLoss {
        let x = random(100 + step, [ITEMS, INPUTS]);
        let target = x.clone().sum_dim(1);
        let mut h = x.matmul(model.enter.val());
        for _ in 0..3 {
            h = h.clone() + (h.matmul(model.hidden.val()) + model.bias.val().unsqueeze()).tanh();
        }
        let error = h.mean_dim(1) * model.gain.val().unsqueeze() - target;
        let mut loss = error.powi_scalar(2).mean();
        match (self.fault)(step) {
            Fault::None => {}
            Fault::Loss => loss = loss * f32::NAN,
            // The square root of zero has no finite slope.
            Fault::Gradient => loss = loss + (model.bias.val() * 0.0).sqrt().sum(),
        }
        StepLoss { loss, parts: vec![("square", 0.5)], items: ITEMS, flops: 1e6 }
    }

    fn rule(&self, name: &str, shape: &[usize]) -> Rule {
        match (name, shape.len()) {
            ("gain", _) => Rule::Frozen,
            ("hidden", 2) => Rule::Muon { weight_decay: 0.01 },
            _ => Rule::AdamW { weight_decay: 0.01 },
        }
    }

    fn inspect(
        &mut self,
        averaged: &Net,
        step: u64,
        folder: &Path,
    ) -> Result<Vec<(String, f64)>, Error> {
        self.looks.push(step);
        assert!(folder.is_dir() && !averaged.bias.val().is_autodiff());
        Ok(vec![("bias".to_owned(), f64::from(number(&averaged.bias.val().sum())))])
    }

    fn config(&self) -> String {
        format!("{{\"width\": {}}}", self.width_note)
    }
}

fn settings(folder: &Path, steps: u64) -> Settings {
    Settings {
        length: Length::Steps(steps),
        schedule: Schedule { rate: 0.02, warmup_steps: 5, decay_share: 0.15 },
        clip: 1.0,
        ema_decay: 0.9,
        checkpoint_secs: f64::INFINITY,
        inspect_every: 8,
        folder: folder.join("run"),
        seed: 7,
    }
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// All tensors of a checkpoint: values, averages and moments.
fn tensors(path: &Path) -> Vec<NamedTensor> {
    WeightIndex::open(path).unwrap().named_tensors("").unwrap()
}

fn checkpoints(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.ends_with(".safetensors"))
        .collect();
    names.sort();
    names
}

fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn ten_steps_resume_ten_steps_are_twenty() {
    let [whole, parts] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let straight = train(&mut toy(), &settings(whole.path(), 20), &mut go_on).unwrap();
    assert!(straight.is_finished && straight.step == 20);

    let settings = settings(parts.path(), 20);
    let mut stop_at_ten = |progress: &Progress| match progress.step {
        10 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let stopped = train(&mut toy(), &settings, &mut stop_at_ten).unwrap();
    assert!(!stopped.is_finished && stopped.step == 10 && stopped.checkpoint.is_file());
    assert_ne!(tensors(&straight.checkpoint), tensors(&stopped.checkpoint));

    let mut stage = toy();
    let mut steps = Vec::new();
    let resumed = train(&mut stage, &settings, &mut |progress| {
        steps.push(progress.step);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(steps, (11..=20).collect::<Vec<u64>>());
    assert_eq!(stage.looks, [16, 20]);
    assert_eq!(tensors(&straight.checkpoint), tensors(&resumed.checkpoint));

    let story = |folder: &tempfile::TempDir| -> Vec<(u64, Option<f32>, f32)> {
        let lines = log::read(&folder.path().join("run")).unwrap();
        lines.iter().map(|line| (line.step, line.loss, line.rate)).collect()
    };
    assert_eq!(story(&whole), story(&parts));
    assert_eq!(story(&parts).len(), 20);

    let again = train(&mut toy(), &settings, &mut |_| panic!("nothing is left to do")).unwrap();
    assert_eq!((again.step, again.checkpoint), (20, resumed.checkpoint));
}

#[test]
fn the_loss_falls_and_the_average_follows() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 300);
    let mut first = None;
    let outcome = train(&mut toy(), &settings, &mut |progress| {
        first.get_or_insert(progress.loss);
        ControlFlow::Continue(())
    })
    .unwrap();
    let (first, last) = (first.unwrap(), outcome.loss.unwrap());
    assert!(last < 0.05 * first, "{first} to {last}");

    let averaged =
        hibari_weights::module::load(toy().model(), export(&settings.folder, true).unwrap())
            .unwrap();
    let loss = number(&toy().loss(&averaged, 1000).loss);
    assert!(loss < 0.05 * first, "averaged: {first} to {loss}");
    assert!(fs::read_to_string(settings.folder.join("loss.svg")).unwrap().contains("<polyline"));
}

#[test]
fn what_is_frozen_or_unused_stays() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = train(&mut toy(), &settings(folder.path(), 5), &mut go_on).unwrap();
    for averaged in [false, true] {
        for tensor in export(&outcome.checkpoint, averaged).unwrap() {
            let is_still = tensor.values == [1.0];
            assert_eq!(is_still, ["gain", "unused"].contains(&tensor.name.as_str()), "{tensor:?}");
        }
    }
    let names: Vec<String> =
        tensors(&outcome.checkpoint).into_iter().map(|tensor| tensor.name).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    assert!(has("first/hidden") && has("second/bias"));
    assert!(!has("second/hidden") && !has("first/gain"));
}

#[test]
fn three_checkpoints_are_kept_and_a_damaged_one_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let often = Settings { checkpoint_secs: 0.0, ..settings(folder.path(), 6) };
    let outcome = train(&mut toy(), &often, &mut go_on).unwrap();
    let expected = tensors(&outcome.checkpoint);
    let names = checkpoints(&often.folder);
    assert_eq!(names, [4, 5, 6].map(|step| format!("step-{step:08}.safetensors")));

    flip_a_byte(&outcome.checkpoint);
    assert!(export(&outcome.checkpoint, true).is_err());
    let mut steps = Vec::new();
    let mended = train(&mut toy(), &often, &mut |progress| {
        steps.push(progress.step);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(steps, [6]);
    assert_eq!(tensors(&mended.checkpoint), expected);

    names.iter().for_each(|name| flip_a_byte(&often.folder.join(name)));
    let error = train(&mut toy(), &often, &mut go_on).expect_err("nothing sound is left");
    assert!(matches!(error, Error::AllDamaged { count: 3, .. }), "{error}");
}

#[test]
fn steps_that_are_not_finite_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 8);
    let mut stage = toy();
    stage.fault = |step| match step {
        3 => Fault::Loss,
        4 => Fault::Gradient,
        _ => Fault::None,
    };
    let mut stop_at = |last: u64| {
        let mut progress = |progress: &Progress| match progress.step == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        train(&mut stage, &settings, &mut progress).unwrap()
    };
    let before = tensors(&stop_at(3).checkpoint);
    let skipped = stop_at(5);
    assert_eq!(skipped.skipped, 2);
    assert_eq!(before, tensors(&skipped.checkpoint));
    let outcome = stop_at(8);
    assert_eq!((outcome.skipped, outcome.is_finished), (2, true));
    assert_ne!(before, tensors(&outcome.checkpoint));
    let losses: Vec<bool> =
        log::read(&settings.folder).unwrap().iter().map(|line| line.loss.is_some()).collect();
    assert_eq!(losses, [true, true, true, false, false, true, true, true]);
}

#[test]
fn a_run_that_stays_infinite_ends() {
    let faults: [fn(u64) -> Fault; 2] = [|_| Fault::Loss, |_| Fault::Gradient];
    for fault in faults {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Toy { fault, ..toy() };
        let error = train(&mut stage, &settings(folder.path(), 100), &mut go_on)
            .expect_err("no step is finite");
        assert!(matches!(error, Error::Diverged { step: 19, count: MAX_SKIPPED }), "{error}");
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn another_run_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), 2);
    train(&mut toy(), &settings, &mut go_on).unwrap();
    let mut wider = Toy { width_note: "9", ..toy() };
    let error = train(&mut wider, &settings, &mut go_on).expect_err("another configuration");
    assert!(matches!(error, Error::OtherRun { what: "config", .. }), "{error}");
    let reseeded = Settings { seed: 8, ..settings.clone() };
    let error = train(&mut toy(), &reseeded, &mut go_on).expect_err("another seed");
    assert!(matches!(error, Error::OtherRun { what: "seed", .. }), "{error}");

    let longer = Settings { length: Length::Steps(4), ..settings };
    assert_eq!(train(&mut toy(), &longer, &mut go_on).unwrap().step, 4, "length may change");
}

#[test]
fn the_length_found_for_a_time_budget_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = Parameters::new(&toy().model(), &mut |_, _| Rule::Frozen);
    let mut identity = Identity { config: String::new(), seed: 1, length: Length::BudgetSecs(0.1) };
    let position = Position {
        step: 3,
        total: Some(41),
        elapsed_secs: 0.1 + 0.2,
        skipped: 1,
        skipped_in_row: 1,
    };
    let path = checkpoint::save(folder.path(), &parameters, &identity, &position).unwrap();
    let index = WeightIndex::open(&path).unwrap();
    assert_eq!(checkpoint::restore(&index, &mut parameters, &identity).unwrap(), position);
    identity.length = Length::BudgetSecs(0.2);
    let restored = checkpoint::restore(&index, &mut parameters, &identity).unwrap();
    assert_eq!(restored, Position { total: None, ..position });
}
