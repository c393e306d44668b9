//! The judge learns, keeps what it learned, and starts from where it should.

use std::collections::BTreeMap;

use burn::module::ModuleMapper;
use burn::tensor::Gradients;
use hibari_weights::write_safetensors;

use super::*;

/// Clips that differ in everything: the ground's grey, the colour of a square, and the way it moves.
fn clips(n_clips: usize, width: usize, height: usize) -> Vec<View> {
    let mut random = Random::new(5, "clips");
    let mut byte = || u8::try_from(random.below(256)).unwrap();
    (0..n_clips)
        .map(|_| {
            let (grey, colour) = (byte(), [byte(), byte(), byte()]);
            let (x, dx) = (usize::from(byte()) % (width / 2), usize::from(byte()) % 5);
            let frames: Vec<Frame> = (0..FRAMES)
                .map(|i| {
                    let mut frame = Frame::filled(width, height, [grey; 3]);
                    frame.paste(&Frame::filled(16, 16, colour), x + i * dx, height / 4);
                    frame
                })
                .collect();
            View::of_clip(&frames)
        })
        .collect()
}

fn labels(n_clips: usize) -> Vec<[usize; LABELS]> {
    let label = |clip: usize| Attributes::CLASSES.map(|n| (clip * 5 + clip / n) % n);
    (0..n_clips).map(label).collect()
}

/// Plain gradient descent.
struct Descend<'a> {
    gradients: &'a Gradients,
    rate: f64,
}

impl ModuleMapper for Descend<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| {
            let gradient = value.grad(self.gradients).expect("every parameter has a gradient");
            Tensor::from_inner(value.inner() - gradient * self.rate).require_grad()
        })
    }
}

/// A judge that knows eight clips by heart.
fn trained(steps: usize) -> (Judge, Vec<View>, Vec<[usize; LABELS]>, Vec<f32>) {
    let device = Device::default().autodiff();
    let mut judge = Judge::new(Mix::First, 1, &device);
    let (clips, labels) = (clips(8, 64, 48), labels(8));
    let batch = clip_tensor(&clips.iter().collect::<Vec<_>>(), &device);
    let mut losses = Vec::new();
    for _ in 0..steps {
        let (loss, _) = judge.loss(batch.clone(), &labels);
        losses.push(values(loss.clone())[0]);
        let gradients = loss.backward();
        judge = judge.map(&mut Descend { gradients: &gradients, rate: 0.2 });
    }
    (judge, clips, labels, losses)
}

#[test]
fn eight_clips_are_learned_by_heart_and_survive_storage() {
    let (judge, clips, labels, losses) = trained(90);
    let predicted = judge.predict_all(&clips);
    assert_eq!(predicted, labels, "losses {losses:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("judge.safetensors");
    let device = Device::default();
    let batch = clip_tensor(&clips.iter().collect::<Vec<_>>(), &device);
    let logits = |judge: &Judge| -> Vec<Vec<f32>> {
        judge.forward(batch.clone()).into_iter().map(values).collect()
    };
    let mut kept = Vec::new();
    for storage in [Storage::F32, Storage::Bf16, Storage::Int8] {
        write_safetensors(&path, &judge.stored(storage), &BTreeMap::new()).unwrap();
        let loaded = Judge::load(&WeightIndex::open(&path).unwrap()).unwrap();
        assert_eq!(loaded.predict_all(&clips), labels, "{storage:?}");
        kept.push(logits(&loaded));
    }
    // Products are bf16 anyway, but what is rounded are sums of weights.
    let difference = |other: &[Vec<f32>]| {
        let pairs = || kept[0].iter().flatten().zip(other.iter().flatten());
        let square: f32 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
        (square / pairs().map(|(a, _)| a * a).sum::<f32>()).sqrt()
    };
    let [bf16, int8] = [difference(&kept[1]), difference(&kept[2])];
    assert!(bf16 < 1e-2, "bf16 weights give other logits: {bf16}");
    assert!(int8 > bf16, "int8 weights {int8}, bf16 weights {bf16}");
}

#[test]
fn a_fresh_judge_prefers_no_class() {
    let device = Device::default();
    let views = clips(2, 48, 32);
    let batch = clip_tensor(&views.iter().collect::<Vec<_>>(), &device);
    let (loss, losses) = Judge::new(Mix::First, 3, &device).loss(batch, &labels(2));
    let chance = Attributes::CLASSES.map(|n| (n as f32).ln());
    for (loss, chance) in losses.into_iter().zip(chance) {
        assert!((loss - chance).abs() < 1e-5, "{losses:?} against {chance:?}");
    }
    let mean = chance.iter().sum::<f32>() / LABELS as f32;
    assert!((values(loss)[0] - mean).abs() < 1e-5);
}

#[test]
fn weights_follow_from_the_seed() {
    let device = Device::default();
    let [a, b, c] = [1, 1, 2].map(|seed| collect(&Judge::new(Mix::First, seed, &device)));
    assert_eq!(a, b);
    let differ = a.iter().zip(&c).filter(|(a, c)| a != c).count();
    assert_eq!(differ, 7, "the stem, two times down, three blocks and the motion differ");
}

#[test]
fn sizes_may_be_mixed_and_threads_do_not_matter() {
    let (judge, ..) = trained(3);
    let judge = judge.valid();
    let mut views = clips(3, 256, 144);
    views.extend(clips(2, 144, 256));
    views.extend(clips(2, 192, 192));
    let together = judge.predict_all(&views);
    let alone: Vec<_> =
        views.iter().map(|view| judge.predict_all(std::slice::from_ref(view))[0]).collect();
    assert_eq!(together, alone);

    let batch = clip_tensor(&[&views[0], &views[1]], &Device::default());
    let logits = |n_threads: usize| -> Vec<Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| judge.forward(batch.clone()).into_iter().map(values).collect())
    };
    assert_eq!(logits(1), logits(3));
}

#[test]
fn a_frame_costs_at_most_150_million_operations() {
    for size in [[72, 128], [128, 72], [96, 96]] {
        let flops = Judge::forward_flops(size) / FRAMES as f64;
        assert!((1.0e8..1.5e8).contains(&flops), "{flops} at {size:?}");
    }
}
