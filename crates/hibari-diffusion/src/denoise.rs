//! The one denoising loop.

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use crate::guidance::{Branch, Guidance};
use crate::latent::{Latent, Sigma};
use crate::plan::NoisePlan;
use crate::solver::Solver;

/// Where [`denoise`] begins: at the start, or where it was stopped.
#[derive(Clone, Debug)]
pub struct Position {
    /// The latents.
    pub latent: Latent,
    /// Steps done.
    pub done: usize,
    /// The solver's [`Solver::memory`].
    pub memory: Vec<Tensor<5>>,
}

impl Position {
    /// Before the first step.
    pub fn start(latent: Latent) -> Self {
        Self { latent, done: 0, memory: Vec::new() }
    }
}

/// Progress of [`denoise`], told after each step.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Steps done, from 1.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
    /// The latents.
    latent: &'a Latent,
    solver: &'a dyn Solver,
}

impl Step<'_> {
    /// From where it could go on.
    pub fn position(&self) -> Position {
        Position { latent: self.latent.clone(), done: self.done, memory: self.solver.memory() }
    }
}

/// The caller asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("canceled")]
pub struct Canceled;

/// Denoises along `plan`, from the start or from where it was stopped: then with the same bits as if it had not been.
///
/// # Shapes
/// latents: `[B, C, f, h, w]` at the levels of the plan's row `start.done`, given frames included; the result is alike,
/// at the levels of its last row
/// # Errors
/// [`Canceled`] if `progress` breaks
/// # Panics
/// if `f` differs from the plan's
pub fn denoise(
    start: Position,
    plan: &NoisePlan,
    solver: &mut dyn Solver,
    guidance: &Guidance,
    predict: &mut dyn FnMut(Latent, Sigma, Branch) -> Latent,
    progress: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<Latent, Canceled> {
    let Position { latent: mut z, done, memory } = start;
    let [batch, _, n_frames, _, _] = z.video.dims();
    assert_eq!(n_frames, plan.n_frames(), "latent frames and plan frames");
    let device = z.video.device();
    if done > 0 && done < plan.n_steps() {
        let rows: Vec<&[f64]> = (0..=done).map(|row| plan.at(row)).collect();
        solver.remember(memory, &rows);
    }
    for step in done..plan.n_steps() {
        let (from, to) = (plan.at(step), plan.at(step + 1));
        let row = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let row = Tensor::<1>::from_floats(values.as_slice(), &device);
            row.reshape([1, n_frames]).repeat_dim(0, batch)
        };
        let sigma = Sigma { video: row(from), time: row(plan.times_at(step)) };
        let highest = from.iter().copied().fold(0.0, f64::max);
        let mut clean = predict(z.clone(), sigma.clone(), Branch::Positive).video;
        if let Some(weight) = guidance.at(highest) {
            let negative = predict(z.clone(), sigma, Branch::Negative).video;
            clean = negative.clone() + (clean - negative) * weight;
        }
        z.video = solver.step(z.video, clean, from, to);
        let step = Step { done: step + 1, of: plan.n_steps(), latent: &z, solver };
        if progress(step).is_break() {
            return Err(Canceled);
        }
    }
    Ok(z)
}
