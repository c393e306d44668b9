//! Things: a ball with a stripe that shows how it rolls, a box with a cross of tape; a ball on a rope that swings, a stack
//! of boxes that topples.

use glam::{Affine3A, Mat3A, Vec2, Vec3};

use super::model::{Model, at, limb, turned};
use super::palette::contrast;
use crate::render::{Instance, Mesh, Surface};
use crate::timeline::motion::Moment;
use crate::timeline::physics::PENDULUM;
use crate::timeline::physics::stack::{N_BLOCKS, stack};
use crate::vocabulary::{Action, Material, Size};

/// Diameter of a ball and side of a box of medium size, units.
pub(crate) const HEIGHT: f32 = 0.92;

/// Side of a box of a stack of medium size, units.
pub(crate) const BLOCK: f32 = 0.48;

const N_BONES: usize = 3;
/// Bones of a swinging ball besides its own.
const ROPE: usize = 1;
const FRAME: usize = 2;

/// A thing.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    model: Model,
    side: f32,
    /// What holds a swinging ball; nobody's part.
    frame: Option<Model>,
    /// Whether it rolls.
    round: bool,
}

/// Size of a thing relative to a medium one.
pub(crate) const fn scale(size: Size) -> f32 {
    match size {
        Size::Small => 0.76,
        Size::Medium => 1.0,
        Size::Large => 1.28,
    }
}

fn surface(colour: Vec3, material: Material) -> Surface {
    match material {
        Material::Matte => Surface::glossy(colour, 0.06),
        Material::Metal => Surface::glossy(colour, 0.9),
        Material::Glass => Surface::clear(colour, 0.75),
    }
}

impl Thing {
    /// A ball; `held` makes it smaller.
    pub(crate) fn ball(colour: Vec3, material: Material, size: Size, held: f32) -> Self {
        let side = HEIGHT * scale(size) * held;
        let radius = 0.5 * side;
        let mut model = Model::default();
        model.add(0, &Mesh::sphere(radius, 24), Affine3A::IDENTITY, surface(colour, material));
        // A band around a tilted axis, a little above the surface.
        let band: Vec<Vec2> =
            (-2_i8..=2).map(|i| Vec2::from_angle(f32::from(i) * 0.095) * radius * 1.016).collect();
        let place = turned(0.0, 0.0, 0.45, Vec3::ZERO) * turned(0.55, 0.0, 0.0, Vec3::ZERO);
        model.add(0, &Mesh::lathe(&band, 24), place, surface(contrast(colour), material));
        Self { model, side, frame: None, round: true }
    }

    /// A ball on a rope.
    pub(crate) fn pendulum(colour: Vec3, material: Material, size: Size) -> Self {
        let mut thing = Self::ball(colour, material, size, 1.0);
        let rope = Surface::matte(Vec3::new(0.30, 0.22, 0.12));
        let length = PENDULUM.1 - 0.5 * thing.side;
        let hanging = Mesh::cylinder(0.022, length, 6).transformed(at(0.0, -0.5 * length, 0.0));
        thing.model.add(ROPE, &hanging, Affine3A::IDENTITY, rope);
        let wood = Surface::matte(Vec3::new(0.34, 0.18, 0.08));
        let (top, half) = (pivot_height(thing.side), 0.95 + 0.5 * thing.side);
        let mut frame = Model::default();
        let beam = turned(0.0, 0.0, std::f32::consts::FRAC_PI_2, Vec3::Y * top);
        frame.add(FRAME, &Mesh::cylinder(0.05, 2.0 * half + 0.2, 8), beam, wood);
        for x in [-half, half] {
            for z in [-0.42, 0.42] {
                let (head, foot) = (Vec3::new(x, top, 0.0), Vec3::new(x, 0.0, z));
                let length = head.distance(foot);
                let post = Mesh::cylinder(0.04, length, 6).transformed(at(0.0, -0.5 * length, 0.0));
                frame.add(FRAME, &post, limb(head, foot, length, Vec3::X), wood);
            }
        }
        thing.frame = Some(frame);
        thing
    }

