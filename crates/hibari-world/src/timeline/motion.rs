//! Where a member of the cast is at a time, and in which phase of its action.
//!
//! All are closed forms of the time, so that any frame can be drawn alone.

use glam::{Vec2, Vec3};

use super::Happening;
use super::physics::{
    BREAK_SPEED, PENDULUM, PUSH_SECS, drop_glass, drop_secs, impact_speed, pendulum, slowed,
    stack::stack,
};
use crate::figures::glass::STOOLS;
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
/// Height of a bounce that is too low to be told from rest, units.
const REST_HEIGHT: f32 = 0.001;
/// Turn of one who turns on the spot, radians per second.
const TURN_SPEED: f32 = 2.2;
/// Way over the ground of a bird that lands, units.
pub(crate) const LANDING_WAY: f32 = 1.5;
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
    /// What else the action asks for.
    pub(crate) act: Act,
    /// Where it is held, in the frame of its holder, whose motion this is else.
    pub(crate) held: Option<Vec3>,
    /// Whether it holds something.
    pub(crate) holds: bool,
}

/// What only some actions need.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Act {
    /// Nothing.
    #[default]
    Plain,
    /// A collision: when, speeds along the heading before and after, and the slowing after it.
    Impact {
        /// Time of the contact, seconds.
        secs: f32,
        /// Speed before, units per second.
        before: f32,
        /// Speed after.
        after: f32,
        /// Slowing after it, units per second squared.
        drag: f32,
    },
    /// A stack of blocks of this side that is pushed, units.
    Stack(f32),
    /// A flight at this height, units.
    Flight(f32),
    /// A landing from this height, over, at this time.
    Landing {
        /// Height at the start, units.
        height: f32,
        /// Time of touching down, seconds.
        secs: f32,
    },
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
    /// Tilt of a box, a glass or a rope, radians.
    pub(crate) tilt: f32,
    /// Where its action began: what stands there stays.
    pub(crate) start: Vec3,
    /// How far the wings are open, 0..1.
    pub(crate) flight: f32,
    /// Time since it broke, seconds; negative while it is whole.
    pub(crate) broken_secs: f32,
    /// Time since a stack was pushed, seconds; negative before.
    pub(crate) pushed_secs: f32,
    /// Whether it holds something.
    pub(crate) holds: bool,
}

impl Moment {
    /// One who walks at a place.
    pub(crate) const fn walking(position: Vec3, velocity: Vec3, yaw: f32, secs: f32) -> Self {
        Self {
            action: Action::Walk,
            position,
            velocity,
            yaw,
            distance: 0.0,
            stride: 1.0,
            secs,
            jump: 0.0,
            tilt: 0.0,
            start: position,
            flight: 0.0,
            broken_secs: -1.0,
            pushed_secs: -1.0,
            holds: false,
        }
    }
}

impl Motion {
    /// The state at a time of the shot, seconds.
    pub(crate) fn at(&self, secs: f32) -> Moment {
        let distance = self.velocity * (secs - self.middle_secs);
        let own_secs = secs * self.rate;
        let mut moment = Moment {
            distance,
            stride: self.stride,
            start: self.middle,
            holds: self.holds,
            action: self.action,
            ..Moment::walking(
                self.middle + self.heading * distance,
                self.heading * self.velocity,
                self.yaw,
                own_secs,
            )
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
            Action::Fall | Action::Shatter if self.drop < 0.0 => self.drop_glass(&mut moment),
            Action::Fall => {
                let falling = (own_secs - HANG_SECS).max(0.0);
                let landing = (2.0 * self.drop / GRAVITY).sqrt();
                moment.tilt = HANG_TILT * (1.0 - falling / (landing * 1.12)).clamp(0.0, 1.0);
                bounce(self.drop, BOX_RESTITUTION, falling)
            }
            Action::Swing => {
                let (angle, rate) = pendulum(PENDULUM.0, PENDULUM.1, own_secs);
                moment.tilt = angle;
                moment.velocity.x += rate * self.rate * PENDULUM.1;
                (0.0, 0.0)
            }
            Action::Turn => {
                moment.yaw += TURN_SPEED * own_secs;
                (0.0, 0.0)
            }
            _ => self.act(&mut moment, secs),
        };
        moment.position.y += height;
        moment.velocity.y += speed * self.rate;
        if let Some(place) = self.held {
            let turned = glam::Affine3A::from_rotation_y(moment.yaw).transform_vector3(place);
            moment.position += turned;
            moment.action = Action::Stand;
        }
        moment
    }

