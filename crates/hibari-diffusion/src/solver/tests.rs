//! Solvers against a closed form, against trajectories of the reference, and frame by frame.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};

use super::{DpmPp2M, Euler, Solver, UniPc};
use crate::schedule::{self, Timed};
use crate::{Guidance, Latent, NoisePlan, Position, denoise};

/// Gaussian data of variance `v`: the optimal clean estimate and the exact flow are known in closed form.
fn gaussian_error(mut solver: impl Solver, n_steps: usize) -> f64 {
    let (v, device) = (0.25, Device::flex());
    let scale = |s: f64| ((1.0 - s).powi(2) * v + s * s).sqrt();
    let levels: Vec<f64> =
        schedule::linear(n_steps, 1.0).into_iter().map(|s| 0.02 + 0.93 * s).collect();
    let start = 1.3 * scale(levels[0]);
    let mut z = Tensor::<5>::full([1, 1, 1, 1, 1], start as f32, &device);
    for pair in levels.windows(2) {
        let s = pair[0];
        let clean = z.clone() * ((1.0 - s) * v / scale(s).powi(2));
        z = solver.step(z, clean, &pair[..1], &pair[1..]);
    }
    (f64::from(z.into_scalar::<f32>()) - 1.3 * scale(0.02)).abs()
}

/// Four times the steps divide the error by `4^order`.
fn check_order<S: Solver + Default>(name: &str, coarsest: f64, ratios: std::ops::Range<f64>) {
    let (coarse, fine) = (gaussian_error(S::default(), 16), gaussian_error(S::default(), 64));
    assert!(coarse < coarsest, "{name}, 16 steps: {coarse}");
    assert!(ratios.contains(&(coarse / fine)), "{name}, 4 times the steps: {coarse} -> {fine}");
}

#[test]
fn solvers_converge_with_their_order() {
    check_order::<Euler>("Euler", 0.1, 3.0..6.0);
    check_order::<DpmPp2M>("DPM++", 5e-2, 8.0..f64::INFINITY);
    check_order::<UniPc>("UniPC", 3e-2, 12.0..f64::INFINITY);
}

fn values(tensor: Tensor<5>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Frame 0 is given, frame 1 moves from the start, frame 2 waits for one step.
fn check_frames<S: Solver + Default>(name: &str) {
    let device = Device::flex();
    let video = |values: Vec<f32>| {
        let n_frames = values.len();
        Tensor::<5>::from_data(TensorData::new(values, [1, 1, n_frames, 1, 1]), &device)
    };
    let levels = [[0.05, 1.0, 1.0], [0.05, 0.7, 1.0], [0.05, 0.5, 0.7], [0.05, 0.2, 0.5]];
    // each frame alone, with an estimate that depends on where it is
    let run = |frames: &[usize], rows: std::ops::Range<usize>| {
        let mut solver = S::default();
        let mut z = video(vec![1.0; frames.len()]);
        for row in rows.start..rows.end - 1 {
            let pick = |row: usize| frames.iter().map(|&f| levels[row][f]).collect::<Vec<f64>>();
            let clean = z.clone().sin() * 0.6;
            z = solver.step(z, clean, &pick(row), &pick(row + 1));
        }
        values(z)
    };
    let together = run(&[0, 1, 2], 0..4);
    assert_eq!(together[0], 1.0, "{name}: a given frame does not move");
    assert_eq!(together[1..2], run(&[1], 0..4), "{name}: a frame moves as if it were alone");
    assert_eq!(together[2..3], run(&[2], 1..4), "{name}: a frame that waited starts afresh");
    assert_eq!(together[2..3], run(&[1], 0..3), "{name}: and takes the same path");
}

#[test]
fn frames_move_each_by_itself() {
    check_frames::<Euler>("Euler");
    check_frames::<UniPc>("UniPC");
    check_frames::<DpmPp2M>("DPM++");
}

/// Numbers in [-1, 1) that the reference makes by the same formula: SplitMix64, seeded by FNV-1a of the name.
fn uni(name: &str, n: usize) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 40
    };
    (0..n).map(|_| (next() as f64 / (1_u64 << 23) as f64 - 1.0) as f32).collect()
}

