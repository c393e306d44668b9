//! The mechanics against textbook formulas and against small steps of time.

use super::*;

#[test]
fn free_fall_follows_its_closed_form() {
    for (drop, secs) in [(1.0, 0.1), (1.0, 0.4), (2.0, 0.7)] {
        let (height, speed) = bounce(drop, 0.5, secs);
        let error = (height - (drop - 0.5 * GRAVITY * secs * secs)).abs();
        assert!(error < 1e-5 && (speed + GRAVITY * secs).abs() < 1e-5, "{height}, {speed}");
    }
}

#[test]
fn collisions_keep_momentum_and_lose_energy_as_stated() {
    let mut random = Random::new(1, "collisions");
    for _ in 0..10_000 {
        let masses = [random.range(0.1, 5.0), random.range(0.1, 5.0)];
        let before = [random.range(0.1, 3.0), random.range(-3.0, 0.0)];
        let restitution = random.range(0.0, 1.0);
        let after = collide(masses, before, restitution);
        let momentum = |speeds: [f32; 2]| masses[0] * speeds[0] + masses[1] * speeds[1];
        assert!((momentum(after) - momentum(before)).abs() < 2e-5, "{masses:?} {before:?}");
        let left = after[1] - after[0];
        assert!((left - restitution * (before[0] - before[1])).abs() < 2e-5);
        let energy = |s: [f32; 2]| masses[0] * s[0] * s[0] + masses[1] * s[1] * s[1];
        assert!(energy(after) <= energy(before) * (1.0 + 1e-5));
    }
    // Equal masses that lose nothing swap their speeds.
    let swapped = collide([2.0, 2.0], [1.5, 0.0], 1.0);
    assert!(swapped[0].abs() < 1e-6 && (swapped[1] - 1.5).abs() < 1e-6);
}

#[test]
fn what_is_slowed_comes_to_rest_where_energy_says() {
    for (speed, drag) in [(1.0, 0.35), (-2.0, 1.1), (0.3, 2.6)] {
        let (way, left) = slowed(speed, drag, 100.0);
        let expected = 0.5 * speed * speed.abs() / drag;
        assert!(left.abs() < 1e-6 && (way - expected).abs() < 1e-4, "{way}, {expected}");
    }
}

#[test]
fn a_pendulum_keeps_its_exact_period_and_path() {
    // The series of the complete elliptic integral.
    let (amplitude, length) = PENDULUM;
    let square = f64::from(amplitude).powi(2);
    let series = 1.0 + square / 16.0 + 11.0 * square * square / 3072.0;
    let simple = std::f64::consts::TAU * (f64::from(length) / f64::from(GRAVITY)).sqrt();
    let period = f64::from(pendulum_period(amplitude, length));
    assert!((period / (simple * series) - 1.0).abs() < 2e-4, "{period}");
    // Five periods in small steps.
    let (mut angle, mut rate, step) = (f64::from(amplitude), 0.0_f64, 1e-4_f64);
    let mut worst = 0.0_f64;
    for n in 0..(5.0 * period / step) as u32 {
        let (found, _) = pendulum(amplitude, length, (f64::from(n) * step) as f32);
        worst = worst.max((f64::from(found) - angle).abs());
        rate -= 0.5 * step * f64::from(GRAVITY) / f64::from(length) * angle.sin();
        angle += step * rate;
        rate -= 0.5 * step * f64::from(GRAVITY) / f64::from(length) * angle.sin();
    }
    assert!(worst < 2e-3, "off by {worst} radians");
}

#[test]
fn a_glass_breaks_above_its_threshold_and_not_below() {
    let threshold = 0.5 * BREAK_SPEED * BREAK_SPEED / GRAVITY;
    for (height, breaks) in [(0.3, false), (0.99, false), (1.01, true), (1.7, true)] {
        let height = height * threshold;
        let (leaves, lands) = drop_secs(height);
        let ever = (0..600_u16)
            .map(|n| f32::from(n) / 100.0)
            .find(|secs| drop_glass(height, *secs).broken_secs >= 0.0);
        assert_eq!(ever.is_some(), breaks, "from {height}");
        assert!(ever.is_none_or(|secs| (secs - lands).abs() < 0.011), "it breaks when it lands");
        // Free fall in between.
        let half = 0.5 * (lands - leaves);
        let fallen = height - drop_glass(height, leaves + half).height;
        assert!((fallen - 0.5 * GRAVITY * half * half).abs() < 1e-5);
        let end = drop_glass(height, 30.0);
        assert_eq!((end.height, end.speed), (0.0, Vec2::ZERO), "it comes to rest");
    }
}

#[test]
fn shards_keep_the_momentum_of_the_glass_and_stay_above_the_ground() {
    for seed in 0..100 {
        let speeds = shard_speeds(&mut Random::new(seed, "shards"));
        let sum: Vec3 = speeds.iter().sum();
        assert!(sum.x.abs() < 1e-4, "sideways {sum}");
        assert!((sum.z / N_SHARDS as f32 - SHOVE.0).abs() < 1e-5, "forward {sum}");
        for speed in speeds {
            let (at_once, _) = shard(speed, 0.3, 0.0);
            assert!(at_once.length() < 1e-6, "a shard starts where it was");
            for n in 0..200_u8 {
                let (way, _) = shard(speed, 0.3, f32::from(n) / 40.0);
                assert!(way.y >= -0.3 - 1e-5, "{way}");
            }
            let (rest, turn) = shard(speed, 0.3, 20.0);
            assert_eq!((rest, turn), shard(speed, 0.3, 21.0), "a shard comes to rest");
        }
    }
}
