//! The noise mixture of training: which latent frames are given, how noisy the others are.
//!
//! # Source
//! `lark`, section 4; Diffusion Forcing 2407.01392, DFoT 2502.06764.

use crate::noise::Stream;
use crate::schedule;

/// Noise levels of one training window.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// One level per latent frame.
    pub sigma: Vec<f32>,
    /// Frames that the loss counts; the others are context.
    pub target: Vec<bool>,
}

/// Shares of the mixture.
#[derive(Clone, Copy, Debug)]
pub struct Mixture {
    /// Share of windows whose frames all have one level.
    pub all_equal: f64,
    /// Share with clean or nearly clean context; the rest is independent levels (half) and ramps (half).
    pub context: f64,
    /// Mean of the logit of a level: larger is noisier.
    pub logit_mean: f64,
    /// Standard deviation of the logit.
    pub logit_std: f64,
    /// Shift of the levels, see [`schedule::shift`].
    pub shift: f64,
}

impl Mixture {
    fn level(&self, rng: &mut Stream) -> f64 {
        let logit = self.logit_mean + self.logit_std * rng.normal();
        schedule::shift(1.0 / (1.0 + (-logit).exp()), self.shift)
    }

    /// Draws the levels of a window of `n_frames` latent frames.
    pub fn draw(&self, n_frames: usize, rng: &mut Stream) -> Draw {
        let share = rng.uniform();
        if n_frames == 1 || share < self.all_equal {
            let level = self.level(rng);
            return Draw { sigma: vec![level as f32; n_frames], target: vec![true; n_frames] };
        }
        let share = share - self.all_equal;
        if share < self.context {
            return self.draw_context(n_frames, rng);
        }
        let independent = share - self.context < 0.5 * (1.0 - self.all_equal - self.context);
        let levels: Vec<f64> = if independent {
            (0..n_frames).map(|_| self.level(rng)).collect()
        } else {
            let (mut a, mut b) = (self.level(rng), self.level(rng));
            if rng.uniform() < 0.5 {
                std::mem::swap(&mut a, &mut b);
            }
            let last = (n_frames - 1) as f64;
            (0..n_frames).map(|i| a + (b - a) * i as f64 / last).collect()
        };
        Draw { sigma: levels.iter().map(|&s| s as f32).collect(), target: vec![true; n_frames] }
    }

    fn draw_context(&self, n_frames: usize, rng: &mut Stream) -> Draw {
        let some = 1 + rng.below(n_frames.div_ceil(2));
        let kind = rng.uniform();
        let given: Vec<bool> = (0..n_frames)
            .map(|i| match kind {
                k if k < 0.45 => i < some.min(n_frames - 1),
                k if k < 0.65 => i >= n_frames - some.min(n_frames - 1),
                k if k < 0.8 && n_frames > 2 => i == 0 || i == n_frames - 1,
                _ => false,
            })
            .collect();
        let given = if given.contains(&true) { given } else { random_subset(n_frames, rng) };
        let context = if rng.uniform() < 0.5 { 0.02 } else { 0.3 * rng.uniform() };
        let level = self.level(rng);
        Draw {
            sigma: given.iter().map(|&g| if g { context } else { level } as f32).collect(),
            target: given.iter().map(|&g| !g).collect(),
        }
    }
}

/// At least one frame given, at least one not.
fn random_subset(n_frames: usize, rng: &mut Stream) -> Vec<bool> {
    let mut given: Vec<bool> = (0..n_frames).map(|_| rng.uniform() < 0.3).collect();
    let first = rng.below(n_frames);
    given[first] = true;
    given[(first + 1 + rng.below(n_frames - 1)) % n_frames] = false;
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_targets() {
        let mixture =
            Mixture { all_equal: 0.4, context: 0.4, logit_mean: 0.8, logit_std: 0.8, shift: 1.0 };
        let mut rng = Stream::new(1, "mixture");
        let (mut equal, mut context) = (0, 0);
        for _ in 0..10_000 {
            let draw = mixture.draw(6, &mut rng);
            assert!(draw.sigma.iter().all(|s| (0.0..=1.0).contains(s)));
            assert!(draw.target.contains(&true), "something must be learned");
            if draw.target.contains(&false) {
                context += 1;
                let worst = draw.sigma.iter().zip(&draw.target).filter(|(_, t)| !**t);
                assert!(worst.map(|(s, _)| *s).fold(0.0, f32::max) <= 0.3);
            } else if draw.sigma.iter().all(|s| *s == draw.sigma[0]) {
                equal += 1;
            }
        }
        assert!((3_800..4_200).contains(&equal), "{equal}");
        assert!((3_800..4_200).contains(&context), "{context}");
        assert_eq!(mixture.draw(1, &mut rng).target, [true]);
    }
}
