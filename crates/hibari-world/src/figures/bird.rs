//! A bird: round, with two-jointed wings that flap in flight and lie folded on the ground.

use glam::{Affine3A, Vec3};

use super::model::{Model, at, scaled, turned};
use super::palette::{INK, contrast};
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, sine};

/// Height on the ground, units.
pub(crate) const HEIGHT: f32 = 0.86;
/// From beak to tail, units.
pub(crate) const LENGTH: f32 = 1.20;
/// From side to side with open wings, units.
pub(crate) const SPAN: f32 = 1.70;

const BODY: usize = 0;
const HEAD: usize = 1;
const WING: [usize; 2] = [2, 3];
const TIP: [usize; 2] = [4, 5];
const LEGS: usize = 6;
const N_BONES: usize = 7;
const SIDES: [f32; 2] = [1.0, -1.0];
/// Wing beats per second.
const BEAT_HZ: f32 = 2.1;
/// Height of the middle of the body above the feet, units.
const BODY_Y: f32 = 0.40;

/// A bird, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Bird {
    model: Model,
}

impl Bird {
    /// A bird with feathers of this colour.
    pub(crate) fn new(colour: Vec3) -> Self {
        let feathers = Surface::matte(colour);
        let dark = Surface::matte(colour * 0.55);
        let pale = Surface::matte(colour.lerp(Vec3::splat(0.92), 0.60));
        let beak = Surface::matte(Vec3::new(0.95, 0.48, 0.04));
        let ink =
            Surface::glossy(if colour.element_sum() < 0.15 { contrast(colour) } else { INK }, 0.5);
        let ball = Mesh::sphere(1.0, 12);
        let small = Mesh::sphere(1.0, 8);
        let mut model = Model::default();
        let body = turned(-0.25, 0.0, 0.0, Vec3::ZERO)
            * Affine3A::from_scale(Vec3::new(0.24, 0.225, 0.36));
        model.add(BODY, &ball, body, feathers);
        model.add(
            BODY,
            &ball,
            scaled(Vec3::new(0.19, 0.17, 0.22), Vec3::new(0.0, -0.06, 0.12)),
            pale,
        );
        for (turn, length) in [(0.0, 0.34), (0.22, 0.30), (-0.22, 0.30)] {
            let tail = turned(0.12, turn, 0.0, Vec3::new(0.0, -0.03, -0.30))
                * Affine3A::from_translation(Vec3::new(0.0, 0.0, -0.5 * length))
                * Affine3A::from_scale(Vec3::new(0.085, 0.025, 0.62 * length));
            model.add(BODY, &small, tail, dark);
        }
        model.add(
            HEAD,
            &ball,
            scaled(Vec3::new(0.205, 0.20, 0.20), Vec3::new(0.0, 0.06, 0.04)),
            feathers,
        );
        let cone = turned(std::f32::consts::FRAC_PI_2, 0.0, 0.0, Vec3::new(0.0, 0.03, 0.30));
        model.add(HEAD, &Mesh::cone(0.075, 0.20, 8), cone, beak);
        for side in SIDES {
            let eye = Vec3::new(side * 0.115, 0.10, 0.175);
            model.add(HEAD, &small, scaled(Vec3::new(0.042, 0.052, 0.03), eye), ink);
        }
        for side in 0..2 {
            let out = SIDES[side];
            let inner = scaled(Vec3::new(0.25, 0.035, 0.20), Vec3::new(out * 0.21, 0.0, -0.02));
            model.add(WING[side], &small, inner, feathers);
            let outer = scaled(Vec3::new(0.24, 0.03, 0.155), Vec3::new(out * 0.20, 0.0, -0.05));
            model.add(TIP[side], &small, outer, dark);
        }
        for x in [0.08, -0.08] {
            model.add(LEGS, &Mesh::cylinder(0.02, 0.22, 6), at(x, -0.29, 0.04), beak);
            let foot = scaled(Vec3::new(0.05, 0.022, 0.085), Vec3::new(x, -0.385, 0.08));
            model.add(LEGS, &small, foot, beak);
        }
        Self { model }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bones at an instant; [`Moment::flight`] opens the wings.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let flight = moment.flight;
        let beat = sine(BEAT_HZ * moment.secs);
        let delayed = sine(BEAT_HZ * moment.secs - 0.18);
        let rise = BODY_Y - 0.06 * flight * beat;
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let body = root * turned(0.16 * flight - 0.22 * (1.0 - flight), 0.0, 0.0, Vec3::Y * rise);
        let look = if moment.yaw.abs() > 3.0 { 0.0 } else { -0.45 * moment.yaw.clamp(-1.0, 1.0) };
        let neck = body.transform_point3(Vec3::new(0.0, 0.14, 0.24));
        let nod = (1.0 - flight) * 0.12 * sine(0.5 * moment.secs);
        let mut bones = [body; N_BONES];
        bones[HEAD] = turned(nod, moment.yaw + look, 0.0, neck);
        for side in 0..2 {
            let out = SIDES[side];
            let shoulder = Vec3::new(out * 0.17, 0.08, 0.04);
            // Open wings beat; folded ones lie along the body.
            let lift = out * (0.15 + 0.75 * beat) * flight;
            let fold = 1.0 - flight;
            let wing = body * turned(0.0, out * 1.25 * fold, lift - out * 0.9 * fold, shoulder);
            bones[WING[side]] = wing;
            let bend = out * 0.55 * (delayed - 0.2) * flight;
            bones[TIP[side]] =
                wing * turned(0.0, out * 0.35 * fold, bend, Vec3::new(out * 0.36, 0.0, -0.01));
        }
        // In flight the legs are drawn back under the tail.
        bones[LEGS] = root
            * Affine3A::from_translation(Vec3::Y * rise)
            * turned(0.9 * flight, 0.0, 0.0, Vec3::new(0.0, 0.0, 0.0));
        bones
    }
}
