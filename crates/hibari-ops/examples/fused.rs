//! Prints the time of the fused norms and activations beside plain Burn operations: `fused [runs]`.
#![expect(clippy::print_stdout, reason = "an example that prints a table")]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Int, Tensor, TensorData, activation};
use hibari_kernels::memory;
use hibari_ops::activation::swiglu;
use hibari_ops::norm::{gated_residual, layer_norm, modulated_layer_norm, rms_norm};

const EPS: f32 = 1e-6;
/// Sequences, tokens in each, and groups of tokens: 8 clips of 8 latent frames.
const BATCH: usize = 8;
const TOKENS: usize = 480;
const GROUPS: usize = 8;

/// An operation of two activations and two modulations, which may leave some of them.
type Operation = dyn Fn(&[Tensor<3>; 4], &[u32]) -> Tensor<3>;

fn main() {
    memory::keep_freed();
    let runs = std::env::args().nth(1).map_or(9, |runs| runs.parse().expect("a number of runs"));
    let groups: Vec<u32> = (0..TOKENS).map(|token| (token * GROUPS / TOKENS) as u32).collect();
    let operations: [(&str, &Operation, &Operation); 5] = [
        ("layer_norm", &|[x, ..], _| layer_norm(x.clone(), EPS), &|[x, ..], _| {
            plain_layer_norm(x.clone())
        }),
        (
            "modulated_layer_norm",
            &|[x, _, a, b], groups| {
                modulated_layer_norm(x.clone(), a.clone(), b.clone(), groups, EPS)
            },
            &|[x, _, a, b], groups| {
                plain_layer_norm(x.clone()) * (spread(a, groups) + 1.0) + spread(b, groups)
            },
        ),
        (
            "gated_residual",
            &|[x, y, a, _], groups| gated_residual(x.clone(), y.clone(), a.clone(), groups),
            &|[x, y, a, _], groups| x.clone() + spread(a, groups) * y.clone(),
        ),
        (
            "rms_norm",
            &|[x, _, a, _], _| rms_norm(x.clone(), gain(a).squeeze_dims(&[0, 1]), EPS),
            &|[x, _, a, _], _| x.clone() / (x.clone().square().mean_dim(2) + EPS).sqrt() * gain(a),
        ),
        ("swiglu", &|[x, y, ..], _| swiglu(x.clone(), y.clone()), &|[x, y, ..], _| {
            activation::silu(x.clone()) * y.clone()
        }),
    ];
    println!("milliseconds, best of {runs}: plain, fused, ratio");
    for width in [256, 1024] {
        for (name, fused, plain) in operations {
            let [mut forward, mut training] = [[f64::INFINITY; 2]; 2];
            for _ in 0..runs {
                for (idx, operation) in [plain, fused].into_iter().enumerate() {
                    let device = Device::default();
                    let inputs = inputs(width, &device);
                    forward[idx] = forward[idx].min(time(|| drop(operation(&inputs, &groups))));
                    let inputs = self::inputs(width, &device.autodiff()).map(|x| x.require_grad());
                    let step = || drop(operation(&inputs, &groups).sum().backward());
                    training[idx] = training[idx].min(time(step));
                }
            }
            for (what, [plain, fused]) in [("forward", forward), ("and backward", training)] {
                println!(
                    "{name:<22}{BATCH} x {TOKENS} x {width:<6}{what:<14}{plain:>9.2}{fused:>9.2}{:>7.1}",
                    plain / fused
                );
            }
        }
    }
}

fn inputs(width: usize, device: &Device) -> [Tensor<3>; 4] {
    [TOKENS, TOKENS, GROUPS, GROUPS]
        .map(|rows| Tensor::random([BATCH, rows, width], Distribution::Uniform(-1.0, 1.0), device))
}

/// Milliseconds of a call.
fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64() * 1e3
}

/// The first row of a modulation.
fn gain(modulation: &Tensor<3>) -> Tensor<3> {
    modulation.clone().narrow(0, 0, 1).narrow(1, 0, 1)
}

fn plain_layer_norm(x: Tensor<3>) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred / (variance + EPS).sqrt()
}

/// Repeats `[B, G, D]` to `[B, N, D]`.
fn spread(modulation: &Tensor<3>, groups: &[u32]) -> Tensor<3> {
    let idx: Vec<i64> = groups.iter().map(|&group| i64::from(group)).collect();
    let idx = TensorData::from(idx.as_slice());
    modulation.clone().select(1, Tensor::<1, Int>::from_data(idx, &modulation.device()))
}
