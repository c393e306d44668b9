//! Gradients of all operations against finite differences of their values.

use burn::tensor::{Device, Tensor};

use crate::Products;
use crate::activation::{gelu_tanh, silu, swiglu};
use crate::attention::attention;
use crate::conv::conv3d;
use crate::linear::linear;
use crate::norm::{gated_residual, layer_norm, modulated_layer_norm, rms_norm};
use crate::rope::{qk_norm_rope, rope};
use crate::testing::random;

const EPS: f32 = 1e-5;

/// An operation: its operands, flat, to its values, flat.
type Operation<'a> = &'a dyn Fn(&[Tensor<1>]) -> Tensor<1>;

/// Values in -1..1 that bf16 holds, and so does a sum of a few of them.
fn operand(seed: u64, len: usize, device: &Device) -> Tensor<1> {
    (random::<1>(seed, [len], device) * 8.0).round() / 8.0
}

fn read(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().try_into_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Moves each operand of so many values along a random direction by `step` and back.
#[track_caller]
fn check(what: &str, lens: &[usize], step: f32, bound: f64, f: Operation<'_>) {
    let operands = |device: &Device| -> Vec<Tensor<1>> {
        lens.iter().enumerate().map(|(i, &len)| operand(i as u64, len, device)).collect()
    };
    let plain = operands(&Device::default());
    let pull = |device: &Device, len: usize| operand(91, len, device);
    let tracked: Vec<Tensor<1>> =
        operands(&Device::default().autodiff()).into_iter().map(Tensor::require_grad).collect();
    let out = f(&tracked);
    let weights = pull(&out.device(), out.dims()[0]);
    let grads = (out * weights).sum().backward();
    for (idx, &len) in lens.iter().enumerate() {
        let direction = random::<1>(47 + idx as u64, [len], &Device::default()).sign();
        let value = |step: f32| {
            let mut moved = plain.clone();
            moved[idx] = moved[idx].clone() + direction.clone() * step;
            let out = f(&moved);
            let weights = pull(&out.device(), out.dims()[0]);
            dot(&read(out), &read(weights))
        };
        let slope = (value(step) - value(-step)) / (2.0 * f64::from(step));
        let grad = read(tracked[idx].grad(&grads).expect("it is tracked"));
        let expected = dot(&grad, &read(direction));
        let size = dot(&grad, &grad).sqrt();
        let error = (slope - expected).abs() / size;
        assert!(
            error <= bound,
            "{what}, operand {idx}: slope {slope}, gradient {expected}: {error:.1e}"
        );
    }
}

#[test]
fn gradients_are_the_slopes_of_values() {
    let flat3 = |x: Tensor<3>| -> Tensor<1> { x.flatten(0, 2) };
    let flat4 = |x: Tensor<4>| -> Tensor<1> { x.flatten(0, 3) };
    // Of bilinear operations, whose operands are exact in bf16, differences are exact, too.
    check("linear", &[3 * 5 * 40, 40 * 33, 33], 0.125, 1e-5, &|x| {
        let [input, weight] = [x[0].clone().reshape([15, 40]), x[1].clone().reshape([40, 33])];
        linear(input, weight, Some(x[2].clone())).flatten(0, 1)
    });
    for c_in in [5, 26] {
        let lens = [2 * 3 * 6 * 5 * c_in, 9 * 2 * c_in * 7, 7, 2 * 2 * 6 * 5 * 7];
        check(&format!("conv of {c_in}"), &lens, 0.125, 1e-5, &|x| {
            let video = x[0].clone().reshape([2, 3, 6, 5, c_in]);
            let weight = x[1].clone().reshape([3, 3, 2, c_in, 7]);
            let shortcut = x[3].clone().reshape([2, 2, 6, 5, 7]);
            conv3d(None, video, weight, Some(x[2].clone()), Some(shortcut)).flatten(0, 4)
        });
    }
    let (step, bound) = (1.0 / 128.0, 2e-3);
    check("silu", &[300], step, bound, &|x| silu(x[0].clone()));
    check("gelu", &[300], step, bound, &|x| gelu_tanh(x[0].clone()));
    check("swiglu", &[300, 300], step, bound, &|x| swiglu(x[0].clone(), x[1].clone()));
    check("layer norm", &[7 * 40], step, bound, &|x| {
        layer_norm(x[0].clone().reshape([7, 40]), EPS).flatten(0, 1)
    });
    check("rms norm", &[7 * 40, 40], step, bound, &|x| {
        rms_norm(x[0].clone().reshape([7, 40]), x[1].clone(), EPS).flatten(0, 1)
    });
    check("modulated norm", &[2 * 5 * 24, 2 * 2 * 24, 2 * 2 * 24], step, bound, &|x| {
        let [scale, shift] = [1, 2].map(|i| x[i].clone().reshape([2, 2, 24]));
        let x = x[0].clone().reshape([2, 5, 24]);
        flat3(modulated_layer_norm(x, scale, shift, &[0, 1, 1, 0, 1], EPS))
    });
    check("gated residual", &[2 * 5 * 24, 2 * 5 * 24, 2 * 2 * 24], step, bound, &|x| {
        let [onto, y] = [0, 1].map(|i| x[i].clone().reshape([2, 5, 24]));
        flat3(gated_residual(onto, y, x[2].clone().reshape([2, 2, 24]), &[0, 1, 1, 0, 1]))
    });
    let tables = |device: &Device| {
        let angles = random::<3>(5, [1, 6, 8], device) * 3.0;
        (angles.clone().cos(), angles.sin())
    };
    check("rope", &[2 * 6 * 3 * 16], step, bound, &|x| {
        let (cos, sin) = tables(&x[0].device());
        flat4(rope(x[0].clone().reshape([2, 6, 3, 16]), cos, sin))
    });
    check("norm and rope", &[2 * 6 * 3 * 16, 16], step, bound, &|x| {
        let (cos, sin) = tables(&x[0].device());
        flat4(qk_norm_rope(x[0].clone().reshape([2, 6, 3, 16]), x[1].clone(), cos, sin, EPS))
    });
    check("attention", &[2 * 6 * 3 * 16, 2 * 9 * 3 * 16, 2 * 9 * 3 * 16], step, bound, &|x| {
        let q = x[0].clone().reshape([2, 6, 3, 16]);
        let [k, v] = [1, 2].map(|i| x[i].clone().reshape([2, 9, 3, 16]));
        flat4(attention(q, k, v, Some(&[9, 5]), Products::Exact))
    });
}
