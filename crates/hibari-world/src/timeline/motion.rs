//! Where a member of the cast is at a time, and in which phase of its action.
//!
//! All are closed forms of the time, so that any frame can be drawn alone.

use glam::{Vec2, Vec3};

use crate::vocabulary::{Action, Facing, Subject};

/// Acceleration of falling things, units per second squared: that of a toy world, a little slow.
pub(crate) const GRAVITY: f32 = 7.0;
/// Share of the speed that a ball keeps at a bounce.
pub(crate) const RESTITUTION: f32 = 0.86;
/// Share of the speed that a box keeps at a bounce.
const BOX_RESTITUTION: f32 = 0.28;
/// Time that a box hangs before it falls, seconds.
const HANG_SECS: f32 = 0.25;
/// Tilt of a box that hangs, radians.
const HANG_TILT: f32 = 0.45;
/// Height of a jump of a person, units.
pub(crate) const JUMP_HEIGHT: f32 = 0.36;
/// Length of one jump with its crouch, seconds at the usual speed.
const JUMP_SECS: f32 = 1.05;
/// Part of a jump's time in the air: from .. to.
const FLIGHT: (f32, f32) = (0.28, 0.76);

/// How a member moves during a shot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    /// What it does.
    pub(crate) action: Action,
    /// Position in the middle of the shot, units.
    pub(crate) middle: Vec3,
    /// Time of the middle of the shot, seconds.
    pub(crate) middle_secs: f32,
    /// Direction of travel and of the face, in the plane of the ground.
    pub(crate) heading: Vec3,
    /// Turn of the body about the vertical, radians: 0 faces the camera.
    pub(crate) yaw: f32,
    /// Speed of travel, units per second; 0 for those who stay.
    pub(crate) velocity: f32,
    /// Speed of the action relative to the usual one, in actions without travel.
    pub(crate) rate: f32,
    /// Distance of one cycle of the legs, units.
    pub(crate) stride: f32,
    /// Height from which it falls, units.
    pub(crate) drop: f32,
}

/// One instant of a [`Motion`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What the member does.
    pub(crate) action: Action,
    /// Its point on the ground below its middle, or its lowest point if it is in the air, units.
    pub(crate) position: Vec3,
    /// Change of the position, units per second.
    pub(crate) velocity: Vec3,
    /// Turn about the vertical, radians.
    pub(crate) yaw: f32,
    /// Distance travelled from the middle of the shot, units; negative before.
    pub(crate) distance: f32,
    /// Distance of one cycle of the legs, units.
    pub(crate) stride: f32,
    /// Time in the shot at the speed of the action, seconds.
    pub(crate) secs: f32,
    /// Phase of a jump, 0..1; 0 without.
    pub(crate) jump: f32,
    /// Tilt of a box, radians.
    pub(crate) tilt: f32,
}

impl Motion {
    /// The state at a time of the shot, seconds.
    pub(crate) fn at(&self, secs: f32) -> Moment {
        let distance = self.velocity * (secs - self.middle_secs);
        let own_secs = secs * self.rate;
        let mut moment = Moment {
            action: self.action,
            position: self.middle + self.heading * distance,
            velocity: self.heading * self.velocity,
            yaw: self.yaw,
            distance,
            stride: self.stride,
            secs: own_secs,
            jump: 0.0,
            tilt: 0.0,
        };
        let (height, speed) = match self.action {
            Action::Jump => {
                moment.jump = fract(own_secs / JUMP_SECS);
                let (from, to) = FLIGHT;
                let s = ((moment.jump - from) / (to - from)).clamp(0.0, 1.0);
                let rising = 4.0 * JUMP_HEIGHT * (1.0 - 2.0 * s) / ((to - from) * JUMP_SECS);
                let flying = s > 0.0 && s < 1.0;
                (4.0 * JUMP_HEIGHT * s * (1.0 - s), if flying { rising } else { 0.0 })
            }
            Action::Bounce => bounce(self.drop, RESTITUTION, own_secs),
            Action::Fall => {
                let falling = (own_secs - HANG_SECS).max(0.0);
                let landing = (2.0 * self.drop / GRAVITY).sqrt();
                moment.tilt = HANG_TILT * (1.0 - falling / (landing * 1.12)).clamp(0.0, 1.0);
                bounce(self.drop, BOX_RESTITUTION, falling)
            }
            _ => (0.0, 0.0),
        };
        moment.position.y += height;
        moment.velocity.y += speed * self.rate;
        moment
    }
}

/// Height and upward speed of a thing that falls from rest at `drop` and bounces, `secs` after it is let go.
///
/// Each bounce keeps the share `restitution` of the speed; a bounce lower than a thousandth of a unit is rest.
pub(crate) fn bounce(drop: f32, restitution: f32, secs: f32) -> (f32, f32) {
    let first = (2.0 * drop / GRAVITY).sqrt();
    if secs < first {
        return (drop - 0.5 * GRAVITY * secs * secs, -GRAVITY * secs);
    }
    let mut left = secs - first;
    let mut speed = GRAVITY * first * restitution;
    while speed * speed > 2.0 * GRAVITY * 0.001 {
        let flight = 2.0 * speed / GRAVITY;
        if left < flight {
            return (left * (speed - 0.5 * GRAVITY * left), speed - GRAVITY * left);
        }
        left -= flight;
        speed *= restitution;
    }
    (0.0, 0.0)
}

/// The usual speed of an action, units per second.
pub(crate) const fn usual_speed(subject: Subject, action: Action) -> f32 {
    match (subject, action) {
        (_, Action::Walk) => 0.85,
        (Subject::Dog, Action::Run) => 2.1,
        (_, Action::Run) => 1.9,
        (_, Action::Drive) => 1.7,
        (_, Action::Roll) => 1.3,
        (_, Action::Slide) => 1.0,
        _ => 0.0,
    }
}

/// Distance of one cycle of the legs at the usual speed, units.
pub(crate) const fn usual_stride(subject: Subject, action: Action) -> f32 {
    match (subject, action) {
        (Subject::Dog, Action::Walk) => 0.72,
        (Subject::Dog, _) => 1.25,
        (_, Action::Run) => 1.30,
        _ => 0.84,
    }
}

/// Direction of a facing, seen by a camera that looks along -z.
pub(crate) const fn heading(facing: Facing) -> Vec3 {
    match facing {
        Facing::Left => Vec3::NEG_X,
        Facing::Right => Vec3::X,
        Facing::Toward => Vec3::Z,
        Facing::Away => Vec3::NEG_Z,
    }
}

/// The part of `x` above the next lower whole number, 0..1.
pub(crate) fn fract(x: f32) -> f32 {
    x - x.floor()
}

/// Sine of an angle in turns. The same bits on every machine, since glam computes it in software.
pub(crate) fn sine(turns: f32) -> f32 {
    Vec2::from_angle(fract(turns) * std::f32::consts::TAU).y
}

/// Smooth step from 0 to 1.
pub(crate) fn ease(s: f32) -> f32 {
    let s = s.clamp(0.0, 1.0);
    s * s * (3.0 - 2.0 * s)
}
