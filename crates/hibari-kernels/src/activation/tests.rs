//! Every instruction set against f64, and the exponential over its range.

use super::{
    CHUNK, gelu_backward_on, gelu_on, silu_backward_on, silu_on, swiglu_backward_on, swiglu_on,
};
use crate::isa::Isa;
use crate::testing::{assert_close, assert_same_at_any_thread_count, values};
use crate::vector::exp;

const F32: f64 = 1e-6;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn slope(x: f64) -> f64 {
    sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))
}

/// GELU with the hyperbolic tangent itself, and its derivative.
fn gelu(x: f64) -> [f64; 2] {
    let scale = (2.0 / std::f64::consts::PI).sqrt();
    let tanh = (scale * (x + 0.044_715 * x.powi(3))).tanh();
    let inner = scale * (1.0 + 3.0 * 0.044_715 * x * x);
    [x * (1.0 + tanh) / 2.0, (1.0 + tanh + x * (1.0 - tanh * tanh) * inner) / 2.0]
}

#[test]
fn exponential_is_within_two_ten_millionths() {
    for idx in 0..175_000_i32 {
        let x = idx as f32 * 1e-3 - 87.0;
        let expected = f64::from(x).exp();
        let error = (f64::from(exp(x)) / expected - 1.0).abs();
        assert!(error <= 2e-7, "exp({x}): relative error {error:.2e}");
    }
    assert!(exp(f32::NAN).is_nan());
    assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) > 0.0);
}

#[test]
fn values_and_gradients_match_f64_on_every_isa() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for len in [1, 33, CHUNK + 5] {
            let wide = |seed| values(seed, len).iter().map(|x| x * 12.0).collect::<Vec<_>>();
            let (a, b, dy) = (wide(1), wide(2), wide(3));
            let each = |f: &dyn Fn(f64, f64, f64) -> f64| {
                let inputs = a.iter().zip(&b).zip(&dy);
                let each = inputs.map(|((&a, &b), &dy)| f(a.into(), b.into(), dy.into()));
                each.collect::<Vec<f64>>()
            };
            let check = |what: &str, out: &[f32], f: &dyn Fn(f64, f64, f64) -> f64| {
                assert_close(&format!("{what} {isa:?} {len}"), out, &each(f), F32);
            };
            check("silu", &silu_on(isa, &a), &|a, _, _| a * sigmoid(a));
            check("silu dx", &silu_backward_on(isa, &a, &dy), &|a, _, dy| dy * slope(a));
            check("gelu", &gelu_on(isa, &a), &|a, _, _| gelu(a)[0]);
            check("gelu dx", &gelu_backward_on(isa, &a, &dy), &|a, _, dy| dy * gelu(a)[1]);
            check("swiglu", &swiglu_on(isa, &a, &b), &|a, b, _| a * sigmoid(a) * b);
            let (da, db) = swiglu_backward_on(isa, &a, &b, &dy);
            check("swiglu da", &da, &|a, b, dy| dy * b * slope(a));
            check("swiglu db", &db, &|a, _, dy| dy * a * sigmoid(a));
        }
    }
}

#[test]
fn activations_are_the_same_at_any_thread_count() {
    let [a, b, dy] = [1, 2, 3].map(|seed| values(seed, 5 * CHUNK + 3));
    assert_same_at_any_thread_count("activations", || {
        let (da, db) = swiglu_backward_on(Isa::Scalar, &a, &b, &dy);
        let of_gelu = [gelu_on(Isa::Scalar, &a), gelu_backward_on(Isa::Scalar, &a, &dy)].concat();
        [swiglu_on(Isa::Scalar, &a, &b), da, db, of_gelu].concat()
    });
}