    /// What happens, with its time in the shot, seconds; jumps and bounces as far as they can be told apart.
    pub(crate) fn events(&self) -> Vec<(f32, Happening)> {
        use Happening::{Break, Contact, Push, Rest};
        if self.held.is_some() {
            return Vec::new();
        }
        let own = |secs: f32| secs / self.rate;
        let bounces = |start: f32, drop: f32, restitution: f32| {
            let mut events = Vec::new();
            let mut secs = start + (2.0 * drop / GRAVITY).sqrt();
            let mut speed = (2.0 * GRAVITY * drop).sqrt() * restitution;
            events.push((own(secs), Contact));
            while speed * speed > 2.0 * GRAVITY * REST_HEIGHT {
                secs += 2.0 * speed / GRAVITY;
                speed *= restitution;
                events.push((own(secs), Contact));
            }
            events.push((own(secs), Rest));
            events
        };
        match (self.action, self.act) {
            (Action::Bounce, _) => bounces(0.0, self.drop, RESTITUTION),
            (Action::Fall | Action::Shatter, _) if self.drop < 0.0 => {
                let stool = if self.action == Action::Shatter { STOOLS.1 } else { STOOLS.0 };
                let (_, lands) = drop_secs(stool);
                let what = if impact_speed(stool) > BREAK_SPEED { Break } else { Contact };
                vec![(own(PUSH_SECS), Push), (own(lands), what)]
            }
            (Action::Fall, _) => bounces(HANG_SECS, self.drop, BOX_RESTITUTION),
            (Action::Jump, _) => {
                (0..16_u8).map(|n| (own((f32::from(n) + FLIGHT.1) * JUMP_SECS), Contact)).collect()
            }
            (_, Act::Impact { secs, after, drag, .. }) => {
                vec![(secs, Contact), (secs + after.abs() / drag, Rest)]
            }
            (_, Act::Stack(side)) => {
                let mut events = vec![(own(PUSH_SECS), Push)];
                for block in stack(side, f32::MAX) {
                    let met = block.landed_secs.map(|secs| (own(PUSH_SECS + secs), Contact));
                    let rested = block.rested_secs.map(|secs| (own(PUSH_SECS + secs), Rest));
                    events.extend(met.into_iter().chain(rested));
                }
                events
            }
            (_, Act::Landing { secs, .. }) => vec![(secs, Contact)],
            _ => Vec::new(),
        }
    }

    /// What the additional part of the action does; height above the ground, and its change in own time.
    fn act(&self, moment: &mut Moment, secs: f32) -> (f32, f32) {
        match self.act {
            Act::Plain => (0.0, 0.0),
            Act::Impact { secs: contact, before, after, drag } => {
                let since = secs - contact;
                let (way, speed) =
                    if since < 0.0 { (before * since, before) } else { slowed(after, drag, since) };
                moment.distance = way;
                moment.position = self.middle + self.heading * way;
                moment.velocity = self.heading * speed;
                (0.0, 0.0)
            }
            Act::Stack(_) => {
                moment.pushed_secs = moment.secs - PUSH_SECS;
                (0.0, 0.0)
            }
            Act::Flight(height) => {
                moment.flight = 1.0;
                (height + 0.07 * sine(0.5 * moment.secs), 0.0)
            }
            Act::Landing { height, secs: lands } => {
                let left = 1.0 - (secs / lands).clamp(0.0, 1.0);
                moment.position -= self.heading * (LANDING_WAY * left);
                moment.velocity =
                    if left > 0.0 { self.heading * (LANDING_WAY / lands) } else { Vec3::ZERO };
                moment.flight = ease(3.0 * left + 0.15 * f32::from(u8::from(left > 0.0)));
                // Steep at first, flat over the ground.
                (height * left * left, -2.0 * height * left / lands / self.rate)
            }
        }
    }

    /// A glass that leaves its stool, see [`drop_glass`]; height above the ground, and its change.
    fn drop_glass(&self, moment: &mut Moment) -> (f32, f32) {
        let stool = if self.action == Action::Shatter { STOOLS.1 } else { STOOLS.0 };
        let drop = drop_glass(stool, moment.secs);
        moment.position += self.heading * drop.forward;
        moment.velocity += self.heading * (drop.speed.x * self.rate);
        (moment.tilt, moment.broken_secs) = (drop.tilt, drop.broken_secs);
        (drop.height, drop.speed.y)
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
    while speed * speed > 2.0 * GRAVITY * REST_HEIGHT {
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
        (Subject::Child, Action::Walk) => 0.70,
        (Subject::Mammoth, Action::Walk) => 0.80,
        (_, Action::Walk) => 0.85,
        (Subject::Dog, Action::Run) => 2.1,
        (Subject::Horse, Action::Run) => 3.0,
        (Subject::Child, Action::Run) => 1.5,
        (Subject::Mammoth, Action::Run) => 1.6,
        (_, Action::Run) => 1.9,
        (_, Action::Drive) => 1.7,
        (_, Action::Roll) => 1.3,
        (_, Action::Slide) => 1.0,
        (_, Action::Fly) => 1.5,
        (_, Action::Sail) => 0.8,
        (_, Action::Float) => 0.5,
        (_, Action::Collide) => 1.5,
        _ => 0.0,
    }
}

/// Distance of one cycle of the legs at the usual speed, units.
pub(crate) const fn usual_stride(subject: Subject, action: Action) -> f32 {
    match (subject, action) {
        (Subject::Dog, Action::Walk) => 0.72,
        (Subject::Dog, _) => 1.25,
        (Subject::Cat, Action::Walk) => 0.56,
        (Subject::Cat, _) => 1.0,
        (Subject::Horse, Action::Walk) => 1.20,
        (Subject::Horse, _) => 2.1,
        (Subject::Mammoth, Action::Walk) => 1.15,
        (Subject::Mammoth, _) => 1.7,
        (Subject::Child, Action::Run) => 0.97,
        (Subject::Child, _) => 0.63,
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
