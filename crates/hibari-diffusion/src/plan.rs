//! The noise plan: one list of levels per latent frame. A frame that is given stays near 0, so every task is a plan.

/// Noise levels of every latent frame at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisePlan {
    /// `[n_steps + 1][f]`; row 0 is the start, the last row the end.
    levels: Vec<Vec<f64>>,
}

impl NoisePlan {
    /// All `n_frames` frames follow `schedule`.
    pub fn uniform(schedule: &[f64], n_frames: usize) -> Self {
        Self { levels: schedule.iter().map(|&level| vec![level; n_frames]).collect() }
    }

    /// Frames with `Some(level)` are given at that level and never updated; the others follow `schedule`.
    pub fn with_context(schedule: &[f64], context: &[Option<f64>]) -> Self {
        let row = |level: f64| context.iter().map(|given| given.unwrap_or(level)).collect();
        Self { levels: schedule.iter().map(|&level| row(level)).collect() }
    }

    /// Number of steps.
    pub fn n_steps(&self) -> usize {
        self.levels.len() - 1
    }

    /// Number of latent frames.
    pub fn n_frames(&self) -> usize {
        self.levels[0].len()
    }

    /// Levels of all frames before step `step` (`n_steps()` gives the end).
    pub fn at(&self, step: usize) -> &[f64] {
        &self.levels[step]
    }

    /// Whether `frame` is denoised at all.
    pub fn is_target(&self, frame: usize) -> bool {
        self.levels.windows(2).any(|pair| pair[0][frame] > pair[1][frame])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_frames_keep_their_level() {
        let plan = NoisePlan::with_context(&[1.0, 0.5, 0.0], &[Some(0.05), None, None]);
        assert_eq!((plan.n_steps(), plan.n_frames()), (2, 3));
        assert_eq!(plan.at(1), [0.05, 0.5, 0.5]);
        assert_eq!((0..3).map(|i| plan.is_target(i)).collect::<Vec<_>>(), [false, true, true]);
    }
}
