//! Every instruction set against f64, on odd shapes and scattered groups.

use super::Groups;
use super::layer::{layer_norm_backward_on, layer_norm_on, modulated_backward_on, modulated_on};
use super::residual::{gated_residual_backward_on, gated_residual_on};
use super::rms::{rms_norm_backward_on, rms_norm_on};
use crate::isa::Isa;
use crate::testing::{assert_close, assert_same_at_any_thread_count, values};

const F32: f64 = 1e-6;
const EPS: f32 = 1e-3;
/// Batch, tokens, groups, width.
const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 5, 3, 31], [3, 70, 4, 64], [1, 300, 2, 97], [2, 9, 9, 1030], [2, 0, 1, 4]];

/// A scale, the normalised row, and gradient rows in f64.
struct Oracle {
    z: Vec<f64>,
    factor: f64,
}

fn normalised(x: &[f32], centred: bool) -> Oracle {
    let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let len = x.len() as f64;
    let mean = if centred { x.iter().sum::<f64>() / len } else { 0.0 };
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / len;
    let factor = 1.0 / (variance + f64::from(EPS)).sqrt();
    Oracle { z: x.iter().map(|x| (x - mean) * factor).collect(), factor }
}

/// The gradient to the input of a norm, given that to the normalised row.
fn pulled(oracle: &Oracle, g: &[f64], centred: bool) -> Vec<f64> {
    let len = g.len() as f64;
    let mean = if centred { g.iter().sum::<f64>() / len } else { 0.0 };
    let slope = g.iter().zip(&oracle.z).map(|(g, z)| g * z).sum::<f64>() / len;
    let each = g.iter().zip(&oracle.z).map(|(g, z)| (g - mean - z * slope) * oracle.factor);
    each.collect()
}

fn scattered(tokens: usize, count: usize) -> Vec<u32> {
    (0..tokens).map(|token| (token * 7 / 3 % count) as u32).collect()
}

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

#[test]
fn layer_norms_match_f64_on_every_isa() {
    for isa in available() {
        for [batch, tokens, count, width] in SHAPES {
            let check = |what: &str, out: &[f32], expected: &[f64]| {
                let shape = [batch, tokens, count, width];
                assert_close(&format!("{what} {isa:?} {shape:?}"), out, expected, F32);
            };
            let (len, part) = (batch * tokens * width, batch * count * width);
            let (x, dy) = (values(1, len), values(2, len));
            let (scale, shift) = (values(3, part), values(4, part));
            let of_token = scattered(tokens, count);
            let (mut plain, mut y, mut dx, mut dplain) = (vec![], vec![], vec![], vec![]);
            let (mut dscale, mut dshift) = (vec![0.0; part], vec![0.0; part]);
            for row in 0..batch * tokens {
                let place = row * width;
                let group = (row / tokens * count + of_token[row % tokens] as usize) * width;
                let oracle = normalised(&x[place..][..width], true);
                let dy: Vec<f64> = dy[place..][..width].iter().map(|&dy| dy.into()).collect();
                let scale = |i: usize| f64::from(scale[group + i]);
                plain.extend(&oracle.z);
                dplain.extend(pulled(&oracle, &dy, true));
                let g: Vec<f64> = (0..width).map(|i| dy[i] * (1.0 + scale(i))).collect();
                dx.extend(pulled(&oracle, &g, true));
                for i in 0..width {
                    y.push(oracle.z[i] * (1.0 + scale(i)) + f64::from(shift[group + i]));
                    dscale[group + i] += dy[i] * oracle.z[i];
                    dshift[group + i] += dy[i];
                }
            }
            let groups = Groups { batch, of_token: &of_token, count, width };
            check("plain", &layer_norm_on(isa, &x, width, EPS), &plain);
            check("plain dx", &layer_norm_backward_on(isa, &x, &dy, width, EPS), &dplain);
            check("y", &modulated_on(isa, &x, &scale, &shift, groups, EPS), &y);
            let [fast_dx, fast_dscale, fast_dshift] =
                modulated_backward_on(isa, &x, &scale, &dy, groups, EPS);
            check("dx", &fast_dx, &dx);
            check("dscale", &fast_dscale, &dscale);
            check("dshift", &fast_dshift, &dshift);
        }
    }
}

