//! Every instruction set against f64, on odd shapes and poisoned outputs.

use half::bf16;

use super::{
    Shape, attention, attention_backward, attention_backward_into, attention_into, integer, rounded,
};
use crate::Products;
use crate::int8::dispatch_dots;
use crate::isa::Isa;
use crate::matmul::dispatch_product;
use crate::testing::{BF16_BOUND, assert_close, assert_same_at_any_thread_count, values};

/// Error bound of f32 arithmetic.
const F32_BOUND: f64 = 1e-5;

const fn shape(
    [batch, n_heads]: [usize; 2],
    [n_queries, n_keys]: [usize; 2],
    d_head: usize,
) -> Shape {
    Shape { batch, n_heads, n_queries, n_keys, d_head }
}

const SHAPES: [Shape; 8] = [
    shape([1, 1], [1, 1], 16),
    shape([2, 3], [5, 7], 16),
    shape([3, 2], [40, 40], 64),
    shape([1, 4], [36, 53], 32),
    shape([2, 1], [49, 36], 48),
    shape([1, 2], [150, 203], 64),
    shape([2, 2], [97, 112], 80),
    shape([1, 1], [13, 331], 128),
];

/// Outputs, logarithms of sums and gradients to queries, keys and values, by the definition.
fn reference([q, k, v, d_out]: [&[f32]; 4], lens: &[usize], shape: Shape) -> [Vec<f64>; 5] {
    let Shape { n_queries, n_keys, d_head, .. } = shape;
    let token = shape.token();
    let mut all = [q.len(), shape.sums_len(), q.len(), k.len(), v.len()].map(|len| vec![0.0; len]);
    let [out, log_sums, dq, dk, dv] = &mut all;
    let scale = 1.0 / (d_head as f64).sqrt();
    for head in 0..shape.batch * shape.n_heads {
        let key_at = |key: usize| shape.start(head, n_keys) + key * token;
        for query in 0..n_queries {
            let at = shape.start(head, n_queries) + query * token;
            let dot = |a: &[f32], b: &[f32], key: usize| -> f64 {
                (0..d_head).map(|d| f64::from(a[at + d]) * f64::from(b[key_at(key) + d])).sum()
            };
            let keys = 0..lens[head / shape.n_heads];
            let scores: Vec<f64> = keys.clone().map(|key| scale * dot(q, k, key)).collect();
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            log_sums[head * n_queries + query] = sum.ln();
            let weights: Vec<f64> = scores.iter().map(|score| score.exp() / sum).collect();
            let d_weights: Vec<f64> = keys.clone().map(|key| dot(d_out, v, key)).collect();
            let mean: f64 = weights.iter().zip(&d_weights).map(|(w, dw)| w * dw).sum();
            for key in keys {
                let d_score = scale * weights[key] * (d_weights[key] - mean);
                for d in 0..d_head {
                    let place = key_at(key) + d;
                    out[at + d] += weights[key] * f64::from(v[place]);
                    dv[place] += weights[key] * f64::from(d_out[at + d]);
                    dq[at + d] += d_score * f64::from(k[place]);
                    dk[place] += d_score * f64::from(q[at + d]);
                }
            }
        }
    }
    all
}

#[test]
fn attention_matches_f64_on_every_isa() {
    for shape in SHAPES {
        // Large queries make some weights vanish; half the items see a part of their keys, and the rest is NaN.
        let q: Vec<f32> = values(1, shape.queries_len()).iter().map(|value| 8.0 * value).collect();
        let (mut k, mut v) = (values(2, shape.keys_len()), values(3, shape.keys_len()));
        let d_out = values(4, shape.queries_len());
        let lens: Vec<usize> = (0..shape.batch)
            .map(|item| if item % 2 == 0 { shape.n_keys } else { shape.n_keys * 2 / 3 })
            .collect();
        for (item, &len) in lens.iter().enumerate() {
            let [start, end] =
                [len, shape.n_keys].map(|key| (item * shape.n_keys + key) * shape.token());
            k[start..end].fill(f32::NAN);
            v[start..end].fill(f32::NAN);
        }
        let [out_ref, sums_ref, dq_ref, dk_ref, dv_ref] =
            reference([&q, &k, &v, &d_out], &lens, shape);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = |name| format!("{name} {isa:?} {shape:?}");
            let [mut out, mut dq] = [(); 2].map(|()| vec![f32::NAN; q.len()]);
            let [mut dk, mut dv] = [(); 2].map(|()| vec![f32::NAN; k.len()]);
            let mut sums = vec![f32::NAN; shape.sums_len()];
            let inputs = [q.as_slice(), &k, &v];
            // SAFETY: the lengths are those of the shape.
            unsafe {
                let to = [out.as_mut_ptr(), sums.as_mut_ptr()];
                attention_into(isa, inputs, Some(&lens), shape, Products::Exact, to);
                let to = [dq.as_mut_ptr(), dk.as_mut_ptr(), dv.as_mut_ptr()];
                let saved = [out.as_slice(), &sums, &d_out];
                let products = Products::Exact;
                attention_backward_into(isa, inputs, saved, Some(&lens), shape, products, to);
            }
            assert_close(&what("out"), &out, &out_ref, F32_BOUND);
            assert_close(&what("log_sums"), &sums, &sums_ref, F32_BOUND);
            assert_close(&what("dv"), &dv, &dv_ref, F32_BOUND);
            if shape.n_keys > 1 {
                assert_close(&what("dq"), &dq, &dq_ref, F32_BOUND);
                assert_close(&what("dk"), &dk, &dk_ref, F32_BOUND);
            }
        }
    }
}

