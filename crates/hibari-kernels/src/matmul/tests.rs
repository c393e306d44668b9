//! Every instruction set against f64, on odd shapes and poisoned outputs.

use super::{PackedWeight, gram_into, linear_dw_into, linear_dx_into, linear_into};
use crate::epilogue::Epilogue;
use crate::isa::Isa;
use crate::testing::{BF16_BOUND, assert_close, assert_same_at_any_thread_count, values};

const SHAPES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [2, 3, 5],
    [13, 64, 33],
    [7, 129, 31],
    [65, 17, 96],
    [200, 130, 70],
    [1500, 40, 45],
    [2100, 33, 520],
    [30, 2100, 37],
];

/// `left[i, c] * right[c, j]` with the operands read through closures.
fn product(
    [rows, depth, cols]: [usize; 3],
    left: impl Fn(usize, usize) -> f32,
    right: impl Fn(usize, usize) -> f32,
) -> Vec<f64> {
    let mut out = vec![0.0; rows * cols];
    for i in 0..rows {
        for c in 0..depth {
            let left = f64::from(left(i, c));
            for j in 0..cols {
                out[i * cols + j] += left * f64::from(right(c, j));
            }
        }
    }
    out
}

#[test]
fn products_match_f64_on_every_isa() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for [m, k, n] in SHAPES {
            let what = format!("{isa:?} [{m}, {k}, {n}]");
            let (x, w) = (values(1, m * k), values(2, k * n));
            let (dy, bias) = (values(3, m * n), values(4, n));

            let mut y = vec![f32::NAN; m * n];
            // SAFETY: the lengths are those of the shape.
            unsafe { linear_into(isa, &x, &w, [Some(&bias), None], [m, k, n], y.as_mut_ptr()) };
            let mut expected = product([m, k, n], |i, c| x[i * k + c], |c, j| w[c * n + j]);
            for (idx, value) in expected.iter_mut().enumerate() {
                *value += f64::from(bias[idx % n]);
            }
            assert_close(&format!("y {what}"), &y, &expected, BF16_BOUND);

            let mut dx = vec![f32::NAN; m * k];
            // SAFETY: as above.
            unsafe { linear_dx_into(isa, &dy, &w, [m, k, n], dx.as_mut_ptr()) };
            let expected = product([m, n, k], |i, c| dy[i * n + c], |c, j| w[j * n + c]);
            assert_close(&format!("dx {what}"), &dx, &expected, BF16_BOUND);

            let (mut dw, mut db) = (vec![f32::NAN; k * n], vec![f32::NAN; n]);
            // SAFETY: as above.
            unsafe { linear_dw_into(isa, &x, &dy, [m, k, n], dw.as_mut_ptr(), &mut db) };
            let expected = product([k, m, n], |i, c| x[c * k + i], |c, j| dy[c * n + j]);
            assert_close(&format!("dw {what}"), &dw, &expected, BF16_BOUND);
            let expected = product([1, m, n], |_, _| 1.0, |c, j| dy[c * n + j]);
            assert_close(&format!("db {what}"), &db, &expected, 1e-5);

            // The reference of many rows takes long, and the error of one product is twice that of its factor.
            if m > 500 || m == 1 {
                continue;
            }
            let mut gram = vec![f32::NAN; m * m];
            // SAFETY: as above.
            unsafe { gram_into(isa, &x, [m, k], gram.as_mut_ptr()) };
            let expected = product([m, k, m], |i, c| x[i * k + c], |c, j| x[j * k + c]);
            assert_close(&format!("gram {what}"), &gram, &expected, BF16_BOUND);
            assert!((0..m * m).all(|at| gram[at] == gram[at % m * m + at / m]), "{what}");
        }
    }
}

#[test]
fn thread_count_changes_no_bit() {
    let [m, k, n] = [1300, 150, 530];
    let (x, w, dy) = (values(1, m * k), values(2, k * n), values(3, m * n));
    assert_same_at_any_thread_count("linear", || super::linear(&x, &w, None, [m, k, n]));
    assert_same_at_any_thread_count("linear_dx", || super::linear_dx(&dy, &w, [m, k, n]));
    assert_same_at_any_thread_count("linear_dw", || super::linear_dw(&x, &dy, [m, k, n]).0);
    assert_same_at_any_thread_count("gram", || super::gram(&x, [m, k]));
    assert_same_at_any_thread_count("bias", || super::linear_dw(&x, &dy, [m, k, n]).1);
}

#[test]
fn packed_weights_give_the_same_bits() {
    use half::bf16;
    for [m, k, n] in SHAPES {
        let (x, w, bias) = (values(1, m * k), values(2, k * n), values(3, n));
        // As a checkpoint would hold it: a row for each output.
        let rows: Vec<bf16> = (0..n * k).map(|at| bf16::from_f32(w[at % k * n + at / k])).collect();
        let packed = PackedWeight::from_f32(&w, [k, n]);
        assert_eq!(PackedWeight::from_bf16_rows(&rows, [k, n]), packed, "[{k}, {n}]");
        assert_eq!((packed.dims(), packed.bytes()), ([k, n], k.div_ceil(2) * n.div_ceil(32) * 128));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut y = vec![f32::NAN; m * n];
            // SAFETY: the lengths are those of the shape.
            unsafe { linear_into(isa, &x, &w, [Some(&bias), None], [m, k, n], y.as_mut_ptr()) };
            assert!(
                packed.linear_on(isa, &x, Some(&bias), Epilogue::None, m) == y,
                "{isa:?} [{m}, {k}, {n}]"
            );
        }
    }
}
