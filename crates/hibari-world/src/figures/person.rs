//! People: chibi, the head a third of the body, every garment and item in its own colour. A child is a small one with a
//! large head; astronauts and robots stand on the same bones.

use std::f32::consts::FRAC_PI_2;

use glam::{Affine3A, Vec2, Vec3};

use super::face::{Face, add_face};
use super::gait::{Gait, Step};
use super::model::{Model, at, joint, limb, scaled, turned};
use super::palette::{INK, SKIN, contrast, linear};
use crate::render::{Mesh, Surface};
use crate::script::Outfit;
use crate::timeline::motion::{Moment, ease, fract, sine};
use crate::vocabulary::{Action, Bottom, Expression, Footwear, Hair, Item, Material, Subject, Top};

/// Height with hair, units.
pub(crate) const HEIGHT: f32 = 1.62;
/// Height of the middle of the face, units.
pub(crate) const FACE_Y: f32 = 1.25;
/// Size of a child relative to a grown-up.
pub(crate) const CHILD: f32 = 0.74;
/// Size of a child's head relative to its body.
const CHILD_HEAD: f32 = 1.16;

const PELVIS: usize = 0;
const TORSO: usize = 1;
const HEAD: usize = 2;
const UPPER_ARM: [usize; 2] = [3, 4];
const FOREARM: [usize; 2] = [5, 6];
const THIGH: [usize; 2] = [7, 8];
const SHIN: [usize; 2] = [9, 10];
const FOOT: [usize; 2] = [11, 12];
const N_BONES: usize = 13;

const HIP_Y: f32 = 0.50;
const TORSO_LENGTH: f32 = 0.50;
const ANKLE_Y: f32 = 0.075;
const LEG_HALF: f32 = 0.235;
const ARM_HALF: f32 = 0.215;
const HEAD_RADIUS: f32 = 0.275;
/// Left and right in the figure's frame, in which z is forward.
const SIDES: [f32; 2] = [1.0, -1.0];

const WALK: Gait = Gait { stance: 0.60, lift: 0.08 };
const RUN: Gait = Gait { stance: 0.36, lift: 0.17 };

/// A person, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    model: Model,
    shoulder: f32,
    hip: f32,
    dressed: bool,
    /// Size relative to a grown-up.
    scale: f32,
    head: f32,
}

impl Person {
    /// Builds a person of these looks.
    pub(crate) fn new(subject: Subject, outfit: &Outfit, expression: Expression) -> Self {
        // A child is built like a woman, but for the hair of one in trousers.
        let child = subject == Subject::Child;
        let woman = subject == Subject::Woman || (child && outfit.bottom.0 == Bottom::Dress);
        let (shoulder, hip) = if woman { (0.185, 0.085) } else { (0.245, 0.105) };
        let mut model = Model::default();
        let dressed = outfit.bottom.0 == Bottom::Dress;
        add_body(&mut model, woman, outfit);
        add_arms(&mut model, woman, outfit);
        add_legs(&mut model, woman, outfit);
        add_head(&mut model, woman, outfit, expression);
        let (scale, head) = if child { (CHILD, CHILD_HEAD) } else { (1.0, 1.0) };
        Self { model, shoulder, hip, dressed, scale, head }
    }

    /// An astronaut in a suit of this colour.
    pub(crate) fn astronaut(colour: Vec3, expression: Expression) -> Self {
        let mut model = Model::default();
        add_astronaut(&mut model, colour, expression);
        Self { model, shoulder: 0.255, hip: 0.115, dressed: false, scale: 1.0, head: 1.0 }
    }

