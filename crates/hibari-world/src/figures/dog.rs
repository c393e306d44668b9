//! A dog: round body, snout, hanging ears, a tail that wags; trots, gallops, sits.

use std::f32::consts::FRAC_PI_2;

use glam::{Affine3A, Vec3};

use super::gait::{Gait, Step};
use super::model::{Model, at, limb, scaled, turned};
use super::palette::{INK, LIPS, contrast};
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, fract, sine};
use crate::vocabulary::Action;

/// Height of the head, units.
pub(crate) const HEIGHT: f32 = 1.12;
/// Twice from the middle to the nose, units.
pub(crate) const LENGTH: f32 = 1.72;

const BODY: usize = 0;
const HEAD: usize = 1;
const TAIL: usize = 2;
const LEG: [usize; 4] = [3, 4, 5, 6];
const N_BONES: usize = 7;

const BODY_Y: f32 = 0.52;
const LEG_LENGTH: f32 = 0.42;
/// Hips in the frame of the body: front left, front right, hind left, hind right.
const HIPS: [Vec3; 4] = [
    Vec3::new(0.13, -0.08, 0.26),
    Vec3::new(-0.13, -0.08, 0.26),
    Vec3::new(0.13, -0.08, -0.30),
    Vec3::new(-0.13, -0.08, -0.30),
];
/// Where in the cycle each leg is: a trot sets opposite legs together, a gallop the front and the hind ones.
const TROT: [f32; 4] = [0.0, 0.5, 0.5, 0.0];
const GALLOP: [f32; 4] = [0.0, 0.10, 0.50, 0.60];

const WALK: Gait = Gait { stance: 0.58, lift: 0.09 };
const RUN: Gait = Gait { stance: 0.34, lift: 0.15 };

/// A dog, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Dog {
    model: Model,
}

