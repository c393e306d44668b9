//! A rounded toy car: its wheels turn as far as it drives, its lights glow at night.

use std::f32::consts::FRAC_PI_2;

use glam::{Affine3A, Vec3};

use super::model::{Model, at, scaled, turned};
use super::palette::{GLASS, INK, WARM_LIGHT};
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, sine};

/// Height, units.
pub(crate) const HEIGHT: f32 = 1.12;
/// From bumper to bumper, units.
pub(crate) const LENGTH: f32 = 2.2;
/// From side to side, units.
pub(crate) const WIDTH: f32 = 1.16;

const BODY: usize = 0;
const WHEEL: [usize; 4] = [1, 2, 3, 4];
const N_BONES: usize = 5;
const WHEEL_RADIUS: f32 = 0.255;
const WHEELS: [Vec3; 4] = [
    Vec3::new(0.50, WHEEL_RADIUS, 0.66),
    Vec3::new(-0.50, WHEEL_RADIUS, 0.66),
    Vec3::new(0.50, WHEEL_RADIUS, -0.66),
    Vec3::new(-0.50, WHEEL_RADIUS, -0.66),
];
/// Behind the hind wheels, where they throw up what they roll over.
pub(crate) const BEHIND_WHEELS: [Vec3; 2] =
    [Vec3::new(WHEELS[2].x, 0.05, -0.85), Vec3::new(WHEELS[3].x, 0.05, -0.85)];

/// A car, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Car {
    model: Model,
}

impl Car {
    /// A car painted in this colour, its lights on at night.
    pub(crate) fn new(colour: Vec3, night: bool) -> Self {
        let paint = Surface::glossy(colour, 0.35);
        let glass = Surface::glossy(GLASS, 0.7);
        let grey = Surface::glossy(Vec3::splat(0.45), 0.4);
        let mut model = Model::default();
        let hull = Mesh::rounded_box(Vec3::new(1.08, 0.46, LENGTH - 0.06), 0.19, 3);
        model.add(BODY, &hull, at(0.0, 0.47, 0.0), paint);
        let cabin = Mesh::rounded_box(Vec3::new(0.94, 0.56, 1.16), 0.22, 3);
        model.add(BODY, &cabin, at(0.0, 0.83, -0.12), paint);
        // Windows: boxes that stand a little out of the cabin.
        let side = Mesh::rounded_box(Vec3::new(0.965, 0.25, 0.40), 0.07, 2);
        model.add(BODY, &side, at(0.0, 0.87, 0.10), glass);
        model.add(BODY, &side, at(0.0, 0.87, -0.36), glass);
        let front = Mesh::rounded_box(Vec3::new(0.74, 0.26, 1.195), 0.07, 2);
        model.add(BODY, &front, at(0.0, 0.87, -0.12), glass);
        for (z, radius) in [(1.07, 0.05), (-1.07, 0.05)] {
            let bumper = Mesh::capsule(radius, 0.84, 8);
            model.add(BODY, &bumper, turned(0.0, 0.0, FRAC_PI_2, Vec3::new(0.0, 0.31, z)), grey);
        }
        let ball = Mesh::sphere(1.0, 8);
        let (front_glow, rear_glow) = if night { (1.6, 0.9) } else { (0.0, 0.0) };
        for x in [-0.36, 0.36] {
            let lamp = scaled(Vec3::new(0.125, 0.115, 0.05), Vec3::new(x, 0.51, 1.055));
            let light = if night { WARM_LIGHT } else { Vec3::new(0.9, 0.88, 0.75) };
            model.add(BODY, &ball, lamp, Surface::glowing(light, front_glow));
            let tail = scaled(Vec3::new(0.10, 0.07, 0.04), Vec3::new(x, 0.51, -1.06));
            model.add(BODY, &ball, tail, Surface::glowing(Vec3::new(0.8, 0.03, 0.02), rear_glow));
        }
        let lying = turned(0.0, 0.0, FRAC_PI_2, Vec3::ZERO);
        for bone in WHEEL {
            model.add(bone, &Mesh::cylinder(WHEEL_RADIUS, 0.20, 14), lying, Surface::matte(INK));
            model.add(bone, &Mesh::cylinder(0.15, 0.225, 10), lying, grey);
            let spoke = Mesh::cuboid(Vec3::new(0.235, 0.27, 0.055));
            model.add(bone, &spoke, Affine3A::IDENTITY, Surface::matte(INK));
        }
        Self { model }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let shake = 0.006 * sine(2.2 * moment.secs);
        let mut bones = [root * at(0.0, shake, 0.0); N_BONES];
        for wheel in 0..4 {
            let turn = moment.distance / WHEEL_RADIUS;
            bones[WHEEL[wheel]] = root * turned(turn, 0.0, 0.0, WHEELS[wheel]);
        }
        bones
    }
}