    /// A robot painted in this colour.
    pub(crate) fn robot(colour: Vec3, material: Material, expression: Expression) -> Self {
        let mut model = Model::default();
        add_robot(&mut model, colour, material, expression);
        Self { model, shoulder: 0.30, hip: 0.12, dressed: false, scale: 1.0, head: 1.0 }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// Where the feet are, in the figure's frame.
    pub(crate) fn steps(&self, moment: &Moment) -> [Step; 2] {
        let steps = self.own_steps(moment);
        if self.scale == 1.0 {
            return steps;
        }
        steps.map(|step| Step {
            forward: step.forward * self.scale,
            height: step.height * self.scale,
            ..step
        })
    }

    /// Where the feet are for one of full size.
    fn own_steps(&self, moment: &Moment) -> [Step; 2] {
        let distance = moment.distance / self.scale;
        let stride = moment.stride / self.scale;
        [0.0, 0.5].map(|offset| match moment.action {
            Action::Walk => WALK.step(distance, stride, offset),
            Action::Run => RUN.step(distance, stride, offset),
            Action::Dance => dance_step(moment, offset),
            Action::Turn => turn_step(moment, offset),
            Action::Sit => Step { forward: 0.34, height: 0.01, pitch: -0.5, stands: true },
            Action::Jump => {
                let tuck = airborne(moment.jump);
                Step {
                    forward: -0.06 * tuck,
                    height: 0.10 * tuck,
                    pitch: 0.5 * tuck,
                    stands: false,
                }
            }
            _ => Step { forward: 0.0, height: 0.0, pitch: 0.0, stands: true },
        })
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let mut bones = self.own_bones(moment);
        if self.scale != 1.0 {
            // Grown about the point on the ground below the middle.
            let own = Affine3A::from_translation(moment.position)
                * Affine3A::from_scale(Vec3::splat(self.scale))
                * Affine3A::from_translation(-moment.position);
            for bone in &mut bones {
                *bone = own * *bone;
            }
        }
        if self.head != 1.0 {
            bones[HEAD] *= Affine3A::from_scale(Vec3::splat(self.head));
        }
        bones
    }

    /// The bones of one of full size.
    fn own_bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let steps = self.own_steps(moment);
        let mut pose = Pose::at(moment);
        if moment.holds {
            pose.arms = [Arm { swing: 0.75, lift: 0.02, bend: 0.75, side_bend: -0.25 }; 2];
        }
        let pelvis_place = Vec3::new(pose.sway, HIP_Y + pose.rise, 0.0);
        let pelvis = root * turned(0.4 * pose.lean, pose.twist, 0.0, pelvis_place);
        let torso =
            root * turned(pose.lean, -pose.twist, -0.6 * pose.sway, pelvis_place) * breath(moment);
        let neck = torso.transform_point3(Vec3::new(0.0, TORSO_LENGTH + 0.02, 0.0));
        let head = Affine3A::from_translation(neck)
            * turned(pose.nod, moment.yaw + pose.look, pose.head_tilt, Vec3::ZERO);
        let mut bones = [Affine3A::IDENTITY; N_BONES];
        (bones[PELVIS], bones[TORSO], bones[HEAD]) = (pelvis, torso, head);
        let forward = root.transform_vector3(Vec3::Z);
        for side in 0..2 {
            let shoulder = Vec3::new(SIDES[side] * self.shoulder, TORSO_LENGTH - 0.065, 0.0);
            let arm = &pose.arms[side];
            // First the swing forward, then the lift to the side.
            let upper = torso * turned(-arm.swing, 0.0, SIDES[side] * arm.lift, shoulder);
            let fore =
                upper * turned(-arm.bend, 0.0, SIDES[side] * arm.side_bend, Vec3::NEG_Y * ARM_HALF);
            (bones[UPPER_ARM[side]], bones[FOREARM[side]]) = (upper, fore);

            let hip = pelvis.transform_point3(Vec3::new(SIDES[side] * self.hip, -0.02, 0.0));
            let step = steps[side];
            let spread = if self.dressed { 0.9 } else { 1.0 };
            let foot = root.transform_point3(Vec3::new(
                SIDES[side] * self.hip * spread,
                step.height,
                step.forward,
            ));
            let ankle = foot + Vec3::Y * ANKLE_Y;
            let knee = joint(hip, ankle, LEG_HALF, forward);
            bones[THIGH[side]] = limb(hip, knee, LEG_HALF, forward);
            bones[SHIN[side]] = limb(knee, ankle, LEG_HALF, forward);
            bones[FOOT[side]] = turned(step.pitch, moment.yaw, 0.0, foot);
        }
        bones
    }
}

/// An arm's angles, radians: 0 hangs straight down.
#[derive(Clone, Copy, Default)]
struct Arm {
    swing: f32,
    lift: f32,
    bend: f32,
    side_bend: f32,
}

/// What the upper body does.
struct Pose {
    rise: f32,
    sway: f32,
    lean: f32,
    twist: f32,
    nod: f32,
    look: f32,
    head_tilt: f32,
    arms: [Arm; 2],
}

