//! A solver and the schedule that belongs to it: what a model names when it says how it is sampled.

use crate::plan::NoisePlan;
use crate::schedule::{self, Timed};
use crate::solver::{DpmPp2M, Euler, Solver, UniPc};

/// How a model is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// DPM-Solver++(2M) on evenly spaced levels; the network is told the levels.
    DpmPp2M,
    /// UniPC on the grid of flow matching; the network is told times from 0 to 1000, rounded down.
    UniPc,
    /// Euler on the grid that goes with it in diffusers; the network is told times from 0 to 1000.
    Euler,
}

impl Method {
    /// The levels of latent frames in `steps` steps from noise to clean; `given` ones are clean from the start.
    ///
    /// # Panics
    /// if there are no steps
    pub fn plan(self, steps: usize, shift: f64, given: &[bool]) -> NoisePlan {
        match self {
            Self::DpmPp2M => {
                let context: Vec<_> = given.iter().map(|&given| given.then_some(0.0)).collect();
                NoisePlan::with_context(&schedule::linear(steps, shift), &context)
            }
            Self::UniPc => NoisePlan::timed(&Timed::unipc(schedule::flow(steps, shift)), given),
            Self::Euler => {
                NoisePlan::timed(&Timed::euler(schedule::flow_shifted_twice(steps, shift)), given)
            }
        }
    }

    /// A solver at its start.
    pub fn solver(self) -> Box<dyn Solver> {
        match self {
            Self::DpmPp2M => Box::new(DpmPp2M::default()),
            Self::UniPc => Box::new(UniPc::default()),
            Self::Euler => Box::new(Euler),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_tells_the_network_what_it_was_trained_on() {
        let plan = |method: Method| method.plan(4, 5.0, &[true, false]);
        let told = |method: Method| plan(method).times_at(1)[1];
        assert_eq!(told(Method::DpmPp2M), plan(Method::DpmPp2M).at(1)[1]);
        for method in [Method::DpmPp2M, Method::UniPc, Method::Euler] {
            assert!(!plan(method).is_target(0) && plan(method).is_target(1), "{method:?}");
        }
        assert_eq!(told(Method::UniPc), 937.0);
        assert!((told(Method::Euler) - 909.7).abs() < 5e-2);
    }
}
