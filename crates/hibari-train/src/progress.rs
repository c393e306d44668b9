//! How a run goes, for the person who waits.

use std::time::Duration;

/// The state after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all; unknown while a time budget is measured.
    pub steps: Option<u64>,
    /// The step's loss; not finite if the step was skipped.
    pub loss: f32,
    /// The step's learning rate.
    pub rate: f32,
    /// Items trained on in a second, over the last steps.
    pub items_per_s: f64,
    /// 10^12 floating point operations in a second, over the last steps.
    pub tflops: f64,
    /// Time spent on the run, earlier sessions included.
    pub elapsed: Duration,
    /// Time to go.
    pub eta: Option<Duration>,
}

/// Speed over the last steps: sums in which each step weighs a little less than the one after it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    items: f64,
    flops: f64,
    secs: f64,
}

impl Meter {
    /// How much of the sums is kept each step: about 20 steps count.
    const KEPT: f64 = 0.95;

    /// Adds a step.
    pub(crate) fn add(&mut self, items: usize, flops: f64, secs: f64) {
        self.items = Self::KEPT * self.items + items as f64;
        self.flops = Self::KEPT * self.flops + flops;
        self.secs = Self::KEPT * self.secs + secs;
    }

    /// Items a second.
    pub(crate) fn items_per_s(&self) -> f64 {
        self.items / self.secs.max(f64::MIN_POSITIVE)
    }

    /// 10^12 operations a second.
    pub(crate) fn tflops(&self) -> f64 {
        self.flops / self.secs.max(f64::MIN_POSITIVE) / 1e12
    }
}

/// Time to go for the rest of the steps at the average speed so far.
pub(crate) fn eta(step: u64, steps: Option<u64>, elapsed_secs: f64) -> Option<Duration> {
    let to_go = steps?.saturating_sub(step) as f64;
    Duration::try_from_secs_f64(to_go * elapsed_secs / step as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_steps_give_a_steady_speed() {
        let mut meter = Meter::default();
        for _ in 0..50 {
            meter.add(8, 3e12, 0.5);
        }
        assert!((meter.items_per_s() - 16.0).abs() < 1e-9);
        assert!((meter.tflops() - 6.0).abs() < 1e-9);
    }

    #[test]
    fn the_time_to_go_is_in_proportion() {
        assert_eq!(eta(25, Some(100), 10.0), Some(Duration::from_secs(30)));
        assert_eq!(eta(100, Some(100), 10.0), Some(Duration::ZERO));
        assert_eq!((eta(0, Some(100), 0.0), eta(5, None, 1.0)), (None, None));
    }
}