impl Dog {
    /// A dog with fur of this colour.
    pub(crate) fn new(colour: Vec3) -> Self {
        let fur = Surface::matte(colour);
        let dark = Surface::matte(colour * 0.62);
        let pale = Surface::matte(colour.lerp(Vec3::splat(0.9), 0.35));
        let ink = Surface::glossy(INK, 0.5);
        let ball = Mesh::sphere(1.0, 12);
        let small = Mesh::sphere(1.0, 8);
        let mut model = Model::default();
        let along = turned(FRAC_PI_2, 0.0, 0.0, Vec3::ZERO);
        model.add(BODY, &Mesh::capsule(0.215, 0.52, 12), along, fur);
        model.add(
            BODY,
            &ball,
            scaled(Vec3::new(0.225, 0.25, 0.22), Vec3::new(0.0, 0.02, 0.26)),
            fur,
        );
        let neck = turned(0.75, 0.0, 0.0, Vec3::new(0.0, 0.18, 0.37));
        model.add(BODY, &Mesh::capsule(0.14, 0.20, 8), neck, fur);
        for bone in LEG {
            model.add(
                bone,
                &Mesh::capsule(0.085, LEG_LENGTH - 0.08, 8),
                at(0.0, -0.5 * LEG_LENGTH + 0.02, 0.0),
                fur,
            );
            let paw =
                scaled(Vec3::new(0.10, 0.065, 0.125), Vec3::new(0.0, -LEG_LENGTH + 0.03, 0.035));
            model.add(bone, &small, paw, pale);
        }
        model.add(
            HEAD,
            &ball,
            scaled(Vec3::new(0.25, 0.235, 0.23), Vec3::new(0.0, 0.10, 0.05)),
            fur,
        );
        model.add(
            HEAD,
            &ball,
            scaled(Vec3::new(0.125, 0.105, 0.17), Vec3::new(0.0, 0.03, 0.27)),
            pale,
        );
        model.add(
            HEAD,
            &small,
            scaled(Vec3::new(0.06, 0.045, 0.04), Vec3::new(0.0, 0.075, 0.425)),
            ink,
        );
        model.add(
            HEAD,
            &small,
            scaled(Vec3::new(0.05, 0.02, 0.06), Vec3::new(0.0, -0.06, 0.35)),
            Surface::matte(LIPS),
        );
        let eye =
            if colour.element_sum() < 0.15 { Surface::glossy(contrast(colour), 0.5) } else { ink };
        for side in [1.0, -1.0] {
            let place = Vec3::new(side * 0.115, 0.155, 0.235);
            model.add(HEAD, &small, scaled(Vec3::new(0.038, 0.052, 0.03), place), eye);
            let ear = turned(0.1, 0.0, side * 0.32, Vec3::new(side * 0.25, 0.09, 0.0))
                * Affine3A::from_scale(Vec3::new(0.065, 0.19, 0.12));
            model.add(HEAD, &small, ear, dark);
        }
        model.add(TAIL, &Mesh::capsule(0.06, 0.30, 8), at(0.0, 0.15, 0.0), fur);
        model.add(TAIL, &small, scaled(Vec3::splat(0.075), Vec3::new(0.0, 0.32, 0.0)), pale);
        Self { model }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// Where the feet are, in the figure's frame, from below their hips.
    pub(crate) fn steps(&self, moment: &Moment) -> [Step; 4] {
        match moment.action {
            Action::Walk => TROT.map(|offset| WALK.step(moment.distance, moment.stride, offset)),
            Action::Run => GALLOP.map(|offset| RUN.step(moment.distance, moment.stride, offset)),
            _ => [Step { forward: 0.0, height: 0.0, pitch: 0.0, stands: true }; 4],
        }
    }

    /// Where the foot of leg `leg` stands without a step, in the figure's frame.
    pub(crate) fn rest(leg: usize) -> Vec3 {
        Vec3::new(HIPS[leg].x, 0.0, HIPS[leg].z)
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let cycle = fract(moment.distance / moment.stride);
        let breath = sine(0.6 * moment.secs);
        let sits = moment.action == Action::Sit;
        let (rise, pitch) = match moment.action {
            Action::Walk => (0.014 * sine(2.0 * cycle), 0.012 * sine(2.0 * cycle + 0.2)),
            Action::Run => (0.05 * sine(2.0 * cycle - 0.1), 0.11 * sine(cycle + 0.05)),
            Action::Sit => (-0.08 + 0.004 * breath, -0.72),
            _ => (0.006 * breath, 0.0),
        };
        let middle = Vec3::new(0.0, BODY_Y + rise, if sits { -0.06 } else { 0.0 });
        let body = root * turned(pitch, 0.0, 0.0, middle);
        let look = if moment.yaw.abs() > 3.0 { 0.0 } else { -0.45 * moment.yaw.clamp(-1.0, 1.0) };
        let head_place = body.transform_point3(Vec3::new(0.0, 0.27, 0.44));
        let nod =
            0.06 * sine(0.35 * moment.secs) + if moment.action == Action::Run { 0.1 } else { 0.0 };
        let tilt = 0.10 * sine(0.21 * moment.secs);
        let head = turned(nod, moment.yaw + look, tilt, head_place);
        let wag = 0.55 * sine(2.0 * moment.secs);
        let tail =
            body * turned(if sits { -1.35 } else { -0.75 }, 0.0, wag, Vec3::new(0.0, 0.12, -0.42));
        let mut bones = [Affine3A::IDENTITY; N_BONES];
        (bones[BODY], bones[HEAD], bones[TAIL]) = (body, head, tail);
        let forward = root.transform_vector3(Vec3::Z);
        for (leg, step) in self.steps(moment).iter().enumerate() {
            let hip = body.transform_point3(HIPS[leg]);
            let mut foot = Self::rest(leg) + Vec3::new(0.0, step.height, step.forward);
            if sits {
                // The front legs stand below the chest, the hind ones lie folded forward.
                foot.z = if leg < 2 { 0.20 } else { 0.10 };
                foot.x *= if leg < 2 { 0.9 } else { 1.5 };
            }
            bones[LEG[leg]] = limb(hip, root.transform_point3(foot), LEG_LENGTH, forward);
        }
        bones
    }
}
