//! A drinking glass: whole, or in the shards that it breaks into; with the stool from which it is pushed.

use std::f32::consts::TAU;

use glam::{Affine3A, Vec2, Vec3};

use super::model::{Model, at, turned};
use super::thing::scale;
use crate::random::Random;
use crate::render::{Instance, Mesh, Surface};
use crate::script::Member;
use crate::timeline::motion::Moment;
use crate::timeline::physics::{N_SHARDS, shard, shard_speeds};
use crate::vocabulary::Action;

/// Height of a glass of medium size, units.
pub(crate) const HEIGHT: f32 = 0.86;
/// Diameter of a glass of medium size, units.
pub(crate) const WIDTH: f32 = 0.60;
/// Heights of the stools from which a glass falls whole, and to pieces, units.
pub(crate) const STOOLS: (f32, f32) = (0.42, 1.25);
/// Rings of shards over the height.
const ROWS: usize = 2;

const WHOLE: usize = 0;
const STOOL: usize = 1;

/// A glass, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Glass {
    whole: Model,
    stool: Model,
    shards: Model,
    speeds: [Vec3; N_SHARDS],
    /// Middle of each shard in the whole glass.
    middles: [Vec3; N_SHARDS],
    middle: f32,
}

impl Glass {
    /// A glass of this colour; `seed` seeds how it breaks.
    pub(crate) fn new(colour: Vec3, member: &Member, seed: u64, held: f32) -> Self {
        let size = held * scale(member.size);
        let surface = Surface::clear(colour, 0.75);
        let mut whole = Model::default();
        let (height, radius) = (HEIGHT * size, 0.5 * WIDTH * size);
        let profile = [
            (0.0, 0.0),
            (0.74, 0.0),
            (0.80, 0.04),
            (1.0, 1.0),
            (0.93, 1.0),
            (0.72, 0.10),
            (0.0, 0.09),
        ]
        .map(|(r, y)| Vec2::new(r * radius, y * height));
        whole.add(WHOLE, &Mesh::lathe(&profile, 24), Affine3A::IDENTITY, surface);
        let mut shards = Model::default();
        let mut middles = [Vec3::ZERO; N_SHARDS];
        let columns = N_SHARDS / ROWS;
        for (i, middle) in middles.iter_mut().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let angle = TAU * (column as f32 + 0.25 * row as f32) / columns as f32;
            let levels = [row, row + 1].map(|row| row as f32 / ROWS as f32 * height);
            let (mesh, centre) = splinter(radius, height, levels, angle, TAU / columns as f32, i);
            *middle = centre;
            shards.add(i, &mesh, Affine3A::IDENTITY, Surface::clear(colour, 0.40));
        }
        Self {
            whole,
            stool: stool(),
            shards,
            speeds: shard_speeds(&mut Random::new(seed, "shards")),
            middles,
            middle: 0.5 * height,
        }
    }

    /// Adds the glass at an instant, and its stool.
    pub(crate) fn instances(&self, moment: &Moment, entity: u8, to: &mut Vec<Instance>) {
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let raised = match moment.action {
            Action::Fall => STOOLS.0,
            Action::Shatter => STOOLS.1,
            _ => 0.0,
        };
        if raised > 0.0 {
            let place = turned(0.0, moment.yaw, 0.0, moment.start);
            let legs = place * Affine3A::from_scale(Vec3::new(1.0, raised, 1.0));
            self.stool.instances(&[place, legs, place * at(0.0, raised, 0.0)], 0, to);
        }
        let pivot = Vec3::Y * self.middle;
        let lean = turned(moment.tilt, 0.0, 0.0, Vec3::ZERO);
        let tipped = root * at(0.0, pivot.y, 0.0) * lean * at(0.0, -pivot.y, 0.0);
        if moment.broken_secs < 0.0 {
            self.whole.instances(&[tipped], entity, to);
            return;
        }
        let mut bones = [Affine3A::IDENTITY; N_SHARDS];
        for (i, bone) in bones.iter_mut().enumerate() {
            let start = tipped.transform_point3(self.middles[i]) - moment.position;
            let height = start.y.max(0.03);
            let own = Affine3A::from_rotation_y(moment.yaw).transform_vector3(self.speeds[i]);
            let (way, turns) = shard(own, height, moment.broken_secs);
            let place = moment.position + start + way;
            let place = place.with_y(height + way.y + 0.02);
            let spin = turned(3.0 * turns, 1.7 * turns, 2.2 * turns, Vec3::ZERO);
            *bone = Affine3A::from_translation(place)
                * spin
                * Affine3A::from_translation(-self.middles[i]);
        }
        self.shards.instances(&bones, entity, to);
    }
}

/// A piece of the wall of a glass between two levels, seen from both sides, and its middle.
fn splinter(
    radius: f32,
    height: f32,
    levels: [f32; 2],
    angle: f32,
    width: f32,
    idx: usize,
) -> (Mesh, Vec3) {
    // Breaks are not straight: the corners are moved a little.
    let skew = 0.22 * width * if idx.is_multiple_of(2) { 1.0 } else { -1.0 };
    let point = |level: f32, turn: f32, inwards: f32| {
        let r = radius * (0.78 + 0.22 * level / height) - inwards;
        let way = Vec2::from_angle(turn);
        Vec3::new(r * way.x, level, r * way.y)
    };
    let half = 0.5 * width;
    let turns = [
        (levels[0], angle - half - skew),
        (levels[0], angle + half + skew),
        (levels[1], angle + half - skew),
        (levels[1], angle - half + skew),
    ];
    let mut mesh = Mesh::default();
    for (inwards, sign) in [(0.0, 1.0), (0.03 * radius / 0.3, -1.0)] {
        let first = mesh.positions.len() as u32;
        for (level, turn) in turns {
            mesh.positions.push(point(level, turn, inwards));
            let way = Vec2::from_angle(turn) * sign;
            mesh.normals.push(Vec3::new(way.x, 0.0, way.y));
        }
        let [a, b, c, d] = [first, first + 1, first + 2, first + 3];
        // Seen from outside, angles grow to the left.
        if sign > 0.0 {
            mesh.triangles.extend([[a, c, b], [a, d, c]]);
        } else {
            mesh.triangles.extend([[a, b, c], [a, c, d]]);
        }
    }
    let middle = mesh.positions.iter().sum::<Vec3>() / mesh.positions.len() as f32;
    (mesh, middle)
}

/// A round stool of height 1, whose legs are stretched to the height.
fn stool() -> Model {
    let wood = Surface::matte(Vec3::new(0.42, 0.22, 0.09));
    let mut model = Model::default();
    model.add(0, &Mesh::cylinder(0.30, 0.05, 16), at(0.0, 0.025, 0.0), wood);
    model.add(STOOL, &Mesh::frustum(0.10, 0.08, 1.0, 10), at(0.0, 0.5, 0.0), wood);
    model.add(2, &Mesh::cylinder(0.42, 0.07, 20), at(0.0, -0.035, 0.0), wood);
    model
}
