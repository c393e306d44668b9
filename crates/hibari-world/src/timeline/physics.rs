//! The mechanics of things, in closed form where there is one, else in small fixed steps from a given start.
//!
//! A general solver (`rapier3d`) was weighed and left out: each action of the vocabulary is one textbook problem, a
//! closed form is exact, any frame can be asked for alone and in any order, and its bits do not depend on a solver's
//! version. Masses follow volume and density, so collisions keep momentum by construction.

pub(crate) mod stack;

use std::f32::consts::{FRAC_PI_6, TAU};

use glam::{Vec2, Vec3};

use super::motion::{GRAVITY, bounce};
use crate::figures::Extent;
use crate::random::Random;
use crate::script::Member;
use crate::vocabulary::{Material, Subject};

/// Speed of an impact above which a glass breaks, units per second.
pub(crate) const BREAK_SPEED: f32 = 3.2;
/// Share of the relative speed that is left after a collision.
pub(crate) const COLLISION_RESTITUTION: f32 = 0.80;
/// Slowing of what rolls and of what slides, after a collision, units per second squared.
pub(crate) const DRAG: (f32, f32) = (0.35, 1.1);
/// Number of shards of a glass.
pub(crate) const N_SHARDS: usize = 16;
/// Amplitude of a pendulum, radians, and its length, units.
pub(crate) const PENDULUM: (f32, f32) = (0.62, 1.15);
/// When things are pushed, seconds from the start of their action.
pub(crate) const PUSH_SECS: f32 = 0.45;
/// Speed at which a glass is pushed off its stool, and the way to the edge, units.
const SHOVE: (f32, f32) = (0.85, 0.42);
/// Share of its speed that a glass keeps at a bounce that it survives.
const GLASS_RESTITUTION: f32 = 0.22;
/// Steps of time of what has no closed form, per second.
const STEPS_HZ: f32 = 480.0;

/// The mass of a thing, in units of a matte ball of size 1.
pub(crate) fn mass(member: &Member) -> f32 {
    let Extent { height, width, length } = Extent::of(member);
    let density = match member.material {
        Material::Matte => 1.0,
        Material::Metal => 4.0,
        Material::Glass => 2.5,
    };
    // A ball fills pi / 6 of its box.
    let filled = if member.subject == Subject::Ball { FRAC_PI_6 } else { 1.0 };
    density * filled * height * width * length
}

/// Speeds after a collision of two masses on a line, which keep their momentum and the share `restitution` of their
/// relative speed.
pub(crate) fn collide(masses: [f32; 2], speeds: [f32; 2], restitution: f32) -> [f32; 2] {
    let total = masses[0] + masses[1];
    let common = (masses[0] * speeds[0] + masses[1] * speeds[1]) / total;
    let closing = restitution * (speeds[0] - speeds[1]);
    [common - closing * masses[1] / total, common + closing * masses[0] / total]
}

/// Way and speed of what starts with `speed` and is slowed by `drag` until it rests.
pub(crate) fn slowed(speed: f32, drag: f32, secs: f32) -> (f32, f32) {
    let secs = secs.clamp(0.0, speed.abs() / drag);
    let slowing = drag.copysign(speed);
    (secs * (speed - 0.5 * slowing * secs), speed - slowing * secs)
}

/// Period of a pendulum, seconds: exact, by the arithmetic-geometric mean.
pub(crate) fn pendulum_period(amplitude: f32, length: f32) -> f32 {
    let (mut a, mut g) = (1.0_f32, Vec2::from_angle(0.5 * amplitude).x);
    for _ in 0..4 {
        (a, g) = (0.5 * (a + g), (a * g).sqrt());
    }
    TAU * (length / GRAVITY).sqrt() / a
}

/// Angle of a pendulum that is let go at `amplitude`, radians, and its change, per second.
///
/// The fundamental and the third harmonic at the exact period; the fifth is below a thousandth of a radian.
pub(crate) fn pendulum(amplitude: f32, length: f32, secs: f32) -> (f32, f32) {
    let rate = TAU / pendulum_period(amplitude, length);
    let third = amplitude * amplitude * amplitude / 192.0;
    let (once, thrice) = (Vec2::from_angle(rate * secs), Vec2::from_angle(3.0 * rate * secs));
    (
        (amplitude + third) * once.x - third * thrice.x,
        rate * (3.0 * third * thrice.y - (amplitude + third) * once.y),
    )
}

