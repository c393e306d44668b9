//! Background pedestrians: cheap people of random looks.

use glam::{Affine3A, Vec2, Vec3};

use super::gait::Gait;
use super::model::{Model, at, limb, turned};
use super::palette::{INK, SKIN, linear};
use crate::random::Random;
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, sine};
use crate::vocabulary::{Colour, Hair, Term};

const BODY: usize = 0;
const LEG: [usize; 2] = [1, 2];
const N_BONES: usize = 3;
const HIP_Y: f32 = 0.46;
const WALK: Gait = Gait { stance: 0.6, lift: 0.07 };

/// A pedestrian, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Pedestrian {
    model: Model,
}

impl Pedestrian {
    /// A pedestrian of random looks.
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut model = Model::default();
        let cloth = Surface::matte(linear(random.pick(Colour::ALL)) * 0.8);
        let coat = random.chance(0.5);
        let low = if coat { 0.24 } else { 0.40 };
        let flare = if coat { 0.24 } else { 0.17 };
        let profile =
            [(0.0, low), (flare, low), (0.18, 0.62), (0.20, 0.86), (0.08, 0.99), (0.0, 1.0)]
                .map(|(radius, y)| Vec2::new(radius, y));
        let flat = Affine3A::from_scale(Vec3::new(1.0, 1.0, 0.75));
        model.add(BODY, &Mesh::lathe(&profile, 8), flat, cloth);
        for side in [-1.0, 1.0] {
            let arm = turned(0.0, 0.0, side * 0.16, Vec3::new(side * 0.23, 0.70, 0.0));
            model.add(BODY, &Mesh::capsule(0.055, 0.34, 6), arm, cloth);
        }
        model.add(BODY, &Mesh::sphere(0.25, 10), at(0.0, 1.23, 0.02), Surface::matte(SKIN));
        let hair = Surface::matte(linear(random.pick(Hair::ALL).colour()));
        let long = if random.chance(0.5) { 0.16 } else { 0.0 };
        model.add(BODY, &Mesh::capsule(0.25, long, 10), at(0.0, 1.28 - 0.5 * long, -0.06), hair);
        let trousers = Surface::matte(linear(random.pick(Colour::ALL)).lerp(INK, 0.4));
        for bone in LEG {
            model.add(
                bone,
                &Mesh::capsule(0.08, HIP_Y - 0.10, 6),
                at(0.0, -0.5 * HIP_Y, 0.0),
                trousers,
            );
        }
        Self { model: model.without_shadow() }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let bob = 0.015 * sine(2.0 * moment.distance / moment.stride);
        let body = root * at(0.0, bob, 0.0);
        let forward = root.transform_vector3(Vec3::Z);
        let mut bones = [body; N_BONES];
        for (leg, x) in [(0, 0.09), (1, -0.09)] {
            let offset = if leg == 0 { 0.0 } else { 0.5 };
            let step = WALK.step(moment.distance, moment.stride, offset);
            let hip = root.transform_point3(Vec3::new(x, HIP_Y, 0.0));
            let foot = root.transform_point3(Vec3::new(x, step.height + 0.02, step.forward));
            bones[LEG[leg]] = limb(hip, foot, HIP_Y, forward);
        }
        bones
    }
}