#[test]
fn rounded_products_match_f64_on_every_isa() {
    let long = [shape([1, 1], [100, 1100], 64), shape([2, 2], [20, 513], 48)];
    for shape in SHAPES.into_iter().chain(long) {
        // The oracle sees rounded inputs; scores that rise along the keys make the running maximum change.
        let rounded = |seed, len, factor: f32| -> Vec<f32> {
            let round = |value: f32| bf16::from_f32(value * factor).to_f32();
            values(seed, len).into_iter().map(round).collect()
        };
        let q = rounded(1, shape.queries_len(), 4.0);
        let (mut k, mut v) = (rounded(2, shape.keys_len(), 1.0), rounded(3, shape.keys_len(), 1.0));
        for (at, value) in k.iter_mut().enumerate() {
            let key = at / shape.token() % shape.n_keys;
            *value = bf16::from_f32(*value * (1.0 + key as f32 / 1024.0)).to_f32();
        }
        let lens: Vec<usize> = (0..shape.batch)
            .map(|item| if item % 2 == 0 { shape.n_keys } else { shape.n_keys.div_ceil(2) })
            .collect();
        let d_out = rounded(4, shape.queries_len(), 1.0);
        let [out_ref, sums_ref, dq_ref, dk_ref, dv_ref] =
            reference([&q, &k, &v, &d_out], &lens, shape);
        for (item, &len) in lens.iter().enumerate() {
            let [start, end] =
                [len, shape.n_keys].map(|key| (item * shape.n_keys + key) * shape.token());
            k[start..end].fill(f32::NAN);
            v[start..end].fill(f32::NAN);
        }
        let (inputs, lens) = ([q.as_slice(), &k, &v], Some(lens.as_slice()));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = |name| format!("{name} {isa:?} {shape:?}");
            let [mut out, mut dq] = [(); 2].map(|()| vec![f32::NAN; q.len()]);
            let [mut dk, mut dv] = [(); 2].map(|()| vec![f32::NAN; k.len()]);
            let mut sums = vec![f32::NAN; shape.sums_len()];
            // SAFETY: the lengths are those of the shape.
            unsafe {
                let to = [out.as_mut_ptr(), sums.as_mut_ptr()];
                attention_into(isa, inputs, lens, shape, Products::Bf16, to);
            }
            assert_close(&what("chosen"), &out, &out_ref, BF16_BOUND);
            out.fill(f32::NAN);
            sums.fill(f32::NAN);
            dispatch_product!(isa, simd => {
                // SAFETY: as above.
                unsafe {
                    let to = [out.as_mut_ptr(), sums.as_mut_ptr()];
                    rounded::attend(simd, inputs, lens, shape, to);
                    let to = [dq.as_mut_ptr(), dk.as_mut_ptr(), dv.as_mut_ptr()];
                    let saved = [out.as_slice(), &sums, &d_out];
                    rounded::attend_backward(simd, inputs, saved, lens, shape, to);
                }
            });
            assert_close(&what("out"), &out, &out_ref, BF16_BOUND);
            assert_close(&what("log_sums"), &sums, &sums_ref, BF16_BOUND);
            assert_close(&what("dv"), &dv, &dv_ref, BF16_BOUND);
            if shape.n_keys > 1 {
                assert_close(&what("dq"), &dq, &dq_ref, BF16_BOUND);
                assert_close(&what("dk"), &dk, &dk_ref, BF16_BOUND);
            }
        }
    }
}