impl Pose {
    fn at(moment: &Moment) -> Self {
        let cycle = fract(moment.distance / moment.stride);
        // The face is turned a little to the camera, so that both eyes are seen from the side.
        let toward = -moment.yaw.clamp(-1.0, 1.0);
        let away = moment.yaw.abs() > 3.0;
        let look = if away { 0.0 } else { toward };
        match moment.action {
            Action::Walk => Self {
                rise: -0.03 + 0.018 * sine(2.0 * cycle + 0.05),
                sway: 0.012 * sine(cycle + 0.05),
                lean: 0.05,
                twist: 0.10 * sine(cycle + 0.20),
                nod: 0.0,
                look: 0.55 * look,
                head_tilt: 0.03 * sine(cycle),
                arms: swings(cycle, 0.62, 0.25, 0.14),
            },
            Action::Run => Self {
                rise: -0.035 + 0.05 * sine(2.0 * cycle - 0.11),
                sway: 0.0,
                lean: 0.24,
                twist: 0.16 * sine(cycle + 0.20),
                nod: 0.04,
                look: 0.5 * look,
                head_tilt: 0.0,
                arms: swings(cycle, 1.0, 1.45, 0.16),
            },
            Action::Jump => {
                let crouch = sine(0.5 * (moment.jump / 0.28).min(1.0))
                    + 0.7 * sine(0.5 * ((moment.jump - 0.76) / 0.24).clamp(0.0, 1.0));
                let up = airborne(moment.jump);
                let arm = Arm {
                    swing: -0.7 * crouch + 0.3 * up,
                    lift: 0.2 + 1.9 * up,
                    bend: 0.3,
                    side_bend: 0.2,
                };
                Self {
                    rise: -0.13 * crouch,
                    sway: 0.0,
                    lean: 0.28 * crouch,
                    twist: 0.0,
                    nod: -0.1 * up,
                    look: 0.3 * look,
                    head_tilt: 0.0,
                    arms: [arm; 2],
                }
            }
            Action::Dance => {
                let beat = DANCE_HZ * moment.secs;
                let swing = sine(beat);
                let arm = |side: f32| Arm {
                    swing: 0.25,
                    lift: 1.35 + 0.75 * side * swing,
                    bend: 0.2,
                    side_bend: 0.55 + 0.35 * sine(2.0 * beat + 0.25 * side),
                };
                Self {
                    rise: -0.05 + 0.035 * sine(2.0 * beat),
                    sway: 0.085 * swing,
                    lean: 0.0,
                    twist: 0.30 * sine(beat + 0.12),
                    nod: 0.0,
                    look: 0.35 * look,
                    head_tilt: -0.16 * swing,
                    arms: SIDES.map(arm),
                }
            }
            Action::Sit => Self {
                rise: SEAT - HIP_Y,
                lean: -0.10,
                arms: [Arm { swing: 0.55, lift: 0.16, bend: 0.55, side_bend: 0.0 }; 2],
                ..Self::standing(moment, look)
            },
            Action::Turn => Self { look: 0.0, ..Self::standing(moment, 0.0) },
            Action::Wave => {
                let mut arms = [Arm { lift: 0.16, bend: 0.15, ..Arm::default() }; 2];
                // The arm on the camera's side, or the right one.
                let side = usize::from(moment.yaw >= 0.0);
                arms[side] = Arm {
                    swing: 0.0,
                    lift: 2.1,
                    bend: 0.0,
                    side_bend: 0.45 + 0.55 * sine(1.5 * moment.secs),
                };
                Self { arms, ..Self::standing(moment, look) }
            }
            _ => Self::standing(moment, look),
        }
    }

    fn standing(moment: &Moment, look: f32) -> Self {
        let slow = sine(0.22 * moment.secs);
        Self {
            rise: -0.008 + 0.006 * sine(0.4 * moment.secs),
            sway: 0.014 * slow,
            lean: 0.0,
            twist: 0.03 * slow,
            nod: 0.02 * sine(0.3 * moment.secs),
            look: 0.25 * look + 0.10 * sine(0.17 * moment.secs),
            head_tilt: 0.04 * slow,
            arms: [Arm { lift: 0.17 + 0.02 * slow, bend: 0.18, ..Arm::default() }; 2],
        }
    }
}

