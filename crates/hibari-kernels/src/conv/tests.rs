//! Every instruction set and method against f64, on odd shapes and poisoned outputs.

use super::{Input, Method, Shape, conv_dw_on, conv_dx_into, conv_into};
use crate::isa::Isa;
use crate::testing::{BF16_BOUND, assert_close, assert_same_at_any_thread_count, values};

/// Error bound of Winograd's way: its points, which are sums of pixels, are what is rounded. At the edges, where half of a
/// tile is zeros, little of them is left in the output.
const WINOGRAD_BOUND: f64 = 5e-3;

const fn shape(
    [videos, frames]: [usize; 2],
    [height, width]: [usize; 2],
    [c_in, c_out]: [usize; 2],
    kernel: [usize; 3],
) -> Shape {
    Shape { videos, frames, height, width, c_in, c_out, kernel }
}

const SHAPES: [Shape; 12] = [
    shape([1, 1], [1, 1], [1, 1], [3, 3, 1]),
    shape([2, 1], [5, 7], [3, 33], [3, 3, 1]),
    shape([3, 1], [9, 16], [13, 12], [3, 3, 1]),
    shape([1, 1], [4, 3], [130, 40], [3, 3, 1]),
    shape([11, 1], [6, 5], [8, 64], [5, 3, 1]),
    shape([2, 1], [8, 9], [6, 5], [1, 3, 1]),
    shape([1, 1], [70, 45], [64, 16], [3, 3, 1]),
    shape([20, 1], [3, 4], [17, 9], [3, 1, 1]),
    shape([2, 4], [9, 7], [18, 35], [3, 3, 3]),
    shape([1, 3], [21, 18], [70, 5], [3, 3, 2]),
    shape([2, 3], [6, 5], [9, 34], [1, 1, 3]),
    shape([1, 2], [4, 4], [5, 6], [3, 3, 3]),
];

/// Calls `f(output pixel, input pixel, tap)` for every product of the convolution.
fn for_each_tap(shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
    let Shape { videos, frames, height, width, kernel: [kh, kw, kt], .. } = shape;
    let frames_out = shape.frames_out();
    let places = || (0..height).flat_map(|i| (0..width).map(move |j| (i, j)));
    let taps = || (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v)));
    for (video, frame) in (0..videos).flat_map(|v| (0..frames_out).map(move |f| (v, f))) {
        for ((i, j), t) in places().flat_map(|at| (0..kt).map(move |t| (at, t))) {
            for (u, v) in taps() {
                let (r, c) = ((i + u).wrapping_sub(kh / 2), (j + v).wrapping_sub(kw / 2));
                if r < height && c < width {
                    let made = (video * frames_out + frame) * height + i;
                    let seen = (video * frames + frame + t) * height + r;
                    f(made * width + j, seen * width + c, (u * kw + v) * kt + t);
                }
            }
        }
    }
}

