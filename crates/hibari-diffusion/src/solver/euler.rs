//! Euler's method: first order, one network call a step, no memory.

use burn::tensor::Tensor;

use super::{Solver, per_frame};

/// `z + (to - from) * velocity`, where `velocity = (z - clean) / from`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Euler;

impl Solver for Euler {
    fn step(&mut self, z: Tensor<5>, clean: Tensor<5>, from: &[f64], to: &[f64]) -> Tensor<5> {
        let keep: Vec<f64> =
            from.iter().zip(to).map(|(s, t)| if s == t { 1.0 } else { t / s }).collect();
        let gain: Vec<f64> = keep.iter().map(|keep| 1.0 - keep).collect();
        z.clone() * per_frame(&keep, &z) + clean * per_frame(&gain, &z)
    }

    fn memory(&self) -> Vec<Tensor<5>> {
        Vec::new()
    }

    fn remember(&mut self, memory: Vec<Tensor<5>>, _rows: &[&[f64]]) {
        assert!(memory.is_empty(), "Euler's method remembers nothing");
    }
}