/// Beats of a dance per second at the usual speed.
const DANCE_HZ: f32 = 0.9;
/// Height of the hips of one who sits on the ground, units.
const SEAT: f32 = 0.17;

/// A dancer lifts one foot after the other.
fn dance_step(moment: &Moment, offset: f32) -> Step {
    let up = sine(DANCE_HZ * moment.secs + offset + 0.25).max(0.0);
    Step { forward: 0.05 * up, height: 0.09 * up, pitch: 0.5 * up, stands: up <= 0.0 }
}

/// Who turns on the spot takes small steps.
fn turn_step(moment: &Moment, offset: f32) -> Step {
    let up = sine(1.8 * moment.secs + offset).max(0.0);
    Step { forward: 0.0, height: 0.05 * up, pitch: 0.25 * up, stands: false }
}

/// Arms that swing against the legs; the left foot lands at phase 0.
fn swings(cycle: f32, swing: f32, bend: f32, lift: f32) -> [Arm; 2] {
    let forward = sine(cycle + 0.25);
    SIDES.map(|side| Arm {
        swing: -side * swing * forward,
        lift,
        bend: bend - 0.25 * side * swing * forward,
        side_bend: 0.0,
    })
}

/// How far a jump's phase is in the air: 0 on the ground, 1 at the top.
fn airborne(jump: f32) -> f32 {
    ease(1.0 - ((jump - 0.52) / 0.27).abs())
}

/// The chest widens a little with each breath.
fn breath(moment: &Moment) -> Affine3A {
    let deep = if moment.action.travels() { 0.006 } else { 0.014 };
    let size = 1.0 + deep * sine(0.4 * moment.secs);
    Affine3A::from_scale(Vec3::new(size, 1.0, size))
}

/// A turned shape, flattened from front to back.
fn flat_lathe(profile: &[(f32, f32)], depth: f32) -> Mesh {
    let points: Vec<Vec2> = profile.iter().map(|&(radius, y)| Vec2::new(radius, y)).collect();
    Mesh::lathe(&points, 14).transformed(Affine3A::from_scale(Vec3::new(1.0, 1.0, depth)))
}

fn add_body(model: &mut Model, woman: bool, outfit: &Outfit) {
    let bottom = Surface::matte(linear(outfit.bottom.1));
    let wide = if woman { 0.175 } else { 0.235 };
    let waist = if woman { 0.145 } else { 0.205 };
    let torso = |more: f32| {
        flat_lathe(
            &[
                (0.0, -0.06),
                (waist + more, -0.06),
                (waist + more, 0.12),
                (wide + more, 0.34),
                (0.78 * wide + more, 0.45),
                (0.09, 0.50),
                (0.0, 0.50),
            ],
            0.78,
        )
    };
    let skirt = |top: f32, low: f32, y: f32| {
        flat_lathe(
            &[(0.0, y), (low, y), (0.92 * low, y + 0.1), (0.5 * (low + top), 0.5 * y), (top, 0.05)],
            0.92,
        )
    };
    match outfit.bottom.0 {
        Bottom::Dress => {
            model.add(PELVIS, &skirt(waist + 0.02, 0.315, -0.40), Affine3A::IDENTITY, bottom);
        }
        Bottom::Trousers => {
            let hips = flat_lathe(
                &[(0.0, -0.13), (0.12, -0.12), (waist + 0.015, 0.0), (waist, 0.08)],
                0.80,
            );
            model.add(PELVIS, &hips, Affine3A::IDENTITY, bottom);
        }
    }
    match outfit.top {
        None => model.add(TORSO, &torso(0.0), Affine3A::IDENTITY, bottom),
        Some((top, colour)) => {
            let cloth = Surface::matte(linear(colour));
            let more = if top == Top::TShirt { 0.0 } else { 0.015 };
            model.add(TORSO, &torso(more), Affine3A::IDENTITY, cloth);
            if top == Top::Coat {
                let coat = skirt(waist + 0.03, if woman { 0.30 } else { 0.315 }, -0.29);
                model.add(PELVIS, &coat, Affine3A::IDENTITY, cloth);
            }
            if top != Top::TShirt {
                let under = Surface::matte(if outfit.bottom.0 == Bottom::Dress {
                    bottom.colour
                } else {
                    super::palette::contrast(cloth.colour)
                });
                let strip = Mesh::rounded_box(Vec3::new(0.075, 0.26, 0.05), 0.02, 1);
                let place = turned(-0.10, 0.0, 0.0, Vec3::new(0.0, 0.32, 0.80 * wide - 0.012));
                model.add(TORSO, &strip, place, under);
            }
        }
    }
    if let Some(colour) = outfit.item(Item::Scarf) {
        let cloth = Surface::matte(linear(colour));
        model.add(TORSO, &Mesh::torus(0.125, 0.062, 12, 6), at(0.0, 0.47, 0.01), cloth);
        let tail = Mesh::rounded_box(Vec3::new(0.11, 0.30, 0.05), 0.025, 1);
        let place = turned(-0.10, 0.0, 0.12, Vec3::new(0.07, 0.31, 0.82 * wide + 0.012));
        model.add(TORSO, &tail, place, cloth);
    }
    if let Some(colour) = outfit.item(Item::Bag) {
        let leather = Surface::glossy(linear(colour), 0.2);
        let x = waist + 0.14;
        let bag = Mesh::rounded_box(Vec3::new(0.12, 0.21, 0.27), 0.04, 1);
        model.add(PELVIS, &bag, at(-x, -0.05, 0.02), leather);
        let strap = Mesh::cuboid(Vec3::new(0.03, 0.62, 0.03));
        let place = turned(0.0, 0.0, -0.55, Vec3::new(-0.02, 0.20, 0.80 * wide + 0.005));
        model.add(TORSO, &strap, place, leather);
    }
}

