//! Lists of noise levels from 1 to 0.

/// Moves noise levels towards 1: `a*s / (1 + (a-1)*s)`.
///
/// `shift` 1 changes nothing; larger values spend more steps at high noise, as larger frames need (SD3, section 5.3.2).
pub fn shift(sigma: f64, shift: f64) -> f64 {
    shift * sigma / (1.0 + (shift - 1.0) * sigma)
}

/// `n_steps + 1` levels, evenly spaced from 1 to 0 and then shifted.
///
/// # Panics
/// if `n_steps` is 0
pub fn linear(n_steps: usize, shift_by: f64) -> Vec<f64> {
    assert!(n_steps > 0, "a schedule needs at least one step");
    (0..=n_steps).map(|i| shift(1.0 - i as f64 / n_steps as f64, shift_by)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_and_levels_fall() {
        for by in [1.0, 1.4, 3.0, 8.0] {
            let levels = linear(24, by);
            assert_eq!((levels[0], levels[24]), (1.0, 0.0));
            assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "shift {by}: {levels:?}");
        }
        assert!((shift(0.5, 3.0) - 0.75).abs() < 1e-12);
    }
}
