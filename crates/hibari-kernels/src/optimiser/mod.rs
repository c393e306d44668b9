//! Steps of optimisers over slices: AdamW, Muon, the average of weights, and the norm of gradients.

mod adamw;
mod muon;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub use self::adamw::{AdamW, adamw};
pub use self::muon::{Muon, muon, newton_schulz};
use crate::isa;
use crate::vector::{LANES, for_each_isa};

/// Values that one task works on; sums over slices are taken in chunks of it, in order.
const CHUNK: usize = 16 * 1024;

/// Moves an exponential moving average: `average = decay * average + (1 - decay) * param`.
///
/// # Panics
/// if the lengths differ
pub fn ema(average: &mut [f32], param: &[f32], decay: f32) {
    blend(average, decay, param, 1.0 - decay);
}

/// `sum x^2`, for the norm of gradients; the same bits at any thread count.
#[must_use]
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let isa = isa::best();
    let sums: Vec<f64> = x.par_chunks(CHUNK).map(|x| squares_of_chunk(isa, x)).collect();
    sums.iter().sum()
}

/// `to = a * to + b * from`.
fn blend(to: &mut [f32], a: f32, from: &[f32], b: f32) {
    assert_eq!(to.len(), from.len(), "the operands differ in length");
    let isa = isa::best();
    let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
    chunks.for_each(|(to, from)| blend_chunk(isa, to, a, from, b));
}

for_each_isa! {
    fn blend_chunk(to: &mut [f32], a: f32, from: &[f32], b: f32) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = a * *to + b * from;
        }
    }
}

for_each_isa! {
    fn squares_of_chunk(x: &[f32]) -> f64 {
        let mut lanes = [0.0; LANES];
        for x in x.chunks(LANES) {
            for (lane, &x) in lanes.iter_mut().zip(x) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        lanes.iter().sum()
    }
}
