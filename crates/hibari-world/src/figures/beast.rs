//! Cats, horses and mammoths: one four-legged build with three sets of measures.

use std::f32::consts::{FRAC_PI_2, PI};

use glam::{Affine3A, Vec2, Vec3};

use super::gait::{Gait, Step};
use super::model::{Model, at, limb, scaled, turned};
use super::palette::{INK, LIPS, contrast};
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, ease, fract, sine};
use crate::vocabulary::{Action, Subject};

const BODY: usize = 0;
const HEAD: usize = 1;
const TAIL: usize = 2;
const LEG: [usize; 4] = [3, 4, 5, 6];
const N_BONES: usize = 7;

/// A trot sets opposite legs together, a gallop the front and the hind ones.
const TROT: [f32; 4] = [0.0, 0.5, 0.5, 0.0];
const GALLOP: [f32; 4] = [0.0, 0.10, 0.50, 0.60];

/// The measures of an animal, units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Build {
    /// Height of the top of the head.
    pub(super) height: f32,
    /// From side to side.
    pub(super) width: f32,
    /// Twice from the middle to the nose.
    pub(super) length: f32,
    body_y: f32,
    body_radius: f32,
    /// Length of the body's straight part.
    trunk: f32,
    leg: f32,
    leg_radius: f32,
    /// Sideways of the hips, forward of the front ones, back of the hind ones.
    hips: Vec3,
    /// Joint of the head, from the middle of the body.
    head: Vec3,
    tail: Vec3,
    walk: Gait,
    run: Gait,
    bob: f32,
}

const CAT: Build = Build {
    height: 0.98,
    width: 0.56,
    length: 1.42,
    body_y: 0.40,
    body_radius: 0.165,
    trunk: 0.42,
    leg: 0.34,
    leg_radius: 0.064,
    hips: Vec3::new(0.10, 0.24, 0.24),
    head: Vec3::new(0.0, 0.24, 0.36),
    tail: Vec3::new(0.0, 0.08, -0.34),
    walk: Gait { stance: 0.58, lift: 0.07 },
    run: Gait { stance: 0.34, lift: 0.12 },
    bob: 0.04,
};

const HORSE: Build = Build {
    height: 1.86,
    width: 0.66,
    length: 2.30,
    body_y: 0.98,
    body_radius: 0.30,
    trunk: 0.72,
    leg: 0.84,
    leg_radius: 0.085,
    hips: Vec3::new(0.17, 0.42, 0.44),
    head: Vec3::new(0.0, 0.60, 0.70),
    tail: Vec3::new(0.0, 0.16, -0.62),
    walk: Gait { stance: 0.60, lift: 0.12 },
    run: Gait { stance: 0.32, lift: 0.24 },
    bob: 0.07,
};

const MAMMOTH: Build = Build {
    height: 2.12,
    width: 1.30,
    length: 2.70,
    body_y: 1.12,
    body_radius: 0.58,
    trunk: 0.50,
    leg: 0.78,
    leg_radius: 0.19,
    hips: Vec3::new(0.33, 0.42, 0.44),
    head: Vec3::new(0.0, 0.34, 0.78),
    tail: Vec3::new(0.0, 0.12, -0.82),
    walk: Gait { stance: 0.66, lift: 0.10 },
    run: Gait { stance: 0.45, lift: 0.15 },
    bob: 0.04,
};

/// An animal, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Beast {
    model: Model,
    build: Build,
}

/// The measures of a subject.
pub(super) const fn build_of(subject: Subject) -> Build {
    match subject {
        Subject::Horse => HORSE,
        Subject::Mammoth => MAMMOTH,
        _ => CAT,
    }
}