fn add_arms(model: &mut Model, woman: bool, outfit: &Outfit) {
    let skin = Surface::matte(SKIN);
    let sleeve = match outfit.top {
        Some((_, colour)) => Surface::matte(linear(colour)),
        None => Surface::matte(linear(outfit.bottom.1)),
    };
    let long = matches!(outfit.top, Some((Top::Jacket | Top::Coat, _)));
    let radius = if woman { 0.058 } else { 0.07 };
    let radius = if long { radius + 0.012 } else { radius };
    for side in 0..2 {
        let half = Mesh::capsule(radius, ARM_HALF, 8);
        let place = at(0.0, -0.5 * ARM_HALF, 0.0);
        model.add(UPPER_ARM[side], &half, place, sleeve);
        let lower = if long { sleeve } else { skin };
        let fore = Mesh::capsule(if long { radius } else { 0.85 * radius }, ARM_HALF, 8);
        model.add(FOREARM[side], &fore, place, lower);
        let hand = Mesh::sphere(0.072, 8);
        model.add(FOREARM[side], &hand, at(0.0, -ARM_HALF - 0.03, 0.0), skin);
    }
}

fn add_legs(model: &mut Model, woman: bool, outfit: &Outfit) {
    let cloth = match outfit.bottom.0 {
        Bottom::Trousers => Surface::matte(linear(outfit.bottom.1)),
        Bottom::Dress => Surface::matte(SKIN),
    };
    let (footwear, colour) = outfit.footwear;
    let leather = Surface::glossy(linear(colour), 0.15);
    let radius = match (outfit.bottom.0, woman) {
        (Bottom::Dress, _) => 0.062,
        (Bottom::Trousers, true) => 0.082,
        (Bottom::Trousers, false) => 0.098,
    };
    for side in 0..2 {
        let place = at(0.0, -0.5 * LEG_HALF, 0.0);
        let half = Mesh::capsule(radius, LEG_HALF, 8);
        model.add(THIGH[side], &half, place, cloth);
        let boots = footwear == Footwear::Boots;
        let shin = if boots { Mesh::capsule(0.092, 0.8 * LEG_HALF, 8) } else { half };
        let shin_place = if boots { at(0.0, -0.55 * LEG_HALF, 0.0) } else { place };
        model.add(SHIN[side], &shin, shin_place, if boots { leather } else { cloth });
        let foot = Mesh::sphere(1.0, 10);
        let size =
            if boots { Vec3::new(0.095, 0.085, 0.165) } else { Vec3::new(0.088, 0.072, 0.155) };
        model.add(FOOT[side], &foot, scaled(size, Vec3::new(0.0, size.y * 0.9, 0.045)), leather);
    }
}