    /// A stack of boxes that stands until it is pushed.
    pub(crate) fn stack(colour: Vec3, material: Material, size: Size) -> Self {
        let side = BLOCK * scale(size);
        let mut model = Model::default();
        for block in 0..N_BLOCKS {
            // Every other box is a little darker, so that they are told apart.
            let paint = surface(if block % 2 == 1 { colour * 0.72 } else { colour }, material);
            let hull = Mesh::rounded_box(Vec3::splat(0.985 * side), 0.05 * side, 2);
            model.add(block, &hull, Affine3A::IDENTITY, paint);
            let tape = surface(contrast(colour), material);
            let (wide, out) = (0.15 * side, side);
            model.add(block, &Mesh::cuboid(Vec3::new(wide, out, out)), Affine3A::IDENTITY, tape);
        }
        Self { model, side, frame: None, round: false }
    }

    /// A box; `held` makes it smaller.
    pub(crate) fn cube(colour: Vec3, material: Material, size: Size, held: f32) -> Self {
        let side = HEIGHT * scale(size) * held;
        let mut model = Model::default();
        let hull = Mesh::rounded_box(Vec3::splat(side), 0.06 * side, 2);
        model.add(0, &hull, Affine3A::IDENTITY, surface(colour, material));
        let (wide, out) = (0.15 * side, 1.012 * side);
        let tape = surface(contrast(colour), material);
        model.add(0, &Mesh::cuboid(Vec3::new(wide, out, out)), Affine3A::IDENTITY, tape);
        model.add(0, &Mesh::cuboid(Vec3::new(out, out, wide)), Affine3A::IDENTITY, tape);
        Self { model, side, frame: None, round: false }
    }

    /// Adds the thing at an instant.
    pub(crate) fn instances(&self, moment: &Moment, entity: u8, to: &mut Vec<Instance>) {
        let bones = self.bones(moment);
        self.model.instances(&bones, entity, to);
        if let Some(frame) = &self.frame {
            frame.instances(&bones, 0, to);
        }
    }

    /// The bones at an instant.
    fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let half = 0.5 * self.side;
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        match moment.action {
            Action::Swing => {
                // The plane of the swing faces the camera.
                let pivot = moment.position + Vec3::Y * pivot_height(self.side);
                let hanging = turned(0.0, 0.0, moment.tilt, pivot);
                return [
                    hanging * Affine3A::from_translation(Vec3::NEG_Y * PENDULUM.1),
                    hanging,
                    Affine3A::from_translation(moment.position),
                ];
            }
            Action::Topple => return self.fallen_stack(moment, root),
            _ => {}
        }
        let rolls = matches!(moment.action, Action::Roll | Action::Collide) && self.round;
        let bone = match moment.action {
            _ if rolls => root * turned(moment.distance / half, 0.0, 0.0, Vec3::Y * half),
            // Bouncing, a ball turns slowly.
            Action::Bounce => root * turned(0.9 * moment.secs, 0.0, 0.0, Vec3::Y * half),
            _ => {
                // A tilted box stands on its lowest corner.
                let tilt = turned(0.35 * moment.tilt, 0.0, moment.tilt, Vec3::ZERO);
                let Mat3A { x_axis, y_axis, z_axis } = tilt.matrix3;
                let reach = half * (x_axis.y.abs() + y_axis.y.abs() + z_axis.y.abs());
                root * Affine3A::from_translation(Vec3::Y * reach) * tilt
            }
        };
        [bone; N_BONES]
    }

    /// The boxes of a stack whose upper ones are pushed off.
    fn fallen_stack(&self, moment: &Moment, root: Affine3A) -> [Affine3A; N_BONES] {
        stack(self.side, moment.pushed_secs).map(|block| {
            root * turned(block.tilt, 0.0, 0.0, Vec3::new(0.0, block.middle.y, block.middle.x))
        })
    }
}

/// Height of the point that a ball hangs from, units.
pub(crate) fn pivot_height(side: f32) -> f32 {
    PENDULUM.1 + 0.5 * side + 0.16
}
