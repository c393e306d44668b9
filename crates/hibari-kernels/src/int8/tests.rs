//! Every instruction set against exact sums, and against f64.

use half::bf16;

use super::Int8Weight;
use crate::epilogue::Epilogue;
use crate::isa::Isa;
use crate::testing::{assert_close, assert_same_at_any_thread_count, values};

const SHAPES: [[usize; 3]; 6] =
    [[1, 1, 1], [13, 64, 33], [7, 129, 31], [65, 17, 96], [200, 130, 70], [40, 2100, 37]];

fn weight([k, n]: [usize; 2]) -> (Vec<bf16>, Int8Weight) {
    let rows: Vec<bf16> = values(2, k * n).into_iter().map(bf16::from_f32).collect();
    let packed = Int8Weight::from_bf16_rows(&rows, [k, n]);
    (rows, packed)
}

/// As the module says, in integers.
fn reference(x: &[f32], rows: &[bf16], bias: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let stored = |values: &[f32]| -> (f32, Vec<i32>) {
        let largest = values.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        let round = |value: &f32| (value * (127.0 / largest) + 128.5).floor() as i32 - 128;
        (largest / 127.0, values.iter().map(round).collect())
    };
    let mut y = Vec::with_capacity(m * n);
    for x in x.chunks(k) {
        let (x_scale, u) = stored(x);
        for (row, bias) in rows.chunks(k).zip(bias) {
            let row: Vec<f32> = row.iter().map(|value| value.to_f32()).collect();
            let (w_scale, w) = stored(&row);
            let sum: i32 = u.iter().zip(w).map(|(u, w)| u * w).sum();
            y.push(sum as f32 * (x_scale * w_scale) + bias);
        }
    }
    assert_eq!(y.len(), m * n);
    y
}

#[test]
fn every_isa_gives_the_bits_of_exact_sums() {
    for [m, k, n] in SHAPES {
        let (x, bias, (rows, packed)) = (values(1, m * k), values(3, n), weight([k, n]));
        assert_eq!(packed.dims(), [k, n]);
        let expected = reference(&x, &rows, &bias, [m, k, n]);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let y = packed.linear_on(isa, &x, Some(&bias), Epilogue::None, m);
            assert!(y == expected, "{isa:?} [{m}, {k}, {n}]");
        }
        // Eight bits a value leave an error of about 2^-8 of the largest, on both sides.
        let exact: Vec<f64> = (0..m * n)
            .map(|at| {
                let (i, j) = (at / n, at % n);
                let products = (0..k).map(|c| f64::from(x[i * k + c]) * rows[j * k + c].to_f64());
                f64::from(bias[j]) + products.sum::<f64>()
            })
            .collect();
        assert_close(&format!("[{m}, {k}, {n}]"), &expected, &exact, 1.5e-2);
    }
}

#[test]
fn zeros_and_wrong_values() {
    let (_, packed) = weight([8, 3]);
    assert_eq!(packed.linear(&[], None, Epilogue::None, 0), []);
    let x = [vec![0.0; 8], vec![f32::NAN; 8], vec![f32::INFINITY; 8], vec![1.0; 8]].concat();
    let y = packed.linear(&x, Some(&[1.0, 2.0, 3.0]), Epilogue::None, 4);
    assert_eq!(y[..3], [1.0, 2.0, 3.0]);
    assert!(y[3..9].iter().all(|value| value.is_nan()), "{y:?}");
    assert!(y[9..].iter().all(|value| value.is_finite()), "{y:?}");
    let mixed = [1.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert!(packed.linear(&mixed, None, Epilogue::None, 1).iter().all(|value| value.is_nan()));
}

#[test]
fn thread_count_changes_no_bit() {
    let [m, k, n] = [300, 150, 70];
    let (x, (_, packed)) = (values(1, m * k), weight([k, n]));
    assert_same_at_any_thread_count("linear", || packed.linear(&x, None, Epilogue::None, m));
}
