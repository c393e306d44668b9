//! What feet, wheels and bows throw up: sand, dust, snow, drops of water.
//!
//! Every grain has its cause, a foot that came down or a wheel or a bow that moved a moment before, and falls on a
//! parabola. The places of [`crate::vocabulary::Mix::First`] are paved, grown over or of wood: nothing flies there.

use std::f32::consts::PI;
use std::sync::Arc;

use glam::{Affine3A, Quat, Vec2, Vec3};

use super::motion::Motion;
use crate::figures::Figure;
use crate::places::Look;
use crate::random::Random;
use crate::render::{Instance, Mesh, Surface};
use crate::vocabulary::{Ground, Place, Weather};

/// Grains leave the ground at multiples of this time, seconds.
const BEAT_SECS: f32 = 1.0 / 12.0;
/// Slowest wheel or bow that throws anything up, units per second.
const LEAST_SPEED: f32 = 0.25;

/// Spray of a shot, ready to be drawn.
#[derive(Clone, Debug)]
pub(crate) struct Spray {
    stuff: Stuff,
    surface: Surface,
    grain: Arc<Mesh>,
    seed: u64,
}

/// How grains fly; units and seconds.
#[derive(Clone, Copy, Debug)]
struct Stuff {
    colour: Vec3,
    gloss: f32,
    /// Radius at the start; a grain shrinks to nothing.
    radius: f32,
    /// Greatest speed upwards.
    up: f32,
    /// Greatest speed sideways.
    out: f32,
    gravity: f32,
    /// Life of a grain.
    secs: f32,
}

const SAND: Stuff = Stuff {
    colour: Vec3::new(0.60, 0.43, 0.24),
    gloss: 0.0,
    radius: 0.042,
    up: 1.4,
    out: 0.5,
    gravity: 5.0,
    secs: 0.4,
};
/// Hangs in the air.
const DUST: Stuff = Stuff {
    colour: Vec3::new(0.80, 0.55, 0.30),
    radius: 0.065,
    up: 0.7,
    out: 0.5,
    gravity: 1.2,
    secs: 0.6,
    ..SAND
};
const SNOW: Stuff = Stuff { colour: Vec3::new(0.80, 0.87, 0.97), radius: 0.05, ..SAND };
/// Flies far and falls slowly, without air.
const MOONDUST: Stuff = Stuff {
    colour: Vec3::new(0.50, 0.50, 0.52),
    radius: 0.03,
    up: 0.6,
    out: 0.6,
    gravity: 1.2,
    secs: 0.9,
    ..SAND
};
const WATER: Stuff = Stuff {
    colour: Vec3::new(0.78, 0.90, 0.98),
    gloss: 0.6,
    radius: 0.034,
    up: 1.9,
    out: 0.7,
    gravity: 7.0,
    secs: 0.4,
};

/// Where something leaves the ground.
struct Source {
    place: Vec3,
    /// Speed that all its grains share, units per second.
    drift: Vec3,
    /// Share of the usual speeds.
    vigour: f32,
    grains: u8,
}

impl Spray {
    /// The spray of a place; nothing where the ground is firm.
    pub(crate) fn new(look: &Look, seed: u64) -> Option<Self> {
        let wet = look.ground == Ground::Wet;
        let stuff = match (look.place, look.weather) {
            (Place::Tabletop, _) => return None,
            (Place::Moon, _) => MOONDUST,
            (_, Weather::Rain) => WATER,
            (Place::Beach, _) if wet || look.afloat => WATER,
            (Place::Beach, _) => SAND,
            (Place::Snowfield, _) if !wet => SNOW,
            (Place::Desert, _) if !wet => DUST,
            _ => return None,
        };
        let surface = Surface::glossy(stuff.colour * look.dim(), stuff.gloss);
        Some(Self { stuff, surface, grain: Arc::new(Mesh::sphere(1.0, 6)), seed })
    }

    /// Adds what the member in role `role` has thrown up and is in the air at a time of the shot, seconds.
    pub(crate) fn instances(
        &self,
        role: usize,
        figure: &Figure,
        motion: &Motion,
        secs: f32,
        to: &mut Vec<Instance>,
    ) {
        let Stuff { radius, up, out, gravity, secs: life, .. } = self.stuff;
        let last = (secs / BEAT_SECS).floor();
        let mut beat = last - (life / BEAT_SECS).ceil();
        while beat <= last {
            let age = secs - beat * BEAT_SECS;
            for (n, source) in sources(figure, motion, beat * BEAT_SECS).iter().enumerate() {
                let mut random = Random::new(self.seed, &format!("spray/{role}/{n}/{beat}"));
                for _ in 0..source.grains {
                    let away = Vec2::from_angle(random.range(-PI, PI)) * random.range(0.2, out);
                    let rise = random.range(0.35, 1.0) * up * source.vigour;
                    let left = 1.0 - age / (life * random.range(0.6, 1.0));
                    let speed = source.drift + Vec3::new(away.x, rise, away.y);
                    let place = source.place + speed * age - Vec3::Y * (0.5 * gravity * age * age);
                    if left > 0.0 && place.y >= 0.0 {
                        let size = Vec3::splat(radius * left.sqrt());
                        to.push(Instance {
                            mesh: Arc::clone(&self.grain),
                            pose: Affine3A::from_scale_rotation_translation(
                                size,
                                Quat::IDENTITY,
                                place,
                            ),
                            surface: self.surface,
                            casts_shadow: false,
                            entity: 0,
                        });
                    }
                }
            }
            beat += 1.0;
        }
    }
}

/// What throws something up at a time of the shot, seconds.
fn sources(figure: &Figure, motion: &Motion, secs: f32) -> Vec<Source> {
    let moment = motion.at(secs);
    let speed = Vec3::new(moment.velocity.x, 0.0, moment.velocity.z);
    if let Some((points, drift)) = figure.churns() {
        if speed.length() < LEAST_SPEED {
            return Vec::new();
        }
        let turn = Affine3A::from_rotation_y(moment.yaw);
        let source = |&point: &Vec3| {
            // Away from the middle line.
            let side = turn.transform_vector3(Vec3::X * (0.5 * point.x.signum()));
            let place = moment.position + turn.transform_vector3(point);
            Source { place, drift: speed * drift + side, vigour: 1.0, grains: 3 }
        };
        return points.iter().map(source).collect();
    }
    let before = motion.at(secs - BEAT_SECS);
    // Who comes down from a jump lands on all feet, and throws up more than who walks.
    let lands = moment.position.y <= 0.0 && before.position.y > 0.0;
    let vigour = if lands { 1.2 } else { (0.5 + 0.35 * speed.length()).min(1.4) };
    let feet = figure.feet(&moment).into_iter().zip(figure.feet(&before));
    feet.filter(|(now, before)| lands || (now.0.stands && !before.0.stands))
        .map(|((_, place), _)| Source {
            place: place.with_y(0.0),
            drift: speed * 0.25,
            vigour,
            grains: 6,
        })
        .collect()
}