#[test]
fn convolutions_match_f64_on_every_isa() {
    for shape in SHAPES {
        let Shape { c_in, c_out, .. } = shape;
        let (seen, made) = (shape.pixels(), shape.pixels_out());
        let (x, w) = (values(1, seen * c_in), values(2, shape.weights()));
        let (dy, bias) = (values(3, made * c_out), values(4, c_out));
        let mut y_ref: Vec<f64> = (0..made * c_out).map(|i| f64::from(bias[i % c_out])).collect();
        let mut dx_ref = vec![0.0; seen * c_in];
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
            (0..c_out).map(|o| (0..made).map(|p| f64::from(dy[p * c_out + o])).sum()).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = format!("{isa:?} {shape:?}");
            let methods: &[Method] = match shape.kernel {
                [3, 3, _] => &[Method::Direct, Method::Winograd],
                _ => &[Method::Direct],
            };
            for &method in methods {
                let what = format!("{method:?} {what}");
                let bound = if method == Method::Direct { BF16_BOUND } else { WINOGRAD_BOUND };
                let mut y = vec![f32::NAN; y_ref.len()];
                let input = Input::new([&[], &x], &shape);
                // SAFETY: the lengths are those of the shape.
                unsafe { conv_into(isa, method, input, &w, [Some(&bias), None], y.as_mut_ptr()) };
                assert_close(&format!("y {what}"), &y, &y_ref, bound);
                let shortcut = values(5, y.len());
                let expected: Vec<f32> = y.iter().zip(&shortcut).map(|(y, x)| y + x).collect();
                y.fill(f32::NAN);
                let added = [Some(bias.as_slice()), Some(&shortcut)];
                // SAFETY: as above.
                unsafe { conv_into(isa, method, input, &w, added, y.as_mut_ptr()) };
                assert!(y == expected, "a shortcut changes bits of {what}");
                let mut dx = vec![f32::NAN; dx_ref.len()];
                // SAFETY: as above.
                unsafe { conv_dx_into(isa, method, &dy, &w, shape, dx.as_mut_ptr()) };
                assert_close(&format!("dx {what}"), &dx, &dx_ref, bound);
            }
            let (dw, db) = conv_dw_on(isa, &x, &dy, shape);
            assert_close(&format!("dw {what}"), &dw, &dw_ref, BF16_BOUND);
            assert_close(&format!("db {what}"), &db, &db_ref, 1e-5);
        }
    }
}

#[test]
fn thread_count_changes_no_bit() {
    for (isa, frames) in Isa::ALL.into_iter().flat_map(|isa| [(isa, 1), (isa, 4)]) {
        if !isa.is_available() {
            continue;
        }
        let shape = shape([7, frames], [9, 16], [24, 40], [3, 3, frames.min(3)]);
        let x = values(1, shape.pixels() * shape.c_in);
        let dy = values(2, shape.pixels_out() * shape.c_out);
        let w = values(3, shape.weights());
        for method in [Method::Direct, Method::Winograd] {
            let what = format!("{method:?} {isa:?}");
            assert_same_at_any_thread_count(&format!("y {what}"), || {
                let mut y = vec![f32::NAN; dy.len()];
                let input = Input::new([&[], &x], &shape);
                // SAFETY: the lengths are those of the shape.
                unsafe { conv_into(isa, method, input, &w, [None; 2], y.as_mut_ptr()) };
                y
            });
            assert_same_at_any_thread_count(&format!("dx {what}"), || {
                let mut dx = vec![f32::NAN; x.len()];
                // SAFETY: as above.
                unsafe { conv_dx_into(isa, method, &dy, &w, shape, dx.as_mut_ptr()) };
                dx
            });
        }
        assert_same_at_any_thread_count("dw", || conv_dw_on(isa, &x, &dy, shape).0);
        assert_same_at_any_thread_count("bias", || conv_dw_on(isa, &x, &dy, shape).1);
    }
}

#[test]
fn first_frames_may_lie_elsewhere() {
    let shape = shape([2, 5], [6, 9], [27, 8], [3, 3, 3]);
    let frame = 6 * 9 * 27;
    let (x, w) = (values(1, shape.pixels() * shape.c_in), values(2, shape.weights()));
    let whole = super::conv(&x, &w, None, shape);
    let shortcut = values(3, whole.len());
    let sum: Vec<f32> = whole.iter().zip(&shortcut).map(|(y, x)| y + x).collect();
    let added = super::conv_after([&[], &x], &w, None, Some(&shortcut), shape);
    assert!(added == sum, "shortcut");
    for first in [1, 2, 4] {
        let videos = x.chunks(5 * frame);
        let (before, rest): (Vec<_>, Vec<_>) = videos.map(|v| v.split_at(first * frame)).unzip();
        let found = super::conv_after([&before.concat(), &rest.concat()], &w, None, None, shape);
        assert!(found == whole, "{first} frames");
    }
}
