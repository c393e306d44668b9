//! UniPC: a predictor and a corrector of second order that share one network call a step.

use burn::tensor::Tensor;

use super::{Solver, per_frame};

/// UniPC of order 2 with `B(h) = exp(h) - 1` (`bh2`) on the clean estimate and `alpha = 1 - sigma`.
///
/// The network sees the predicted latents; once it has answered, they are corrected, and the next prediction starts
/// from there. The first step of each frame is of order 1, and so is a step to level 0, which returns the estimate.
///
/// # Source
/// Zhao et al. 2302.04867, algorithms 5 and 6; diffusers 0.42.1, `UniPCMultistepScheduler` with
/// `prediction_type = flow_prediction`, `solver_type = bh2`
#[derive(Clone, Debug, Default)]
pub struct UniPc {
    past: Option<Past>,
}

/// What the last step left behind.
#[derive(Clone, Debug)]
struct Past {
    corrected: Tensor<5>,
    clean: Tensor<5>,
    /// The clean estimate before `clean`; equal to it after the first step.
    older: Tensor<5>,
    /// For each frame the levels that it has left without a pause, the latest first, at most two.
    left: Vec<Vec<f64>>,
}

impl Solver for UniPc {
    fn step(&mut self, z: Tensor<5>, clean: Tensor<5>, from: &[f64], to: &[f64]) -> Tensor<5> {
        let past = self.past.take().unwrap_or_else(|| Past {
            corrected: z.clone(),
            clean: clean.clone(),
            older: clean.clone(),
            left: vec![Vec::new(); from.len()],
        });
        let (mut corrector, mut predictor, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for ((&s, &t), levels) in from.iter().zip(to).zip(past.left) {
            if s == t {
                corrector.push([1.0, 0.0, 0.0, 0.0, 0.0]);
                predictor.push([1.0, 0.0, 0.0]);
            } else {
                assert!(t < s, "a frame goes from level `{s}` up to `{t}`");
                corrector.push(correct(s, &levels));
                predictor.push(predict(s, t, &levels));
            }
            left.push(left_after(levels, s, t));
        }
        let terms = [&z, &past.corrected, &past.older, &past.clean, &clean];
        let corrected = combine(terms, &corrector);
        let next = combine([&corrected, &past.clean, &clean], &predictor);
        self.past = Some(Past { corrected, older: past.clean, clean, left });
        next
    }

    fn memory(&self) -> Vec<Tensor<5>> {
        let past = self.past.iter();
        past.flat_map(|past| [&past.corrected, &past.clean, &past.older]).cloned().collect()
    }

    fn remember(&mut self, memory: Vec<Tensor<5>>, rows: &[&[f64]]) {
        let [corrected, clean, older] = &memory[..] else {
            panic!("UniPC remembers 3 tensors, not {}", memory.len())
        };
        let mut left = vec![Vec::new(); rows[0].len()];
        for pair in rows.windows(2) {
            for (levels, (&s, &t)) in left.iter_mut().zip(pair[0].iter().zip(pair[1])) {
                *levels = left_after(std::mem::take(levels), s, t);
            }
        }
        let [corrected, clean, older] = [corrected, clean, older].map(Tensor::clone);
        self.past = Some(Past { corrected, clean, older, left });
    }
}

/// The levels that a frame has left without a pause, once it went from `s` to `t`.
fn left_after(mut levels: Vec<f64>, s: f64, t: f64) -> Vec<f64> {
    if s == t {
        return Vec::new();
    }
    levels.insert(0, s);
    levels.truncate(2);
    levels
}

/// The sum of the terms, each times its factor of the frame.
fn combine<const N: usize>(terms: [&Tensor<5>; N], factors: &[[f64; N]]) -> Tensor<5> {
    let scaled = terms.into_iter().enumerate().filter_map(|(idx, term)| {
        let column: Vec<f64> = factors.iter().map(|frame| frame[idx]).collect();
        let is_used = column.iter().any(|&factor| factor != 0.0);
        is_used.then(|| term.clone() * per_frame(&column, term))
    });
    scaled.reduce(|sum, term| sum + term).expect("each frame has a factor that is not 0")
}

/// Logarithm of the ratio of signal to noise; minus infinity at level 1, for which the factors have their limits.
fn log_snr(sigma: f64) -> f64 {
    (1.0 - sigma).ln() - sigma.ln()
}

/// Factors of (latents as predicted, last corrected, estimate before the last, last estimate, estimate) in the
/// corrected latents at level `s`.
fn correct(s: f64, left: &[f64]) -> [f64; 5] {
    let Some(&last) = left.first() else { return [1.0, 0.0, 0.0, 0.0, 0.0] };
    let h = log_snr(s) - log_snr(last);
    let expm1 = (-h).exp_m1();
    let (keep, gain) = (s / last, -(1.0 - s) * expm1);
    let Some(&older) = left.get(1) else { return [0.0, keep, 0.0, gain / 2.0, gain / 2.0] };
    let r = (log_snr(older) - log_snr(last)) / h;
    // the two conditions of order 2: q0 + q1 = b1, r*q0 + q1 = b2
    let f = -expm1 / h - 1.0;
    let (b1, b2) = (f / expm1, 2.0 * (-f / h - 0.5) / expm1);
    let q0 = (b1 - b2) / (1.0 - r);
    let q1 = b1 - q0;
    [0.0, keep, gain * q0 / r, gain * (1.0 - q0 / r - q1), gain * q1]
}

/// Factors of (corrected latents, last estimate, estimate) in the latents predicted at level `t`, from level `s`.
fn predict(s: f64, t: f64, left: &[f64]) -> [f64; 3] {
    if t <= 0.0 {
        return [0.0, 0.0, 1.0];
    }
    let h = log_snr(t) - log_snr(s);
    let (keep, gain) = (t / s, -(1.0 - t) * (-h).exp_m1());
    let Some(&last) = left.first() else { return [keep, 0.0, gain] };
    let half = h / (2.0 * (log_snr(last) - log_snr(s)));
    [keep, gain * half, gain * (1.0 - half)]
}
