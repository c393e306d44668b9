//! Steps against f64 on every instruction set, and what Newton-Schulz promises.

use super::{
    AdamW, CHUNK, Muon, adamw, blend_chunk, ema, muon, newton_schulz, squares_of_chunk,
    sum_of_squares,
};
use crate::isa::Isa;
use crate::testing::{assert_close, assert_same_at_any_thread_count, values};

const F32: f64 = 1e-6;
const SETTINGS: AdamW = AdamW {
    rate: 3e-2,
    betas: [0.9, 0.95],
    eps: 1e-8,
    weight_decay: 0.1,
    step: 1,
    grad_scale: 0.7,
};

#[test]
fn three_steps_of_adamw_match_f64() {
    for len in [1, 31, 2 * CHUNK + 7] {
        let mut p = values(1, len);
        let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
        let mut expected: Vec<f64> = p.iter().map(|&p| f64::from(p)).collect();
        let mut moments = vec![[0.0_f64; 2]; len];
        let AdamW { rate, betas, eps, weight_decay, grad_scale, .. } = SETTINGS;
        let [rate, eps, decay, scale] = [rate, eps, weight_decay, grad_scale].map(f64::from);
        let [b1, b2] = betas.map(f64::from);
        for step in 1..=3 {
            let grad = values(10 + step, len);
            adamw(&mut p, &grad, &mut m, &mut v, AdamW { step, ..SETTINGS });
            for ((p, [m, v]), &g) in expected.iter_mut().zip(&mut moments).zip(&grad) {
                let g = f64::from(g) * scale;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                let (m, v) = (*m / (1.0 - b1.powf(step as f64)), *v / (1.0 - b2.powf(step as f64)));
                *p -= rate * (decay * *p + m / (v.sqrt() + eps));
            }
        }
        assert_close(&format!("{len} parameters"), &p, &expected, F32);
    }
}

#[test]
fn average_and_squares_match_f64() {
    let len = 3 * CHUNK + 5;
    let (mut average, param) = (values(1, len), values(2, len));
    let pairs = average.iter().zip(&param);
    let expected: Vec<f64> =
        pairs.map(|(&a, &p)| 0.99 * f64::from(a) + 0.01 * f64::from(p)).collect();
    ema(&mut average, &param, 0.99);
    assert_close("average", &average, &expected, F32);
    let expected: f64 = param.iter().map(|&p| f64::from(p).powi(2)).sum();
    assert!((sum_of_squares(&param) / expected - 1.0).abs() < 1e-12);
}

#[test]
fn every_isa_gives_the_same_bits() {
    let (from, to) = (values(1, 77), values(2, 77));
    let run = |isa| {
        let mut to = to.clone();
        blend_chunk(isa, &mut to, 0.3, &from, 0.6);
        (to, squares_of_chunk(isa, &from))
    };
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        assert!(run(isa) == run(Isa::Scalar), "{isa:?}");
    }
}

/// Eigenvalues of a symmetric matrix by Jacobi rotations.
fn eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    for _ in 0..12 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q].abs() < 1e-14 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let tan = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cos = 1.0 / (tan * tan + 1.0).sqrt();
                let sin = tan * cos;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (cos * x - sin * y, sin * x + cos * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (cos * x - sin * y, sin * x + cos * y);
                }
            }
        }
    }
    (0..n).map(|i| a[i * n + i]).collect()
}

#[test]
fn newton_schulz_brings_singular_values_near_one() {
    for [rows, cols] in [[24, 96], [96, 24], [1, 9], [33, 70], [32, 128]] {
        let mut x = values(3, rows * cols);
        newton_schulz(&mut x, [rows, cols], 5);
        let side = rows.min(cols);
        let at = |i: usize, k: usize| {
            f64::from(if rows <= cols { x[i * cols + k] } else { x[k * cols + i] })
        };
        let mut gram = vec![0.0; side * side];
        for i in 0..side {
            for j in 0..side {
                gram[i * side + j] = (0..rows.max(cols)).map(|k| at(i, k) * at(j, k)).sum();
            }
        }
        for value in eigenvalues(gram, side) {
            let singular = value.sqrt();
            assert!(
                (0.65..1.25).contains(&singular),
                "[{rows}, {cols}]: singular value {singular}"
            );
        }
    }
}

#[test]
fn muon_follows_its_formula() {
    let sizes = [24, 40];
    let len = sizes[0] * sizes[1];
    let settings =
        Muon { rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.5, grad_scale: 2.0 };
    let (start, grad, old) = (values(1, len), values(2, len), values(3, len));
    let (mut param, mut momentum) = (start.clone(), old.clone());
    muon(&mut param, &grad, &mut momentum, sizes, settings);
    let expected: Vec<f64> =
        old.iter().zip(&grad).map(|(&m, &g)| 0.9 * f64::from(m) + 0.2 * f64::from(g)).collect();
    assert_close("momentum", &momentum, &expected, F32);
    let mut update: Vec<f32> =
        expected.iter().zip(&grad).map(|(&m, &g)| (0.9 * m + 0.2 * f64::from(g)) as f32).collect();
    newton_schulz(&mut update, sizes, 5);
    let factor = 0.1 * 0.2 * 40.0_f64.sqrt();
    let pairs = start.iter().zip(&update);
    let expected: Vec<f64> =
        pairs.map(|(&p, &u)| 0.95 * f64::from(p) - factor * f64::from(u)).collect();
    // A last bit of the update can round to another bf16 operand.
    assert_close("param", &param, &expected, 4e-3);
}

#[test]
fn zeros_are_no_direction() {
    let mut x = vec![0.0; 12];
    newton_schulz(&mut x, [3, 4], 5);
    assert_eq!(x, [0.0; 12]);
}

#[test]
fn steps_are_the_same_at_any_thread_count() {
    let sizes = [130, 257];
    let len = sizes[0] * sizes[1];
    let grad = values(2, len);
    assert_same_at_any_thread_count("optimiser", || {
        let (mut p, mut m, mut v) = (values(1, len), vec![0.0; len], vec![0.0; len]);
        let grad_scale = 1.0 / sum_of_squares(&grad).sqrt() as f32;
        adamw(&mut p, &grad, &mut m, &mut v, AdamW { grad_scale, ..SETTINGS });
        let settings =
            Muon { rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.5, grad_scale };
        muon(&mut p, &grad, &mut m, sizes, settings);
        p
    });
}