/// Error bound of operands of 8 bits: queries, keys, weights and values all leave about a hundredth.
const INT8_BOUND: f64 = 3e-2;

#[test]
fn integer_products_match_f64_and_have_the_same_bits_on_every_isa() {
    let long = [shape([1, 1], [100, 1100], 64), shape([2, 2], [20, 513], 48)];
    for shape in SHAPES.into_iter().chain(long) {
        let q: Vec<f32> = values(1, shape.queries_len()).iter().map(|value| 4.0 * value).collect();
        // A part that all keys share changes no weight; values are around one, so that what is mixed is not near zero.
        let [mut k, mut v] = [(2, 3.0), (3, 1.0)].map(|(seed, shared)| -> Vec<f32> {
            values(seed, shape.keys_len()).iter().map(|value| value + shared).collect()
        });
        let lens: Vec<usize> = (0..shape.batch)
            .map(|item| if item % 2 == 0 { shape.n_keys } else { shape.n_keys.div_ceil(2) })
            .collect();
        let [out_ref, sums_ref, ..] = reference([&q, &k, &v, &q], &lens, shape);
        for (item, &len) in lens.iter().enumerate() {
            let [start, end] =
                [len, shape.n_keys].map(|key| (item * shape.n_keys + key) * shape.token());
            k[start..end].fill(f32::NAN);
            v[start..end].fill(f32::NAN);
        }
        let mut first = None;
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = |name| format!("{name} {isa:?} {shape:?}");
            let mut out = vec![f32::NAN; q.len()];
            let mut sums = vec![f32::NAN; shape.sums_len()];
            let to = [out.as_mut_ptr(), sums.as_mut_ptr()];
            // SAFETY: the lengths are those of the shape.
            dispatch_dots!(isa, dots => unsafe {
                integer::attend(dots, isa, [&q, &k, &v], Some(&lens), shape, to);
            });
            assert_close(&what("out"), &out, &out_ref, INT8_BOUND);
            assert_close(&what("log_sums"), &sums, &sums_ref, INT8_BOUND);
            let expected = first.get_or_insert_with(|| (out.clone(), sums.clone()));
            assert!(*expected == (out, sums), "{}", what("bits"));
        }
    }
}

#[test]
fn many_small_weights_keep_their_sum_in_8_bits() {
    // One key is a thousand times as heavy as each of the others, which have a value of one.
    let shape = shape([1, 1], [1, 512], 16);
    let mut q = vec![0.0; 16];
    q[0] = 4.0 * 1000.0_f32.ln();
    let mut k = vec![0.0; shape.keys_len()];
    k[7 * 16] = 1.0;
    let mut v = vec![1.0; shape.keys_len()];
    v[7 * 16..][..16].fill(0.0);
    let expected = 511.0 / 1511.0;
    let out = attention([&q, &k, &v], None, shape, Products::Int8).out;
    assert!(out.iter().all(|value| (value - expected).abs() < 0.01), "{out:?}, not {expected}");
}

#[test]
fn a_score_that_is_not_a_number_is_not_hidden() {
    let shape = shape([1, 1], [2, 20], 16);
    let mut k = values(1, shape.keys_len());
    k[5 * 16] = f32::NAN;
    let q = values(2, shape.queries_len());
    for products in [Products::Exact, Products::Bf16, Products::Int8] {
        let out = attention([&q, &k, &k], None, shape, products).out;
        assert!(out.iter().all(|value| value.is_nan()), "{products:?}: {out:?}");
    }
}

#[test]
fn thread_count_changes_no_bit() {
    let shape = shape([2, 3], [130, 75], 32);
    let (q, k) = (values(1, shape.queries_len()), values(2, shape.keys_len()));
    let (v, d_out) = (values(3, shape.keys_len()), values(4, shape.queries_len()));
    let inputs = [q.as_slice(), &k, &v];
    for products in [Products::Exact, Products::Bf16, Products::Int8] {
        let what = |name| format!("{name} {products:?}");
        let attended = attention(inputs, None, shape, products);
        let saved = [attended.out.as_slice(), &attended.log_sums];
        assert_same_at_any_thread_count(&what("out"), || {
            let attended = attention(inputs, None, shape, products);
            [attended.out, attended.log_sums].concat()
        });
        assert_same_at_any_thread_count(&what("gradients"), || {
            attention_backward(inputs, saved, &d_out, None, shape, products).concat()
        });
    }
}
