//! Whether a video fits into the memory, before hours are spent on it: at once, in tiles, or not.

use hibari_models::{Estimate, ModelSpec, Window};

use crate::error::PipelineError;
use crate::families::Generator;

/// What every run needs beside the model's estimate.
const BASE_BYTES: u64 = 150 << 20;

/// How a video is made within the memory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What the model says.
    pub estimate: Estimate,
    /// The most memory that will be held.
    pub peak_bytes: u64,
    /// Whether latents are decoded in tiles.
    pub in_tiles: bool,
}

/// The plan for a window, if the model has an estimate.
///
/// # Errors
/// [`PipelineError::Memory`] if it does not fit, with the nearest size or length that does
pub(crate) fn plan(
    model: &dyn Generator,
    window: &Window,
    available_bytes: Option<u64>,
) -> Result<Option<MemoryPlan>, PipelineError> {
    let Some(estimate) = model.estimate(window) else { return Ok(None) };
    let have = available_bytes.unwrap_or(u64::MAX);
    if let Some(plan) = fitting(estimate, have) {
        return Ok(Some(plan));
    }
    let least = estimate.tiled_bytes.unwrap_or(estimate.decode_bytes);
    let need = BASE_BYTES + estimate.denoise_bytes.max(least.min(estimate.decode_bytes));
    let nearest = nearest(model, window, have)
        .map(|(width, height, frames)| format!("{width}x{height} with {frames} frames fits"));
    Err(PipelineError::Memory { need_mb: need >> 20, have_mb: have >> 20, nearest })
}

/// A tenth is left for what an estimate cannot know.
fn fits(bytes: u64, have: u64) -> bool {
    (BASE_BYTES + bytes).saturating_mul(11) / 10 <= have
}

fn fitting(estimate: Estimate, have: u64) -> Option<MemoryPlan> {
    let Estimate { denoise_bytes, decode_bytes, tiled_bytes, .. } = estimate;
    let plan = |in_tiles: bool, decode: u64| {
        let peak_bytes = BASE_BYTES + denoise_bytes.max(decode);
        fits(denoise_bytes.max(decode), have).then_some(MemoryPlan {
            estimate,
            peak_bytes,
            in_tiles,
        })
    };
    plan(false, decode_bytes).or_else(|| plan(true, tiled_bytes?))
}

/// The largest video of the same shape that fits: fewer frames first, then smaller ones.
fn nearest(model: &dyn Generator, window: &Window, have: u64) -> Option<(usize, usize, usize)> {
    let spec: &ModelSpec = model.spec();
    let step = spec.side_step?;
    let (width, height) = window.size;
    for percent in (10..=100).rev().step_by(10) {
        let side = |px: usize| (px * percent / 100 / step).max(1) * step;
        let size = (side(width), side(height));
        for share in [1, 2, 4] {
            let latents = (window.times.len() / share).max(1);
            let smaller =
                Window { size, times: window.times[..latents].to_vec(), ..window.clone() };
            if model.estimate(&smaller).and_then(|estimate| fitting(estimate, have)).is_some() {
                return Some((size.0, size.1, spec.frames(latents)));
            }
        }
    }
    None
}