fn add_head(model: &mut Model, woman: bool, outfit: &Outfit, expression: Expression) {
    let skin = Surface::matte(SKIN);
    let r = HEAD_RADIUS;
    let middle = Vec3::new(0.0, 0.245, 0.0);
    model.add(HEAD, &Mesh::sphere(1.0, 16), scaled(Vec3::new(r, 0.96 * r, 0.95 * r), middle), skin);
    let ear = Mesh::sphere(0.055, 8);
    for side in SIDES {
        if !woman {
            model.add(HEAD, &ear, at(side * r, middle.y - 0.03, 0.0), skin);
        }
    }
    let glasses = outfit.item(Item::Sunglasses).is_some();
    add_face(model, HEAD, &Face { middle, woman, glasses, expression });
    add_hair(model, woman, outfit, middle);
    let ball = Mesh::sphere(1.0, 8);
    if let Some(colour) = outfit.item(Item::Sunglasses) {
        let glass = Surface::glossy(linear(colour), 0.6);
        for side in SIDES {
            let place = Vec3::new(side * 0.108, middle.y, 0.235);
            model.add(HEAD, &ball, scaled(Vec3::new(0.092, 0.075, 0.035), place), glass);
        }
        let bar = Mesh::cuboid(Vec3::new(0.48, 0.025, 0.05));
        model.add(HEAD, &bar, at(0.0, middle.y + 0.015, 0.20), glass);
    }
    if let Some(colour) = outfit.item(Item::Hat) {
        let felt = Surface::matte(linear(colour));
        let profile = [
            (0.0, 0.0),
            (0.40, 0.0),
            (0.41, 0.025),
            (0.285, 0.055),
            (0.255, 0.20),
            (0.17, 0.245),
            (0.0, 0.255),
        ];
        model.add(
            HEAD,
            &flat_lathe(&profile, 1.0),
            turned(-0.12, 0.0, 0.0, middle + Vec3::new(0.0, 0.125, -0.015)),
            felt,
        );
    }
}

fn add_hair(model: &mut Model, woman: bool, outfit: &Outfit, middle: Vec3) {
    let mut hair = linear(outfit.hair.colour());
    // The yellow of the palette is too clean for hair.
    if outfit.hair == Hair::Blond {
        hair = Vec3::new(0.85, 0.55, 0.14);
    }
    let hair = Surface::glossy(hair, 0.12);
    let r = HEAD_RADIUS;
    // A bowl, open to the lower front, tipped back.
    let bowl = |low: f32| {
        let profile: Vec<Vec2> = (0..=6)
            .map(|step| {
                let angle = low + (FRAC_PI_2 - low) * step as f32 / 6.0;
                let rim = Vec2::from_angle(angle) * 1.10 * r;
                if step == 6 { Vec2::new(0.0, rim.y) } else { rim }
            })
            .collect();
        Mesh::lathe(&profile, 16)
    };
    let tip = if woman { -0.62 } else { -0.42 };
    model.add(
        HEAD,
        &bowl(0.02),
        turned(tip, 0.0, 0.0, middle + Vec3::new(0.0, 0.02, -0.012)),
        hair,
    );
    let ball = Mesh::sphere(1.0, 10);
    if woman {
        let back = Vec3::new(0.0, middle.y - 0.16, -0.125);
        model.add(HEAD, &ball, scaled(Vec3::new(0.265, 0.36, 0.17), back), hair);
        for side in SIDES {
            let lock = Mesh::capsule(0.062, 0.24, 8);
            let place =
                turned(0.0, 0.0, side * 0.08, Vec3::new(side * 0.252, middle.y - 0.10, 0.035));
            model.add(HEAD, &lock, place, hair);
        }
        // A fringe parted to one side.
        let fringe = Mesh::capsule(0.055, 0.20, 8);
        for side in SIDES {
            let place = turned(
                0.35,
                0.0,
                side * (FRAC_PI_2 - 0.5),
                Vec3::new(side * 0.105, middle.y + 0.145, 0.185),
            );
            model.add(HEAD, &fringe, place, hair);
        }
    } else {
        let back = Vec3::new(0.0, middle.y + 0.02, -0.06);
        model.add(HEAD, &ball, scaled(Vec3::new(0.285, 0.25, 0.25), back), hair);
        let tuft = Mesh::capsule(0.06, 0.22, 8);
        let place = turned(0.2, 0.0, FRAC_PI_2 - 0.15, Vec3::new(0.02, middle.y + 0.195, 0.165));
        model.add(HEAD, &tuft, place, hair);
    }
}

