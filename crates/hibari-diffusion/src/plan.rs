//! The noise plan: one list of levels per latent frame. A frame that is given stays near 0, so every task is a plan.

use crate::schedule::Timed;

/// Noise levels of every latent frame at every step, and the times that the network is told at them.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisePlan {
    /// `[n_steps + 1][f]`; row 0 is the start, the last row the end.
    levels: Vec<Vec<f64>>,
    /// `[n_steps + 1][f]`; the levels themselves but for models that count time otherwise.
    times: Vec<Vec<f64>>,
}

impl NoisePlan {
    /// All `n_frames` frames follow `schedule`; the network is told the levels.
    pub fn uniform(schedule: &[f64], n_frames: usize) -> Self {
        Self::with_context(schedule, &vec![None; n_frames])
    }

    /// Frames with `Some(level)` are given at that level and never updated; the others follow `schedule`. The network
    /// is told the levels.
    pub fn with_context(schedule: &[f64], context: &[Option<f64>]) -> Self {
        let row = |level: &f64| context.iter().map(|given| given.unwrap_or(*level)).collect();
        let levels: Vec<Vec<f64>> = schedule.iter().map(row).collect();
        Self { times: levels.clone(), levels }
    }

    /// Frames with `given` are clean (level and time 0) and never updated; the others follow `schedule` in level and
    /// time.
    ///
    /// # Panics
    /// if the schedule has not as many times as levels
    #[track_caller]
    pub fn timed(schedule: &Timed, given: &[bool]) -> Self {
        assert_eq!(schedule.levels.len(), schedule.times.len(), "levels and times of the schedule");
        let rows = |column: &[f64]| {
            let row = |&value: &f64| given.iter().map(move |&g| if g { 0.0 } else { value });
            column.iter().map(|value| row(value).collect()).collect()
        };
        Self { levels: rows(&schedule.levels), times: rows(&schedule.times) }
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

    /// Times that the network is told of all frames at step `step`.
    pub fn times_at(&self, step: usize) -> &[f64] {
        &self.times[step]
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
        assert_eq!(plan.times_at(1), plan.at(1), "the network is told the levels");
        assert_eq!((0..3).map(|i| plan.is_target(i)).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn times_go_beside_levels() {
        let schedule = Timed::unipc(vec![1.0, 0.5555, 0.0]);
        let plan = NoisePlan::timed(&schedule, &[true, false]);
        assert_eq!((plan.n_steps(), plan.n_frames()), (2, 2));
        assert_eq!((plan.at(1), plan.times_at(1)), (&[0.0, 0.5555][..], &[0.0, 555.0][..]));
        assert_eq!([plan.is_target(0), plan.is_target(1)], [false, true]);
    }
}
