//! DPM-Solver++(2M): second order, one network call a step.

use burn::tensor::Tensor;

use super::{Solver, per_frame};

/// Multistep DPM-Solver++ of order 2 with `alpha = 1 - sigma`; the first and last steps are of order 1.
///
/// # Source
/// Lu et al. 2211.01095, algorithm 2, with `lambda = ln((1 - sigma) / sigma)`.
#[derive(Debug, Default)]
pub struct DpmPp2M {
    previous: Option<Previous>,
}

#[derive(Debug)]
struct Previous {
    clean: Tensor<5>,
    from: Vec<f64>,
}

fn log_snr(sigma: f64) -> f64 {
    ((1.0 - sigma).max(1e-6) / sigma.max(1e-6)).ln()
}

impl Solver for DpmPp2M {
    fn step(&mut self, z: Tensor<5>, clean: Tensor<5>, from: &[f64], to: &[f64]) -> Tensor<5> {
        let (mut keep, mut now, mut before) = (Vec::new(), Vec::new(), Vec::new());
        for frame in 0..from.len() {
            let (s, t) = (from[frame], to[frame]);
            if s == t {
                keep.push(1.0);
                now.push(0.0);
                before.push(0.0);
                continue;
            }
            let h = log_snr(t) - log_snr(s);
            let gain = if t <= 0.0 { 1.0 } else { -(1.0 - t) * (-h).exp_m1() };
            let older = self.previous.as_ref().map(|p| p.from[frame]).filter(|&p| p > s && t > 0.0);
            // d = (1 + 1/(2r)) * clean - 1/(2r) * previous clean, r = h_previous / h
            let half = older.map_or(0.0, |p| 0.5 * h / (log_snr(s) - log_snr(p)));
            keep.push(t / s);
            now.push(gain * (1.0 + half));
            before.push(-gain * half);
        }
        let mut next = z.clone() * per_frame(&keep, &z) + clean.clone() * per_frame(&now, &z);
        if let Some(previous) = &self.previous {
            next = next + previous.clean.clone() * per_frame(&before, &z);
        }
        self.previous = Some(Previous { clean, from: from.to_vec() });
        next
    }

    fn memory(&self) -> Vec<Tensor<5>> {
        self.previous.iter().map(|previous| previous.clean.clone()).collect()
    }

    fn remember(&mut self, memory: Vec<Tensor<5>>, rows: &[&[f64]]) {
        let ([clean], [.., from, _]) = (&memory[..], rows) else {
            panic!("{} tensors after {} rows", memory.len(), rows.len())
        };
        self.previous = Some(Previous { clean: clean.clone(), from: from.to_vec() });
    }
}