/// A glass on its way from a stool to the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drop {
    /// Forward of the middle of the stool, units.
    pub(crate) forward: f32,
    /// Above the ground, units.
    pub(crate) height: f32,
    /// Change of both, units per second.
    pub(crate) speed: Vec2,
    /// Forward tilt, radians.
    pub(crate) tilt: f32,
    /// Time since it broke, seconds; negative while it is whole.
    pub(crate) broken_secs: f32,
}

/// When a glass leaves the edge of its stool, and when it meets the ground, seconds.
pub(crate) fn drop_secs(height: f32) -> (f32, f32) {
    let leaves = PUSH_SECS + SHOVE.1 / SHOVE.0;
    (leaves, leaves + (2.0 * height / GRAVITY).sqrt())
}

/// Speed of the impact of a fall, units per second.
pub(crate) fn impact_speed(height: f32) -> f32 {
    (2.0 * GRAVITY * height).sqrt()
}

/// A glass that is pushed off a stool of a height, `secs` after the start.
pub(crate) fn drop_glass(height: f32, secs: f32) -> Drop {
    let (leaves, lands) = drop_secs(height);
    let pushed = (secs - PUSH_SECS).clamp(0.0, lands - PUSH_SECS);
    let breaks = impact_speed(height) > BREAK_SPEED;
    let mut drop = Drop {
        forward: SHOVE.0 * pushed,
        height,
        speed: Vec2::new(if secs > PUSH_SECS { SHOVE.0 } else { 0.0 }, 0.0),
        tilt: 0.0,
        broken_secs: -1.0,
    };
    if secs <= leaves {
        return drop;
    }
    let falling = secs.min(lands) - leaves;
    // What breaks tumbles; what survives lands on its foot.
    drop.tilt = if breaks { 1.6 * falling } else { 0.0 };
    (drop.height, drop.speed.y) = bounce(height, GLASS_RESTITUTION, secs - leaves);
    if secs >= lands {
        if breaks {
            (drop.height, drop.speed) = (0.0, Vec2::ZERO);
            drop.broken_secs = secs - lands;
        } else {
            let (way, speed) = slowed(SHOVE.0, 2.4, secs - lands);
            drop.forward += way;
            drop.speed.x = speed;
        }
    }
    drop
}

/// Velocities with which the shards of a glass leave the place of the break, units per second.
///
/// Forward they keep the mean speed of the glass, sideways none: shards of equal mass keep the momentum along the ground.
pub(crate) fn shard_speeds(random: &mut Random) -> [Vec3; N_SHARDS] {
    let mut speeds = [Vec3::ZERO; N_SHARDS];
    for (i, speed) in speeds.iter_mut().enumerate() {
        let turn = TAU * (i as f32 + random.range(-0.3, 0.3)) / N_SHARDS as f32;
        let way = Vec2::from_angle(turn) * random.range(0.5, 1.5);
        *speed = Vec3::new(way.x, random.range(0.4, 1.7), way.y);
    }
    let mean: Vec3 = speeds.iter().sum::<Vec3>() / N_SHARDS as f32;
    for speed in &mut speeds {
        *speed += Vec3::new(-mean.x, 0.0, SHOVE.0 - mean.z);
    }
    speeds
}

/// Way of a shard from where it broke away at `height`, and the turns that it has made, `secs` after the break.
pub(crate) fn shard(speed: Vec3, height: f32, secs: f32) -> (Vec3, f32) {
    // Up and down again to the height of the break, then as a fall from there with weak bounces.
    let climb = speed.y / GRAVITY;
    let top = height + 0.5 * speed.y * climb;
    let y = if secs < climb {
        height + secs * (speed.y - 0.5 * GRAVITY * secs)
    } else {
        bounce(top, 0.25, secs - climb).0
    };
    let lands = climb + (2.0 * top / GRAVITY).sqrt();
    let flat = Vec2::new(speed.x, speed.z);
    let (slid, _) = slowed(flat.length(), 2.6, secs - lands);
    let way = flat * secs.min(lands) + flat.normalize_or_zero() * slid;
    (Vec3::new(way.x, y - height, way.y), 0.8 * secs.min(lands + 0.1))
}

#[cfg(test)]
mod tests;