fn add_astronaut(model: &mut Model, colour: Vec3, expression: Expression) {
    let suit = Surface::glossy(colour, 0.08);
    let mark = Surface::matte(contrast(colour));
    let grey = Surface::glossy(Vec3::splat(0.32), 0.3);
    let torso = flat_lathe(
        &[(0.0, -0.10), (0.22, -0.08), (0.245, 0.12), (0.265, 0.34), (0.20, 0.46), (0.0, 0.51)],
        0.85,
    );
    model.add(TORSO, &torso, Affine3A::IDENTITY, suit);
    let hips = flat_lathe(&[(0.0, -0.16), (0.16, -0.15), (0.23, 0.0), (0.22, 0.08)], 0.88);
    model.add(PELVIS, &hips, Affine3A::IDENTITY, suit);
    let belt = Mesh::torus(0.215, 0.035, 14, 5)
        .transformed(Affine3A::from_scale(Vec3::new(1.0, 1.0, 0.88)));
    model.add(PELVIS, &belt, at(0.0, 0.04, 0.0), mark);
    let pack = Mesh::rounded_box(Vec3::new(0.40, 0.46, 0.20), 0.06, 2);
    model.add(TORSO, &pack, at(0.0, 0.24, -0.28), grey);
    let panel = Mesh::rounded_box(Vec3::new(0.20, 0.13, 0.06), 0.02, 1);
    model.add(TORSO, &panel, at(0.0, 0.25, 0.205), grey);
    for (x, light) in [(-0.05, Vec3::new(0.9, 0.1, 0.06)), (0.05, Vec3::new(0.1, 0.7, 0.9))] {
        model.add(TORSO, &Mesh::sphere(0.022, 6), at(x, 0.26, 0.235), Surface::glowing(light, 0.8));
    }
    for side in 0..2 {
        let arm = Mesh::capsule(0.095, ARM_HALF, 10);
        let place = at(0.0, -0.5 * ARM_HALF, 0.0);
        model.add(UPPER_ARM[side], &arm, place, suit);
        model.add(FOREARM[side], &arm, place, suit);
        model.add(FOREARM[side], &Mesh::sphere(0.098, 8), at(0.0, -ARM_HALF - 0.04, 0.0), grey);
        model.add(UPPER_ARM[side], &Mesh::torus(0.085, 0.03, 10, 5), at(0.0, -0.1, 0.0), mark);
        let leg = Mesh::capsule(0.115, LEG_HALF, 10);
        let place = at(0.0, -0.5 * LEG_HALF, 0.0);
        model.add(THIGH[side], &leg, place, suit);
        model.add(SHIN[side], &leg, place, suit);
        model.add(SHIN[side], &Mesh::torus(0.105, 0.03, 10, 5), at(0.0, -0.03, 0.0), mark);
        let boot = Mesh::sphere(1.0, 10);
        let size = Vec3::new(0.125, 0.10, 0.19);
        model.add(FOOT[side], &boot, scaled(size, Vec3::new(0.0, 0.085, 0.045)), grey);
    }
    // The face looks out of an open visor.
    let r = HEAD_RADIUS;
    let middle = Vec3::new(0.0, 0.245, 0.0);
    let skin = Surface::matte(SKIN);
    model.add(HEAD, &Mesh::sphere(1.0, 16), scaled(Vec3::new(r, 0.96 * r, 0.95 * r), middle), skin);
    add_face(model, HEAD, &Face { middle, woman: false, glasses: false, expression });
    let shell: Vec<Vec2> = (0..=7)
        .map(|step| {
            let angle = -0.34 + (FRAC_PI_2 + 0.34) * step as f32 / 7.0;
            let rim = Vec2::from_angle(angle) * 1.30 * r;
            if step == 7 { Vec2::new(0.0, rim.y) } else { rim }
        })
        .collect();
    // A bowl whose opening looks forward.
    let tip = turned(-FRAC_PI_2, 0.0, 0.0, middle + Vec3::new(0.0, 0.015, -0.005));
    model.add(HEAD, &Mesh::lathe(&shell, 20), tip, Surface::glossy(colour, 0.3));
    let rim = turned(-FRAC_PI_2, 0.0, 0.0, middle + Vec3::new(0.0, 0.015, 0.115));
    model.add(HEAD, &Mesh::torus(1.24 * r, 0.04, 20, 6), rim, mark);
    let collar = Mesh::torus(0.17, 0.055, 14, 6);
    model.add(TORSO, &collar, at(0.0, 0.49, 0.0), grey);
}

