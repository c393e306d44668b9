//! The one denoising loop.

use std::ops::ControlFlow;

use burn::tensor::Tensor;

use crate::guidance::{Branch, Guidance};
use crate::latent::{Latent, Sigma};
use crate::plan::NoisePlan;
use crate::solver::Solver;

/// Progress of [`denoise`], told after each step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Steps done, from 1.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
}

/// The caller asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("canceled")]
pub struct Canceled;

/// Denoises `start` along `plan`.
///
/// # Shapes
/// `start.video`: `[B, C, f, h, w]` at the levels of the plan's first row, given frames included; the result is alike,
/// at the levels of its last row
/// # Errors
/// [`Canceled`] if `progress` breaks
/// # Panics
/// if `f` differs from the plan's
pub fn denoise(
    start: Latent,
    plan: &NoisePlan,
    solver: &mut dyn Solver,
    guidance: &Guidance,
    predict: &mut dyn FnMut(Latent, Sigma, Branch) -> Latent,
    progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
) -> Result<Latent, Canceled> {
    let [batch, _, n_frames, _, _] = start.video.dims();
    assert_eq!(n_frames, plan.n_frames(), "latent frames and plan frames");
    let device = start.video.device();
    let mut z = start;
    for step in 0..plan.n_steps() {
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
        if progress(Step { done: step + 1, of: plan.n_steps() }).is_break() {
            return Err(Canceled);
        }
    }
    Ok(z)
}
