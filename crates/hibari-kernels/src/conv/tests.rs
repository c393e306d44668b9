//! Every instruction set against f64, on odd shapes and poisoned outputs.

use super::{Shape, conv2d_dw_on, conv2d_dx_into, conv2d_into};
use crate::isa::Isa;
use crate::testing::{BF16_BOUND, assert_close, assert_same_at_any_thread_count, values};

const fn shape(
    images: usize,
    [height, width]: [usize; 2],
    [c_in, c_out]: [usize; 2],
    kernel: [usize; 2],
) -> Shape {
    Shape { images, height, width, c_in, c_out, kernel }
}

const SHAPES: [Shape; 8] = [
    shape(1, [1, 1], [1, 1], [3, 3]),
    shape(2, [5, 7], [3, 33], [3, 3]),
    shape(3, [9, 16], [13, 12], [3, 3]),
    shape(1, [4, 3], [130, 40], [3, 3]),
    shape(11, [6, 5], [8, 64], [5, 3]),
    shape(2, [8, 9], [6, 5], [1, 3]),
    shape(1, [70, 45], [64, 16], [3, 3]),
    shape(20, [3, 4], [17, 9], [3, 1]),
];

/// Calls `f(output pixel, input pixel, tap)` for every product of the convolution.
fn for_each_tap(shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
    let Shape { images, height, width, kernel: [kh, kw], .. } = shape;
    for image in 0..images {
        for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
            for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                let (r, c) = ((i + u).wrapping_sub(kh / 2), (j + v).wrapping_sub(kw / 2));
                if r < height && c < width {
                    let first = image * height;
                    f((first + i) * width + j, (first + r) * width + c, u * kw + v);
                }
            }
        }
    }
}

#[test]
fn convolutions_match_f64_on_every_isa() {
    for shape in SHAPES {
        let Shape { c_in, c_out, .. } = shape;
        let pixels = shape.pixels();
        let (x, w) = (values(1, pixels * c_in), values(2, shape.weights()));
        let (dy, bias) = (values(3, pixels * c_out), values(4, c_out));
        let mut y_ref: Vec<f64> = (0..pixels * c_out).map(|i| f64::from(bias[i % c_out])).collect();
        let mut dx_ref = vec![0.0; pixels * c_in];
        let mut dw_ref = vec![0.0; shape.weights()];
        for_each_tap(shape, |out, input, tap| {
            for c in 0..c_in {
                for o in 0..c_out {
                    let weight = (tap * c_in + c) * c_out + o;
                    let [x, w] = [x[input * c_in + c], w[weight]].map(f64::from);
                    let dy = f64::from(dy[out * c_out + o]);
                    y_ref[out * c_out + o] += x * w;
                    dx_ref[input * c_in + c] += dy * w;
                    dw_ref[weight] += x * dy;
                }
            }
        });
        let db_ref: Vec<f64> =
            (0..c_out).map(|o| (0..pixels).map(|p| f64::from(dy[p * c_out + o])).sum()).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = format!("{isa:?} {shape:?}");
            let mut y = vec![f32::NAN; y_ref.len()];
            // SAFETY: the lengths are those of the shape.
            unsafe { conv2d_into(isa, &x, &w, Some(&bias), shape, y.as_mut_ptr()) };
            assert_close(&format!("y {what}"), &y, &y_ref, BF16_BOUND);
            let mut dx = vec![f32::NAN; dx_ref.len()];
            // SAFETY: as above.
            unsafe { conv2d_dx_into(isa, &dy, &w, shape, dx.as_mut_ptr()) };
            assert_close(&format!("dx {what}"), &dx, &dx_ref, BF16_BOUND);
            let (dw, db) = conv2d_dw_on(isa, &x, &dy, shape);
            assert_close(&format!("dw {what}"), &dw, &dw_ref, BF16_BOUND);
            assert_close(&format!("db {what}"), &db, &db_ref, 1e-5);
        }
    }
}

#[test]
fn thread_count_changes_no_bit() {
    let shape = shape(19, [9, 16], [24, 40], [3, 3]);
    let x = values(1, shape.pixels() * shape.c_in);
    let dy = values(2, shape.pixels() * shape.c_out);
    let w = values(3, shape.weights());
    assert_same_at_any_thread_count("conv2d", || super::conv2d(&x, &w, None, shape));
    assert_same_at_any_thread_count("conv2d_dx", || super::conv2d_dx(&dy, &w, shape));
    assert_same_at_any_thread_count("conv2d_dw", || super::conv2d_dw(&x, &dy, shape).0);
    assert_same_at_any_thread_count("bias", || super::conv2d_dw(&x, &dy, shape).1);
}