fn add_robot(model: &mut Model, colour: Vec3, material: Material, expression: Expression) {
    let gloss = if material == Material::Metal { 0.9 } else { 0.35 };
    let paint = Surface::glossy(colour, gloss);
    let steel = Surface::glossy(Vec3::splat(0.30), 0.6);
    let dark = Surface::glossy(INK, 0.4);
    let torso = Mesh::rounded_box(Vec3::new(0.50, 0.48, 0.36), 0.07, 2);
    model.add(TORSO, &torso, at(0.0, 0.20, 0.0), paint);
    let plate = Mesh::rounded_box(Vec3::new(0.32, 0.22, 0.05), 0.03, 1);
    model.add(TORSO, &plate, at(0.0, 0.22, 0.175), steel);
    let lights =
        [Vec3::new(0.9, 0.12, 0.06), Vec3::new(0.95, 0.7, 0.1), Vec3::new(0.15, 0.85, 0.25)];
    for (i, light) in lights.into_iter().enumerate() {
        let x = 0.09 * (i as f32 - 1.0);
        model.add(TORSO, &Mesh::sphere(0.034, 8), at(x, 0.24, 0.20), Surface::glowing(light, 0.9));
    }
    let hips = Mesh::rounded_box(Vec3::new(0.36, 0.16, 0.28), 0.05, 1);
    model.add(PELVIS, &hips, at(0.0, -0.05, 0.0), steel);
    model.add(TORSO, &Mesh::cylinder(0.08, 0.12, 10), at(0.0, 0.48, 0.0), steel);
    for side in 0..2 {
        let arm = Mesh::capsule(0.055, ARM_HALF, 8);
        let place = at(0.0, -0.5 * ARM_HALF, 0.0);
        model.add(UPPER_ARM[side], &Mesh::sphere(0.10, 10), at(0.0, 0.0, 0.0), paint);
        model.add(UPPER_ARM[side], &arm, place, steel);
        model.add(FOREARM[side], &Mesh::capsule(0.075, ARM_HALF - 0.06, 8), place, paint);
        model.add(FOREARM[side], &Mesh::sphere(0.085, 8), at(0.0, -ARM_HALF - 0.03, 0.0), dark);
        let leg = Mesh::capsule(0.062, LEG_HALF, 8);
        let place = at(0.0, -0.5 * LEG_HALF, 0.0);
        model.add(THIGH[side], &leg, place, steel);
        model.add(SHIN[side], &Mesh::capsule(0.09, LEG_HALF - 0.05, 8), place, paint);
        let foot = Mesh::rounded_box(Vec3::new(0.19, 0.13, 0.31), 0.05, 1);
        model.add(FOOT[side], &foot, at(0.0, 0.065, 0.045), dark);
    }
    let middle = Vec3::new(0.0, 0.26, 0.0);
    let head = Mesh::rounded_box(Vec3::new(0.58, 0.46, 0.46), 0.10, 2);
    model.add(HEAD, &head, at(middle.x, middle.y, middle.z), paint);
    let screen = Mesh::rounded_box(Vec3::new(0.48, 0.34, 0.06), 0.06, 2);
    model.add(HEAD, &screen, at(0.0, middle.y, 0.215), dark);
    super::face::add_screen_face(model, HEAD, middle, expression);
    model.add(HEAD, &Mesh::cylinder(0.018, 0.18, 6), at(0.0, middle.y + 0.30, 0.0), steel);
    let bulb = Surface::glowing(Vec3::new(0.95, 0.15, 0.08), 0.9);
    model.add(HEAD, &Mesh::sphere(0.05, 8), at(0.0, middle.y + 0.41, 0.0), bulb);
    let lying = turned(0.0, 0.0, FRAC_PI_2, Vec3::new(0.0, middle.y, 0.0));
    model.add(HEAD, &Mesh::cylinder(0.085, 0.66, 10), lying, steel);
}