#[test]
fn gated_residual_matches_f64_on_every_isa() {
    for isa in available() {
        for [batch, tokens, count, width] in SHAPES {
            let check = |what: &str, out: &[f32], expected: &[f64]| {
                let shape = [batch, tokens, count, width];
                assert_close(&format!("{what} {isa:?} {shape:?}"), out, expected, F32);
            };
            let (len, part) = (batch * tokens * width, batch * count * width);
            let [x, y, dout] = [1, 2, 3].map(|seed| values(seed, len));
            let gate = values(4, part);
            let of_token = scattered(tokens, count);
            let (mut out, mut dy, mut dgate) = (vec![], vec![], vec![0.0; part]);
            for place in 0..len {
                let row = place / width;
                let group = row / tokens * count + of_token[row % tokens] as usize;
                let group = group * width + place % width;
                let [x, y, dout] = [x[place], y[place], dout[place]].map(f64::from);
                let gate = f64::from(gate[group]);
                out.push(x + gate * y);
                dy.push(gate * dout);
                dgate[group] += dout * y;
            }
            let groups = Groups { batch, of_token: &of_token, count, width };
            check("out", &gated_residual_on(isa, &x, &y, &gate, groups), &out);
            let [fast_dy, fast_dgate] = gated_residual_backward_on(isa, &y, &gate, &dout, groups);
            check("dy", &fast_dy, &dy);
            check("dgate", &fast_dgate, &dgate);
        }
    }
}

#[test]
fn rms_norm_matches_f64_on_every_isa() {
    for isa in available() {
        for [rows, width] in [[1, 1], [7, 33], [700, 32], [0, 8], [3, 1000]] {
            let what = format!("{isa:?} [{rows}, {width}]");
            let (x, dy) = (values(1, rows * width), values(2, rows * width));
            let gamma = values(3, width);
            let (mut y, mut dx, mut dgamma) = (vec![], vec![], vec![0.0; width]);
            for (x, dy) in x.chunks(width).zip(dy.chunks(width)) {
                let oracle = normalised(x, false);
                let pairs = || gamma.iter().map(|&gamma| f64::from(gamma));
                y.extend(oracle.z.iter().zip(pairs()).map(|(z, gamma)| z * gamma));
                let g: Vec<f64> =
                    pairs().zip(dy).map(|(gamma, &dy)| gamma * f64::from(dy)).collect();
                dx.extend(pulled(&oracle, &g, false));
                for ((total, z), &dy) in dgamma.iter_mut().zip(&oracle.z).zip(dy) {
                    *total += z * f64::from(dy);
                }
            }
            assert_close(&format!("y {what}"), &rms_norm_on(isa, &x, &gamma, EPS), &y, F32);
            let [fast_dx, fast_dgamma] = rms_norm_backward_on(isa, &x, &gamma, &dy, EPS);
            assert_close(&format!("dx {what}"), &fast_dx, &dx, F32);
            assert_close(&format!("dgamma {what}"), &fast_dgamma, &dgamma, F32);
        }
    }
}

#[test]
fn norms_are_the_same_at_any_thread_count() {
    let (batch, tokens, count, width) = (3, 211, 4, 96);
    let [x, y] = [1, 2].map(|seed| values(seed, batch * tokens * width));
    let [scale, gate] = [3, 4].map(|seed| values(seed, batch * count * width));
    let of_token = scattered(tokens, count);
    let groups = Groups { batch, of_token: &of_token, count, width };
    assert_same_at_any_thread_count("norms", || {
        let modulated = super::modulated_layer_norm(&x, &scale, &gate, groups, EPS);
        let backward = super::modulated_layer_norm_backward(&x, &scale, &y, groups, EPS).concat();
        let gated = super::gated_residual_backward(&x, &gate, &y, groups).concat();
        let rms = super::rms_norm_backward(&x, &scale[..width], &y, EPS).concat();
        [modulated, backward, gated, rms].concat()
    });
}
