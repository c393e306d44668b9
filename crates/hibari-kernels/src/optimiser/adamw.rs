//! AdamW in one pass over parameter, gradient and both moments.

use rayon::prelude::*;

use super::CHUNK;
use crate::isa;
use crate::vector::for_each_isa;

/// What one step of AdamW depends on.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate of this step.
    pub rate: f32,
    /// Decay of the first and of the second moment.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, multiplied by the rate.
    pub weight_decay: f32,
    /// Number of this step, from 1.
    pub step: u64,
    /// Factor on the gradient, such as that of clipping.
    pub grad_scale: f32,
}

/// Moves a parameter by one step; `m` and `v` are its moments, zero before the first step.
///
/// `p -= rate * (weight_decay * p + m' / (sqrt(v') + eps))`, with `m'` and `v'` corrected for their start at zero.
///
/// # Panics
/// if the lengths differ or the step is 0
/// # Source
/// Loshchilov and Hutter, "Decoupled weight decay regularization" (arXiv:1711.05101), algorithm 2
pub fn adamw(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], settings: AdamW) {
    let lengths = [grad.len(), m.len(), v.len()];
    assert_eq!(lengths, [param.len(); 3], "gradient or moments do not fit the parameter");
    assert!(settings.step > 0, "steps count from 1");
    let factors = Factors::new(settings);
    let isa = isa::best();
    let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
    param
        .par_chunks_mut(CHUNK)
        .zip(grad.par_chunks(CHUNK))
        .zip(moments)
        .for_each(|((param, grad), (m, v))| adamw_chunk(isa, param, grad, m, v, factors));
}

/// The constants of a step.
#[derive(Clone, Copy)]
struct Factors {
    grad_scale: f32,
    betas: [f32; 2],
    complements: [f32; 2],
    keep: f32,
    rate: f32,
    root: f32,
    eps: f32,
}

impl Factors {
    fn new(settings: AdamW) -> Self {
        let AdamW { rate, betas, eps, weight_decay, step, grad_scale } = settings;
        let complements = betas.map(|beta| (1.0 - f64::from(beta)) as f32);
        let [first, second] = betas.map(|beta| 1.0 - f64::from(beta).powf(step as f64));
        Self {
            grad_scale,
            betas,
            complements,
            keep: 1.0 - rate * weight_decay,
            rate: (f64::from(rate) / first) as f32,
            root: (1.0 / second.sqrt()) as f32,
            eps,
        }
    }
}

for_each_isa! {
    fn adamw_chunk(param: &mut [f32], grad: &[f32], m: &mut [f32], v: &mut [f32], factors: Factors) {
        let Factors { grad_scale, betas, complements, keep, rate, root, eps } = factors;
        for (((param, &grad), m), v) in param.iter_mut().zip(grad).zip(m).zip(v) {
            let grad = grad * grad_scale;
            *m = betas[0] * *m + complements[0] * grad;
            *v = betas[1] * *v + complements[1] * grad * grad;
            *param = keep * *param - rate * *m / (v.sqrt() * root + eps);
        }
    }
}
