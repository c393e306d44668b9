//! Whether a video fits into the memory, before hours are spent on it: decoded at once, in tiles, or not.

use std::sync::Arc;

use hibari_models::{Decoding, Estimate, ModelSpec, Window};

use crate::error::PipelineError;
use crate::families::Generator;

/// What every run needs beside the model's estimate.
const BASE_BYTES: u64 = 150 << 20;

/// Tells how much memory is available, as often as it is asked.
#[derive(Clone)]
pub struct Gauge(Arc<dyn Fn() -> Option<u64> + Send + Sync>);

impl Gauge {
    /// A gauge that reads `available`, bytes; `None` where nobody knows.
    pub fn new(available: impl Fn() -> Option<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(available))
    }

    /// What there is now, in bytes; no bound where nobody knows.
    pub(crate) fn bytes(&self) -> u64 {
        (self.0)().unwrap_or(u64::MAX)
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gauge({})", self.bytes())
    }
}

/// How a video is made within the memory that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// What the model says.
    pub estimate: Estimate,
    /// The most memory that will be held.
    pub peak_bytes: u64,
    /// Which of the estimate's ways to decode is the first that fits.
    pub decoding_idx: usize,
}

impl MemoryPlan {
    /// Ways to decode: the one that is planned, then those with less memory.
    pub fn decodings(&self) -> &[Decoding] {
        &self.estimate.decodings[self.decoding_idx..]
    }

    /// Side of the tiles, if it is planned to decode in tiles.
    pub fn tile_px(&self) -> Option<usize> {
        self.decodings().first().and_then(|decoding| decoding.tile_px)
    }
}

/// The plan for a window, if the model has an estimate.
///
/// # Errors
/// [`PipelineError::Memory`] if it does not fit, with the nearest size or length that does
pub(crate) fn plan(
    model: &dyn Generator,
    window: &Window,
    available: &Gauge,
) -> Result<Option<MemoryPlan>, PipelineError> {
    let Some(estimate) = model.estimate(window) else { return Ok(None) };
    let have = available.bytes();
    let least = estimate.decodings.iter().map(|decoding| decoding.bytes).min().unwrap_or(0);
    let need = BASE_BYTES + estimate.denoise_bytes.max(least);
    if let Some(plan) = fitting(estimate, have) {
        return Ok(Some(plan));
    }
    let nearest = nearest(model, window, have)
        .map(|(width, height, frames)| format!("{width}x{height} with {frames} frames fits"));
    Err(PipelineError::Memory { need_mb: need >> 20, have_mb: have >> 20, nearest })
}

/// A tenth is left for what an estimate cannot know.
fn fits(bytes: u64, have: u64) -> bool {
    (BASE_BYTES + bytes).saturating_mul(11) / 10 <= have
}

fn fitting(estimate: Estimate, have: u64) -> Option<MemoryPlan> {
    let bytes = |decoding: &Decoding| estimate.denoise_bytes.max(decoding.bytes);
    let decoding_idx = estimate.decodings.iter().position(|way| fits(bytes(way), have))?;
    let peak_bytes = BASE_BYTES + bytes(&estimate.decodings[decoding_idx]);
    Some(MemoryPlan { estimate, peak_bytes, decoding_idx })
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
