//! Lists of noise levels from 1 to 0, and the times that networks are told at them.

/// Training steps of the open flow-matching models: their networks are told `1000 * sigma`.
const TIME_SCALE: f64 = 1000.0;
/// A first level of 1 is lowered by this for [`Timed::unipc`], whose log signal-to-noise ratio is finite then.
const BELOW_ONE: f64 = 1e-6;

/// Moves noise levels towards 1: `a*s / (1 + (a-1)*s)`.
///
/// `shift` 1 changes nothing; larger values spend more steps at high noise, as larger frames need (SD3, section 5.3.2).
pub fn shift(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// `n_steps + 1` levels, evenly spaced from 1 to 0 and then shifted.
///
/// With 4 steps and shift 5 also the grid of models distilled to 4 steps: 1, 0.9375, 0.8333, 0.625, 0.
///
/// # Panics
/// if `n_steps` is 0
pub fn linear(n_steps: usize, shift_by: f64) -> Vec<f64> {
    assert!(n_steps > 0, "a schedule needs at least one step");
    (0..=n_steps).map(|i| shift(1.0 - i as f64 / n_steps as f64, shift_by)).collect()
}

/// `n_steps` levels from 1 towards the lowest trained level, 1/1000, which is left out; shifted; then 0.
///
/// # Panics
/// if `n_steps` is 0
/// # Source
/// diffusers 0.42.1, `UniPCMultistepScheduler.set_timesteps` with `use_flow_sigmas`
pub fn flow(n_steps: usize, shift_by: f64) -> Vec<f64> {
    between(1.0, 1.0 / TIME_SCALE, n_steps, shift_by)
}

/// `n_steps` levels from 1 down to the lowest trained level, 1/1000, as it lies after the shift, all shifted once more; then 0.
///
/// # Panics
/// if `n_steps` is 0
/// # Source
/// diffusers 0.42.1, `FlowMatchEulerDiscreteScheduler.set_timesteps` with a number of steps alone, which shifts its ends first
pub fn flow_shifted_twice(n_steps: usize, shift_by: f64) -> Vec<f64> {
    assert!(n_steps > 0, "a schedule needs at least one step");
    let least = shift(1.0 / TIME_SCALE, shift_by);
    let step = (1.0 - least) / (n_steps.max(2) - 1) as f64;
    let levels = (0..n_steps).map(|i| shift(1.0 - i as f64 * step, shift_by));
    levels.chain([0.0]).collect()
}

/// `n_steps` levels from 0.999 towards 0, which is left out; shifted; then 0. The grid of the authors' own solvers,
/// where [`flow`] is that of the later library.
///
/// # Panics
/// if `n_steps` is 0
/// # Source
/// Wan2.1 `wan/utils/fm_solvers_unipc.py`, `set_timesteps`
pub fn flow_from_999(n_steps: usize, shift_by: f64) -> Vec<f64> {
    between(0.999, 0.0, n_steps, shift_by)
}

/// `n_steps` of the `n_steps + 1` evenly spaced levels `from..=to`, shifted, and 0.
fn between(from: f64, to: f64, n_steps: usize, shift_by: f64) -> Vec<f64> {
    assert!(n_steps > 0, "a schedule needs at least one step");
    let step = (to - from) / n_steps as f64;
    let levels = (0..n_steps).map(|i| shift(i as f64 * step + from, shift_by));
    levels.chain([0.0]).collect()
}

/// Noise levels, and the time that the network is told at each.
///
/// The arithmetic of a step uses the levels; the network was trained on times, which some solvers round.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// `n_steps + 1` falling levels, the last 0.
    pub levels: Vec<f64>,
    /// As many times, 0 to 1000.
    pub times: Vec<f64>,
}

impl Timed {
    /// As the UniPC solver of the open models wants them: a first level of 1 lies 1e-6 lower, times are truncated to
    /// whole numbers.
    ///
    /// # Source
    /// diffusers 0.42.1, `UniPCMultistepScheduler.set_timesteps`
    pub fn unipc(mut levels: Vec<f64>) -> Self {
        if let Some(first) = levels.first_mut()
            && (*first - 1.0).abs() < BELOW_ONE
        {
            *first -= BELOW_ONE;
        }
        let times = levels.iter().map(|level| (TIME_SCALE * level).trunc()).collect();
        Self { levels, times }
    }

