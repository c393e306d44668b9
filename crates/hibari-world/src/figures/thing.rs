//! Things: a ball with a stripe that shows how it rolls, a box with a cross of tape.

use glam::{Affine3A, Mat3A, Vec2, Vec3};

use super::model::{Model, turned};
use super::palette::contrast;
use crate::render::{Mesh, Surface};
use crate::timeline::motion::Moment;
use crate::vocabulary::{Action, Material, Size};

/// Diameter of a ball and side of a box of medium size, units.
pub(crate) const HEIGHT: f32 = 0.92;

/// A thing of one rigid piece.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    model: Model,
    side: f32,
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
    }
}

impl Thing {
    /// A ball.
    pub(crate) fn ball(colour: Vec3, material: Material, size: Size) -> Self {
        let side = HEIGHT * scale(size);
        let radius = 0.5 * side;
        let mut model = Model::default();
        model.add(0, &Mesh::sphere(radius, 24), Affine3A::IDENTITY, surface(colour, material));
        // A band around a tilted axis, a little above the surface.
        let band: Vec<Vec2> =
            (-2_i8..=2).map(|i| Vec2::from_angle(f32::from(i) * 0.095) * radius * 1.016).collect();
        let place = turned(0.0, 0.0, 0.45, Vec3::ZERO) * turned(0.55, 0.0, 0.0, Vec3::ZERO);
        model.add(0, &Mesh::lathe(&band, 24), place, surface(contrast(colour), material));
        Self { model, side }
    }

    /// A box.
    pub(crate) fn cube(colour: Vec3, material: Material, size: Size) -> Self {
        let side = HEIGHT * scale(size);
        let mut model = Model::default();
        let hull = Mesh::rounded_box(Vec3::splat(side), 0.06 * side, 2);
        model.add(0, &hull, Affine3A::IDENTITY, surface(colour, material));
        let (wide, out) = (0.15 * side, 1.012 * side);
        let tape = surface(contrast(colour), material);
        model.add(0, &Mesh::cuboid(Vec3::new(wide, out, out)), Affine3A::IDENTITY, tape);
        model.add(0, &Mesh::cuboid(Vec3::new(out, out, wide)), Affine3A::IDENTITY, tape);
        Self { model, side }
    }

    /// The coloured meshes on the one bone.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bone at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; 1] {
        let half = 0.5 * self.side;
        let root = turned(0.0, moment.yaw, 0.0, moment.position);
        let bone = match moment.action {
            Action::Roll => root * turned(moment.distance / half, 0.0, 0.0, Vec3::Y * half),
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
        [bone]
    }
}
