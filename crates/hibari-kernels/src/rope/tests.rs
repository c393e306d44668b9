//! Every instruction set against f64, on odd shapes and poisoned outputs.

use super::{Inputs, Shape, qk_norm_rope, qk_norm_rope_backward, rope, turn_back_into, turn_into};
use crate::isa::Isa;
use crate::testing::{assert_close, assert_same_at_any_thread_count, values};

/// Error bound of f32 arithmetic.
const F32_BOUND: f64 = 1e-5;

const EPS: f32 = 1e-3;

/// Items, items of the tables, tokens, heads, and the size of a head.
const SHAPES: [[usize; 5]; 5] =
    [[1, 1, 1, 1, 16], [3, 1, 7, 2, 32], [2, 2, 45, 4, 64], [2, 1, 131, 3, 48], [1, 1, 5, 5, 80]];

fn shape([batch, tables, n_tokens, n_heads, d_head]: [usize; 5]) -> Shape {
    Shape { batch, tables, n_tokens, n_heads, d_head }
}

/// Seeded values of the inputs, and a gradient to the result.
struct Case {
    x: Vec<f32>,
    gamma: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(shape: Shape) -> Self {
        let angles = values(3, shape.tables * shape.n_tokens * shape.d_head / 2);
        Self {
            x: values(1, shape.len()),
            gamma: values(2, shape.d_head),
            cos: angles.iter().map(|angle| (3.0 * angle).cos()).collect(),
            sin: angles.iter().map(|angle| (3.0 * angle).sin()).collect(),
            dy: values(4, shape.len()),
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs { x: &self.x, gamma: &self.gamma, cos: &self.cos, sin: &self.sin, eps: EPS }
    }

    /// The rotation alone, by the definition.
    fn rotated(&self, shape: Shape) -> Vec<f64> {
        let width = shape.d_head;
        let mut y = vec![0.0; self.x.len()];
        for at in (0..self.x.len()).step_by(2) {
            let token = at / (shape.n_heads * width) % (shape.tables * shape.n_tokens);
            let idx = (token * width + at % width) / 2;
            let [x, z] = [self.x[at], self.x[at + 1]].map(f64::from);
            let [cos, sin] = [self.cos[idx], self.sin[idx]].map(f64::from);
            (y[at], y[at + 1]) = (x * cos - z * sin, x * sin + z * cos);
        }
        y
    }

    /// The result and the gradients to `x` and `gamma`, by the definition.
    fn reference(&self, shape: Shape) -> [Vec<f64>; 3] {
        let width = shape.d_head;
        let [mut y, mut dx] = [(); 2].map(|()| vec![0.0; self.x.len()]);
        let mut dgamma = vec![0.0; width];
        let gamma = |d: usize| f64::from(self.gamma[d]);
        for at in (0..self.x.len()).step_by(width) {
            let x: Vec<f64> = self.x[at..][..width].iter().map(|&x| f64::from(x)).collect();
            let mean = x.iter().map(|x| x * x).sum::<f64>() / width as f64;
            let root = (mean + f64::from(EPS)).sqrt();
            let token = at / (shape.n_heads * width) % (shape.tables * shape.n_tokens);
            let mut dn = vec![0.0; width];
            for i in 0..width / 2 {
                let (a, b, idx) = (2 * i, 2 * i + 1, token * width / 2 + i);
                let (cos, sin) = (f64::from(self.cos[idx]), f64::from(self.sin[idx]));
                let (u, v) = (gamma(a) * x[a] / root, gamma(b) * x[b] / root);
                y[at + a] = u * cos - v * sin;
                y[at + b] = u * sin + v * cos;
                let (dy_a, dy_b) = (f64::from(self.dy[at + a]), f64::from(self.dy[at + b]));
                let (du, dv) = (dy_a * cos + dy_b * sin, dy_b * cos - dy_a * sin);
                dgamma[a] += du * x[a] / root;
                dgamma[b] += dv * x[b] / root;
                (dn[a], dn[b]) = (du * gamma(a), dv * gamma(b));
            }
            let along = dn.iter().zip(&x).map(|(dn, x)| dn * x).sum::<f64>() / width as f64;
            for d in 0..width {
                dx[at + d] = dn[d] / root - x[d] * along / root.powi(3);
            }
        }
        [y, dx, dgamma]
    }
}

#[test]
fn preparation_matches_f64_on_every_isa() {
    for shape in SHAPES.map(shape) {
        let case = Case::new(shape);
        let [y_ref, dx_ref, dgamma_ref] = case.reference(shape);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let what = |name| format!("{name} {isa:?} {shape:?}");
            let [mut y, mut dx] = [(); 2].map(|()| vec![f32::NAN; shape.len()]);
            let mut dgamma = vec![f32::NAN; shape.d_head];
            // SAFETY: the lengths are those of the shape.
            unsafe {
                turn_into::<true>(isa, case.inputs(), shape, y.as_mut_ptr());
                let dx = dx.as_mut_ptr();
                turn_back_into(isa, case.inputs(), &case.dy, shape, dx, &mut dgamma);
            }
            assert_close(&what("y"), &y, &y_ref, F32_BOUND);
            assert_close(&what("dx"), &dx, &dx_ref, F32_BOUND);
            assert_close(&what("dgamma"), &dgamma, &dgamma_ref, F32_BOUND);
            let mut y = vec![f32::NAN; shape.len()];
            // SAFETY: as above.
            unsafe { turn_into::<false>(isa, case.inputs(), shape, y.as_mut_ptr()) };
            assert_close(&what("rotated"), &y, &case.rotated(shape), F32_BOUND);
        }
    }
}

#[test]
fn thread_count_changes_no_bit() {
    let shape = shape([3, 1, 150, 2, 32]);
    let case = Case::new(shape);
    assert_same_at_any_thread_count("y", || qk_norm_rope(case.inputs(), shape));
    assert_same_at_any_thread_count("rotated", || rope(&case.x, &case.cos, &case.sin, shape));
    assert_same_at_any_thread_count("gradients", || {
        let (dx, dgamma) = qk_norm_rope_backward(case.inputs(), &case.dy, shape);
        [dx, dgamma].concat()
    });
}