    /// As Euler's method wants them: times are 1000 times the level.
    ///
    /// # Source
    /// diffusers 0.42.1, `FlowMatchEulerDiscreteScheduler.set_timesteps`
    pub fn euler(levels: Vec<f64>) -> Self {
        let times = levels.iter().map(|level| TIME_SCALE * level).collect();
        Self { levels, times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_and_levels_fall() {
        for by in [1.0, 1.4, 3.0, 8.0] {
            for levels in [linear(24, by), flow(24, by), flow_from_999(24, by)] {
                assert!((levels[0] - 1.0).abs() < 2e-3, "shift {by}: {levels:?}");
                assert!((levels[24], levels.len()) == (0.0, 25), "shift {by}: {levels:?}");
                assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "shift {by}: {levels:?}");
            }
            assert_eq!((linear(24, by)[0], flow(24, by)[0]), (1.0, 1.0));
        }
        assert!((shift(0.5, 3.0) - 0.75).abs() < 1e-12);
    }

    /// Compares rounded to the digits that are printed.
    fn check_unipc(steps: usize, by: f64, sum: f64, times_sum: f64) -> Timed {
        let grid = Timed::unipc(flow(steps, by));
        let found = grid.levels.iter().sum::<f64>();
        assert!((found - sum).abs() <= 5e-6, "{steps} steps, shift {by}: {found}, not {sum}");
        let found = grid.times.iter().sum::<f64>();
        assert!(found == times_sum, "{steps} steps, shift {by}: {found}, not {times_sum}");
        grid
    }

    #[track_caller]
    fn check_levels(found: &[f64], wanted: &[f64], bound: f64) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= bound;
        assert!(
            found.len() == wanted.len() && found.iter().zip(wanted).all(near),
            "{found:?}, not {wanted:?}"
        );
    }

    #[test]
    fn grids_are_those_of_the_reference() {
        let grid = check_unipc(4, 5.0, 3.39712, 3394.0);
        check_levels(&grid.levels, &[0.999999, 0.937578, 0.833611, 0.625936, 0.0], 6e-7);
        assert_eq!(grid.times, [999.0, 937.0, 833.0, 625.0, 0.0]);

        let grid = check_unipc(8, 3.0, 5.88479, 5880.0);
        let levels =
            [0.999999, 0.954595, 0.90012, 0.833555, 0.750375, 0.643469, 0.500999, 0.301678, 0.0];
        check_levels(&grid.levels, &levels, 6e-7);
        assert_eq!(grid.times, [999.0, 954.0, 900.0, 833.0, 750.0, 643.0, 500.0, 301.0, 0.0]);

        let grid = check_unipc(40, 12.0, 34.28243, 34262.0);
        check_levels(&grid.levels[..2], &[0.999999, 0.99787], 6e-7);
        check_levels(&grid.levels[39..], &[0.242431, 0.0], 6e-7);

        assert_eq!(Timed::unipc(flow_from_999(4, 5.0)).times[3], 624.0);
        check_levels(&linear(4, 5.0), &[1.0, 0.9375, 0.833333, 0.625, 0.0], 6e-7);
        check_levels(&Timed::euler(flow(4, 5.0)).times[1..2], &[937.578], 6e-4);
        let levels = flow_shifted_twice(4, 5.0);
        check_levels(&levels, &[1.0, 0.9097, 0.7173, 0.0244, 0.0], 6e-5);
        assert_eq!(flow_shifted_twice(1, 5.0), [1.0, 0.0]);
    }

    /// How many steps of 40 or 4 belong to the expert for high noise, see the presets of the two-expert models.
    #[test]
    fn experts_change_where_the_reference_does() {
        for (steps, by, boundary, high) in
            [(40, 12.0, 875.0, 26), (40, 5.0, 900.0, 15), (4, 5.0, 875.0, 2)]
        {
            let times = Timed::unipc(flow(steps, by)).times;
            let found = times.iter().filter(|&&time| time >= boundary).count();
            assert_eq!(found, high, "{steps} steps, shift {by}, boundary {boundary}");
        }
    }
}
