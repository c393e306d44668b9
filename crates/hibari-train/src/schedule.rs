//! The learning rate and the length of a run: warm-up, constant, decay to zero at the end.
//!
//! A run that is stopped before its decay is a good start for any longer one.
//! Source: MiniCPM (arXiv 2404.06395), section 4, "warmup-stable-decay".

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// So many steps.
    Steps(u64),
    /// As many steps as fit so many seconds. The number is fixed once, after the first tenth of the time, from the speed
    /// in the second half of it (the first steps on a GPU compile its code), and kept in the checkpoints, so that a
    /// resumed run is the same run.
    BudgetSecs(f64),
}

/// The share of a time budget after which the number of steps is fixed.
const MEASURED_SHARE: f64 = 0.1;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Steps done.
    pub step: u64,
    /// Time they took, in seconds.
    pub secs: f64,
}

impl Length {
    /// Whether a run this far is still warming up: its speed says nothing yet.
    pub fn is_warming_up(self, now: Reached) -> bool {
        match self {
            Self::Steps(_) => false,
            Self::BudgetSecs(budget_secs) => now.secs < MEASURED_SHARE / 2.0 * budget_secs,
        }
    }

    /// The number of steps of the run, once it is known; `warm` is where the run had warmed up.
    pub fn total_steps(self, warm: Reached, now: Reached) -> Option<u64> {
        match self {
            Self::Steps(steps) => Some(steps),
            Self::BudgetSecs(budget_secs) => {
                let is_measured = now.step > warm.step && now.secs >= MEASURED_SHARE * budget_secs;
                let steps_per_sec = (now.step - warm.step) as f64 / (now.secs - warm.secs);
                let left_secs = (budget_secs - now.secs).max(0.0);
                is_measured.then(|| now.step + (left_secs * steps_per_sec) as u64)
            }
        }
    }
}

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The rate between warm-up and decay.
    pub rate: f32,
    /// Steps in which the rate rises linearly.
    pub warmup_steps: u64,
    /// The last part of the run, 0..1, in which the rate falls linearly to zero.
    pub decay_share: f32,
}

impl Schedule {
    /// The rate of a step, counted from 0, in a run of `total` steps; no decay while `total` is unknown.
    pub fn rate_at(&self, step: u64, total: Option<u64>) -> f32 {
        let rise = (step + 1) as f64 / self.warmup_steps.max(1) as f64;
        let fall = total.map_or(1.0, |total| {
            let decay_steps = f64::from(self.decay_share) * total as f64;
            total.saturating_sub(step) as f64 / decay_steps.max(1.0)
        });
        self.rate * rise.min(fall).min(1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let schedule = Schedule { rate: 2.0, warmup_steps: 4, decay_share: 0.2 };
        let cases = [(0, 0.5), (1, 1.0), (3, 2.0), (4, 2.0), (80, 2.0), (90, 1.0), (99, 0.1)];
        for (step, rate) in cases {
            assert!((schedule.rate_at(step, Some(100)) - rate).abs() < 1e-6, "step {step}");
        }
        assert_eq!(schedule.rate_at(99, None), 2.0);
        let plain = Schedule { rate: 1.0, warmup_steps: 0, decay_share: 0.0 };
        assert!((0..10).all(|step| plain.rate_at(step, Some(10)) == 1.0));
    }

    #[test]
    fn a_time_budget_becomes_a_number_of_steps_once_measured() {
        let length = Length::BudgetSecs(100.0);
        let at = |step, secs| Reached { step, secs };
        assert!(length.is_warming_up(at(2, 4.0)) && !length.is_warming_up(at(2, 5.0)));
        assert_eq!(length.total_steps(at(0, 0.0), at(0, 50.0)), None);
        assert_eq!(length.total_steps(at(0, 0.0), at(3, 9.0)), None);
        assert_eq!(length.total_steps(at(0, 0.0), at(5, 10.0)), Some(50));
        assert_eq!(length.total_steps(at(1, 5.0), at(11, 10.0)), Some(191), "a slow first step");
        assert_eq!(length.total_steps(at(0, 0.0), at(1, 300.0)), Some(1), "a very slow one");
        assert_eq!(Length::Steps(7).total_steps(at(0, 0.0), at(0, 0.0)), Some(7));
    }
}