/// Runs a model without weights, `v = 0.6 z + 0.3 sin 2z + t / 10000`, and compares mean, root mean square and first
/// value with the reference's, which are printed to 6 digits.
fn check_trajectory(mut solver: impl Solver, schedule: &Timed, wanted: [f64; 3]) {
    let shape = [1, 2, 2, 3, 4];
    let start: Vec<f32> = uni("traj", 48).iter().map(|u| 2.0 * u).collect();
    let video = Tensor::from_data(TensorData::new(start, shape), &Device::flex());
    let plan = NoisePlan::timed(schedule, &[false; 2]);
    let guidance = Guidance { weight: 1.0, low: None, from: 0.0, to: 1.0 };
    let end = denoise(
        Position::start(Latent { video }),
        &plan,
        &mut solver,
        &guidance,
        &mut |noisy, sigma, _| {
            let z = noisy.video;
            let time = sigma.time.clone().reshape([1, 1, 2, 1, 1]);
            let velocity = z.clone() * 0.6 + (z.clone() * 2.0).sin() * 0.3 + time / 1e4;
            Latent { video: sigma.clean_from_velocity(z, velocity) }
        },
        &mut |_| ControlFlow::Continue(()),
    )
    .expect("it is not canceled");
    let end = values(end.video);
    let mean = |power: i32| end.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / 48.0;
    let found = [mean(1), mean(2).sqrt(), f64::from(end[0])];
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-6, "{found}, not {wanted}");
    }
}

#[test]
fn trajectories_are_those_of_the_reference() {
    assert_eq!(uni("x", 2), [-0.597_583_53, 0.617_053_5]);
    let unipc = |steps, shift| Timed::unipc(schedule::flow(steps, shift));
    check_trajectory(UniPc::default(), &unipc(4, 5.0), [0.028881, 0.457088, 0.015166]);
    check_trajectory(UniPc::default(), &unipc(8, 3.0), [0.068375, 0.492259, 0.077916]);
    let euler = Timed::euler(schedule::flow(4, 5.0));
    check_trajectory(Euler, &euler, [0.026862, 0.455924, 0.012261]);
    let euler = Timed::euler(schedule::flow_shifted_twice(4, 5.0));
    check_trajectory(Euler, &euler, [0.018088, 0.452788, -0.007076]);
}

/// Stopped after each step and taken up by a new solver, the end has the same bits; frame 0 is given.
fn check_resumed<S: Solver + Default>(name: &str) {
    let plan = NoisePlan::timed(&Timed::unipc(schedule::flow(5, 3.0)), &[true, false, false]);
    let guidance = Guidance { weight: 2.0, low: None, from: 0.0, to: 1.0 };
    let shape = [1, 2, 3, 2, 2];
    let video = Tensor::from_data(TensorData::new(uni("resume", 24), shape), &Device::flex());
    let run = |start: Position, stop: usize| {
        let mut last = start.clone();
        let mut predict = |noisy: Latent, _, _| Latent { video: noisy.video.sin() * 0.6 };
        let end = denoise(start, &plan, &mut S::default(), &guidance, &mut predict, &mut |step| {
            last = step.position();
            if step.done == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(end.is_err(), stop > 0);
        last
    };
    let whole = values(run(Position::start(Latent { video: video.clone() }), 0).latent.video);
    for stop in 1..5 {
        let stopped = run(Position::start(Latent { video: video.clone() }), stop);
        assert_eq!(stopped.done, stop);
        let resumed = run(stopped, 0);
        assert_eq!(values(resumed.latent.video), whole, "{name}, stopped after step {stop}");
    }
}

#[test]
fn a_stopped_run_goes_on_with_the_same_bits() {
    check_resumed::<Euler>("Euler");
    check_resumed::<UniPc>("UniPC");
    check_resumed::<DpmPp2M>("DPM++");
}