impl Beast {
    /// An animal with fur of this colour.
    pub(crate) fn new(subject: Subject, colour: Vec3) -> Self {
        let build = build_of(subject);
        let mut model = Model::default();
        let fur = Surface::matte(colour);
        let lying = turned(FRAC_PI_2, 0.0, 0.0, Vec3::ZERO);
        model.add(BODY, &Mesh::capsule(build.body_radius, build.trunk, 14), lying, fur);
        match subject {
            Subject::Horse => add_horse(&mut model, &build, colour),
            Subject::Mammoth => add_mammoth(&mut model, &build, colour),
            _ => add_cat(&mut model, &build, colour),
        }
        Self { model, build }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// Where the feet are, in the figure's frame, from below their hips.
    pub(crate) fn steps(&self, moment: &Moment) -> [Step; 4] {
        let Build { walk, run, leg, .. } = self.build;
        match moment.action {
            Action::Walk => TROT.map(|offset| walk.step(moment.distance, moment.stride, offset)),
            Action::Run => GALLOP.map(|offset| run.step(moment.distance, moment.stride, offset)),
            Action::Jump => {
                let up = ease(1.0 - ((moment.jump - 0.52) / 0.27).abs());
                [1.0, 1.0, -1.0, -1.0].map(|way| Step {
                    forward: way * 0.25 * leg * up,
                    height: 0.22 * leg * up,
                    pitch: 0.0,
                    stands: up <= 0.0,
                })
            }
            _ => [Step { forward: 0.0, height: 0.0, pitch: 0.0, stands: true }; 4],
        }
    }

    /// The hip of leg `leg`, from the middle of the body.
    fn hip(&self, leg: usize) -> Vec3 {
        let Vec3 { x, y: front, z: hind } = self.build.hips;
        let side = if leg.is_multiple_of(2) { x } else { -x };
        Vec3::new(side, -0.35 * self.build.body_radius, if leg < 2 { front } else { -hind })
    }

    /// Where the foot of leg `leg` stands without a step, in the figure's frame.
    pub(crate) fn rest(&self, leg: usize) -> Vec3 {
        self.hip(leg) * Vec3::new(1.0, 0.0, 1.0)
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let build = &self.build;
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let cycle = fract(moment.distance / moment.stride);
        let breath = sine(0.5 * moment.secs);
        let sits = moment.action == Action::Sit;
        let size = build.body_y / 0.52;
        let (rise, pitch) = match moment.action {
            Action::Walk => (0.3 * build.bob * sine(2.0 * cycle), 0.012 * sine(2.0 * cycle + 0.2)),
            Action::Run => (build.bob * sine(2.0 * cycle - 0.1), 0.09 * sine(cycle + 0.05)),
            Action::Jump => (0.0, 0.30 * sine(moment.jump + 0.5)),
            Action::Sit => (-0.14 * build.body_y + 0.004 * breath, -0.62),
            _ => (0.006 * breath, 0.0),
        };
        let back = if sits { -0.06 * size } else { 0.0 };
        let middle = Vec3::new(0.0, build.body_y + rise, back);
        let body = root * turned(pitch, 0.0, 0.0, middle);
        let look = if moment.yaw.abs() > 3.0 { 0.0 } else { -0.40 * moment.yaw.clamp(-1.0, 1.0) };
        let head_place = body.transform_point3(build.head);
        let nod = 0.06 * sine(0.35 * moment.secs)
            + match moment.action {
                Action::Run => 0.12,
                Action::Walk => 0.05 * sine(2.0 * cycle),
                _ => 0.0,
            };
        let head = turned(nod, moment.yaw + look, 0.07 * sine(0.21 * moment.secs), head_place);
        let wag = 0.30 * sine(0.8 * moment.secs);
        let tail = body * turned(-pitch, 0.0, wag, build.tail);
        let mut bones = [Affine3A::IDENTITY; N_BONES];
        (bones[BODY], bones[HEAD], bones[TAIL]) = (body, head, tail);
        let forward = root.transform_vector3(Vec3::Z);
        for (leg, step) in self.steps(moment).iter().enumerate() {
            let hip = body.transform_point3(self.hip(leg));
            let mut foot = self.rest(leg) + Vec3::new(0.0, step.height, step.forward);
            if sits {
                // The front legs stand below the chest, the hind ones lie folded forward.
                foot.z = if leg < 2 { 0.8 * build.hips.y } else { -0.1 * build.hips.z };
                foot.x *= if leg < 2 { 0.9 } else { 1.4 };
            }
            bones[LEG[leg]] = limb(hip, root.transform_point3(foot), build.leg, forward);
        }
        bones
    }
}

/// Eyes that show on fur of this colour.
fn eye_of(colour: Vec3) -> Surface {
    let eye = if colour.element_sum() < 0.15 { contrast(colour) } else { INK };
    Surface::glossy(eye, 0.5)
}

/// A leg of one piece with a foot at its end.
fn add_legs(model: &mut Model, build: &Build, fur: Surface, foot: Surface, hoof: Vec3) {
    let ball = Mesh::sphere(1.0, 8);
    for bone in LEG {
        let straight = build.leg - build.leg_radius;
        let place = at(0.0, -0.5 * build.leg + 0.5 * build.leg_radius, 0.0);
        model.add(
            bone,
            &Mesh::capsule(build.leg_radius, straight - build.leg_radius, 10),
            place,
            fur,
        );
        let place = Vec3::new(0.0, -build.leg + 0.5 * hoof.y, 0.25 * hoof.z);
        model.add(bone, &ball, scaled(hoof, place), foot);
    }
}

fn add_cat(model: &mut Model, build: &Build, colour: Vec3) {
    let fur = Surface::matte(colour);
    let dark = Surface::matte(colour * 0.55);
    let pale = Surface::matte(colour.lerp(Vec3::splat(0.92), 0.55));
    let ball = Mesh::sphere(1.0, 12);
    let small = Mesh::sphere(1.0, 8);
    add_legs(model, build, fur, pale, Vec3::new(0.075, 0.055, 0.095));
    model.add(BODY, &ball, scaled(Vec3::new(0.12, 0.13, 0.12), Vec3::new(0.0, 0.0, 0.30)), pale);
    let neck = turned(0.7, 0.0, 0.0, Vec3::new(0.0, 0.14, 0.28));
    model.add(BODY, &Mesh::capsule(0.115, 0.14, 8), neck, fur);
    // Stripes over the back.
    for z in [-0.22, -0.05, 0.12] {
        let hoop = turned(FRAC_PI_2, 0.0, 0.0, Vec3::new(0.0, 0.012, z));
        model.add(BODY, &Mesh::torus(0.152, 0.022, 14, 5), hoop, dark);
    }
    let head = Vec3::new(0.0, 0.10, 0.05);
    model.add(HEAD, &ball, scaled(Vec3::new(0.255, 0.215, 0.20), head), fur);
    let nose = Surface::matte(Vec3::new(0.80, 0.28, 0.30));
    for side in [1.0, -1.0] {
        model.add(
            HEAD,
            &small,
            scaled(Vec3::new(0.075, 0.058, 0.06), Vec3::new(side * 0.05, 0.04, 0.225)),
            pale,
        );
        let ear = turned(-0.1, 0.0, -side * 0.28, Vec3::new(side * 0.155, 0.31, 0.03));
        model.add(HEAD, &Mesh::cone(0.095, 0.20, 8), ear, fur);
        let inner = turned(-0.1, 0.0, -side * 0.28, Vec3::new(side * 0.15, 0.29, 0.075));
        model.add(HEAD, &Mesh::cone(0.055, 0.13, 6), inner, nose);
        let eye = Vec3::new(side * 0.105, 0.125, 0.205);
        let iris = Surface::glossy(Vec3::new(0.55, 0.75, 0.10), 0.5);
        model.add(HEAD, &small, scaled(Vec3::new(0.052, 0.058, 0.03), eye), iris);
        let slit = Vec3::new(0.020, 0.050, 0.018);
        model.add(HEAD, &small, scaled(slit, eye + Vec3::Z * 0.018), Surface::glossy(INK, 0.5));
        for turn in [-0.12, 0.12] {
            let whisker = turned(
                0.0,
                side * 0.35,
                FRAC_PI_2 + side * turn,
                Vec3::new(side * 0.19, 0.03, 0.20),
            );
            model.add(HEAD, &Mesh::cylinder(0.007, 0.24, 4), whisker, pale);
        }
    }
    model.add(
        HEAD,
        &small,
        scaled(Vec3::new(0.032, 0.024, 0.025), Vec3::new(0.0, 0.075, 0.278)),
        nose,
    );
    // The tail rises and bends forward at its tip.
    let joints = [
        Vec2::new(0.0, 0.0),
        Vec2::new(-0.14, 0.08),
        Vec2::new(-0.20, 0.24),
        Vec2::new(-0.16, 0.40),
        Vec2::new(-0.08, 0.50),
    ];
    add_hose(model, TAIL, &joints, [0.055, 0.045], fur);
}

fn add_horse(model: &mut Model, build: &Build, colour: Vec3) {
    let fur = Surface::matte(colour);
    let mane = Surface::matte(if colour.element_sum() < 0.3 {
        contrast(colour) * 0.6
    } else {
        colour * 0.22
    });
    let pale = Surface::matte(colour.lerp(Vec3::splat(0.85), 0.35));
    let ball = Mesh::sphere(1.0, 12);
    let small = Mesh::sphere(1.0, 8);
    add_legs(model, build, fur, Surface::matte(INK), Vec3::new(0.10, 0.09, 0.12));
    model.add(BODY, &ball, scaled(Vec3::new(0.29, 0.32, 0.28), Vec3::new(0.0, 0.02, 0.40)), fur);
    model.add(BODY, &ball, scaled(Vec3::new(0.31, 0.32, 0.30), Vec3::new(0.0, 0.03, -0.36)), fur);
    let neck = turned(0.50, 0.0, 0.0, Vec3::new(0.0, 0.40, 0.58));
    model.add(BODY, &Mesh::capsule(0.165, 0.48, 12), neck, fur);
    for (y, z) in [(0.66, 0.60), (0.52, 0.48), (0.38, 0.38)] {
        model.add(BODY, &small, scaled(Vec3::new(0.07, 0.16, 0.11), Vec3::new(0.0, y, z)), mane);
    }
    let skull = turned(0.62, 0.0, 0.0, Vec3::new(0.0, 0.10, 0.10))
        * Affine3A::from_scale(Vec3::new(0.165, 0.17, 0.26));
    model.add(HEAD, &ball, skull, fur);
    let muzzle = turned(0.75, 0.0, 0.0, Vec3::new(0.0, -0.075, 0.30))
        * Affine3A::from_scale(Vec3::new(0.125, 0.12, 0.18));
    model.add(HEAD, &ball, muzzle, pale);
    let forelock = turned(0.5, 0.0, 0.0, Vec3::new(0.0, 0.26, 0.12))
        * Affine3A::from_scale(Vec3::new(0.065, 0.07, 0.16));
    model.add(HEAD, &small, forelock, mane);
    model.add(
        HEAD,
        &small,
        scaled(Vec3::new(0.075, 0.17, 0.10), Vec3::new(0.0, 0.16, -0.08)),
        mane,
    );
    for side in [1.0, -1.0] {
        let ear = turned(-0.1, 0.0, -side * 0.22, Vec3::new(side * 0.09, 0.32, 0.0));
        model.add(HEAD, &Mesh::cone(0.055, 0.19, 8), ear, fur);
        let eye = Vec3::new(side * 0.145, 0.13, 0.18);
        model.add(HEAD, &small, scaled(Vec3::new(0.032, 0.055, 0.045), eye), eye_of(colour));
        let nostril = Vec3::new(side * 0.055, -0.11, 0.435);
        model.add(HEAD, &small, scaled(Vec3::splat(0.024), nostril), Surface::matte(INK));
    }
    let joints = [
        Vec2::new(0.0, 0.0),
        Vec2::new(-0.14, 0.02),
        Vec2::new(-0.22, -0.16),
        Vec2::new(-0.24, -0.40),
        Vec2::new(-0.22, -0.58),
    ];
    add_hose(model, TAIL, &joints, [0.085, 0.06], mane);
}

fn add_mammoth(model: &mut Model, build: &Build, colour: Vec3) {
    let fur = Surface::matte(colour);
    let dark = Surface::matte(colour * 0.62);
    let horn = Surface::glossy(Vec3::new(0.86, 0.80, 0.64), 0.3);
    let ball = Mesh::sphere(1.0, 14);
    let small = Mesh::sphere(1.0, 8);
    add_legs(model, build, dark, dark, Vec3::new(0.21, 0.10, 0.22));
    for bone in LEG {
        for x in [-0.09, 0.0, 0.09] {
            let nail = Vec3::new(x, -build.leg + 0.045, 0.215 - 0.9 * x * x);
            model.add(bone, &small, scaled(Vec3::new(0.036, 0.036, 0.025), nail), horn);
        }
    }
    // A high shoulder, and long hair around the belly.
    model.add(BODY, &ball, scaled(Vec3::new(0.52, 0.56, 0.48), Vec3::new(0.0, 0.18, 0.34)), fur);
    let skirt = Mesh::frustum(0.56, 0.57, 0.34, 18)
        .transformed(Affine3A::from_scale(Vec3::new(0.94, 1.0, 1.36)));
    model.add(BODY, &skirt, at(0.0, -0.37, -0.02), dark);
    // Its hem hangs in points.
    for i in 0..18_u8 {
        let way = Vec2::from_angle((f32::from(i) + 0.5) * std::f32::consts::TAU / 18.0);
        let point = turned(PI, 0.0, 0.0, Vec3::new(0.46 * way.x, -0.60, 0.66 * way.y));
        model.add(BODY, &Mesh::cone(0.115, 0.22, 6), point, dark);
    }
    let head = Vec3::new(0.0, 0.14, 0.14);
    model.add(HEAD, &ball, scaled(Vec3::new(0.40, 0.42, 0.38), head), fur);
    model.add(HEAD, &ball, scaled(Vec3::new(0.26, 0.24, 0.26), Vec3::new(0.0, 0.48, 0.08)), dark);
    let trunk = [
        Vec2::new(0.42, 0.02),
        Vec2::new(0.58, -0.18),
        Vec2::new(0.62, -0.42),
        Vec2::new(0.60, -0.66),
        Vec2::new(0.66, -0.84),
        Vec2::new(0.80, -0.88),
    ];
    add_hose(model, HEAD, &trunk, [0.17, 0.085], fur);
    model.add(
        HEAD,
        &small,
        scaled(Vec3::new(0.09, 0.03, 0.08), Vec3::new(0.0, -0.19, 0.40)),
        Surface::matte(LIPS),
    );
    for side in [1.0, -1.0] {
        let ear = turned(0.0, side * 0.45, side * 0.12, Vec3::new(side * 0.42, 0.16, 0.0))
            * Affine3A::from_scale(Vec3::new(0.07, 0.22, 0.17));
        model.add(HEAD, &small, ear, dark);
        let eye = Vec3::new(side * 0.215, 0.24, 0.455);
        model.add(HEAD, &small, scaled(Vec3::splat(0.052), eye), eye_of(colour));
        // Tusks sweep down, forward and up.
        let joints = [
            Vec3::new(side * 0.20, -0.12, 0.36),
            Vec3::new(side * 0.28, -0.38, 0.56),
            Vec3::new(side * 0.30, -0.50, 0.82),
            Vec3::new(side * 0.24, -0.42, 1.04),
            Vec3::new(side * 0.16, -0.24, 1.12),
        ];
        for (i, pair) in joints.windows(2).enumerate() {
            let thick = 0.078 - 0.013 * i as f32;
            let length = pair[0].distance(pair[1]);
            let mesh = Mesh::capsule(thick, length, 8).transformed(at(0.0, -0.5 * length, 0.0));
            model.add(HEAD, &mesh, limb(pair[0], pair[1], length, Vec3::X), horn);
        }
    }
    let joints = [Vec2::new(0.0, 0.0), Vec2::new(-0.10, -0.10), Vec2::new(-0.13, -0.38)];
    add_hose(model, TAIL, &joints, [0.06, 0.045], dark);
}

/// A bent tube through (z, y) points, thinner towards its end.
fn add_hose(model: &mut Model, bone: usize, joints: &[Vec2], radii: [f32; 2], surface: Surface) {
    let n = (joints.len() - 1) as f32;
    for (i, pair) in joints.windows(2).enumerate() {
        let [from, to] = [pair[0], pair[1]].map(|p| Vec3::new(0.0, p.y, p.x));
        let radius = radii[0] + (radii[1] - radii[0]) * i as f32 / n;
        let length = from.distance(to);
        let mesh = Mesh::capsule(radius, length, 10).transformed(at(0.0, -0.5 * length, 0.0));
        model.add(bone, &mesh, limb(from, to, length, Vec3::X), surface);
    }
}
