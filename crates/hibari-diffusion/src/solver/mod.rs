//! One step of the probability-flow equation, on the clean estimate, each latent frame at its own level.

mod dpmpp;
mod euler;
mod unipc;

#[cfg(test)]
mod tests;

pub use dpmpp::DpmPp2M;
pub use euler::Euler;
pub use unipc::UniPc;

use burn::tensor::Tensor;

/// Moves latents from one row of a noise plan to the next.
pub trait Solver {
    /// Takes one step.
    ///
    /// # Shapes
    /// - `z`, `clean`: `[B, C, f, h, w]`; the result alike
    /// - `from`, `to`: `f` levels; frames with `from == to` come back unchanged
    fn step(&mut self, z: Tensor<5>, clean: Tensor<5>, from: &[f64], to: &[f64]) -> Tensor<5>;

    /// What it remembers of the steps so far, each `[B, C, f, h, w]`; nothing before the first.
    fn memory(&self) -> Vec<Tensor<5>>;

    /// Makes a new solver the one that had this [`Self::memory`] after it went through `rows` of a noise plan, one more
    /// than its steps.
    ///
    /// # Panics
    /// if it is not the memory of such a solver
    fn remember(&mut self, memory: Vec<Tensor<5>>, rows: &[&[f64]]);
}

/// A row of per-frame factors as `[1, 1, f, 1, 1]`.
fn per_frame(values: &[f64], like: &Tensor<5>) -> Tensor<5> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::<1>::from_floats(values.as_slice(), &like.device()).reshape([1, 1, values.len(), 1, 1])
}
