//! A hot-air balloon: a striped envelope over a basket.

use glam::{Affine3A, Vec2, Vec3};

use super::model::{Model, at, limb, turned};
use super::palette::{WARM_LIGHT, contrast};
use crate::render::{Mesh, Pattern, Surface};
use crate::timeline::motion::{Moment, sine};

/// From the basket's floor to the top, units.
pub(crate) const HEIGHT: f32 = 2.5;
/// Across, units.
pub(crate) const WIDTH: f32 = 1.62;
const N_BONES: usize = 1;

/// A balloon, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Balloon {
    model: Model,
}

impl Balloon {
    /// A balloon of this colour, lit from within at night.
    pub(crate) fn new(colour: Vec3, night: bool) -> Self {
        let glow = if night { 0.35 } else { 0.0 };
        let cloth = Surface::glowing(colour, glow);
        let stripe = Surface::glowing(contrast(colour), glow);
        let wicker = Surface::matte(Vec3::new(0.36, 0.19, 0.07)).with_pattern(Pattern::Stripes {
            along: Vec3::Y,
            size: 0.05,
            second: Vec3::new(0.22, 0.11, 0.04),
        });
        let rope = Surface::matte(Vec3::new(0.25, 0.18, 0.10));
        let profile = [
            (0.20, 0.62),
            (0.30, 0.74),
            (0.56, 1.02),
            (0.74, 1.36),
            (0.80, 1.68),
            (0.74, 2.02),
            (0.52, 2.32),
            (0.24, 2.47),
            (0.0, 2.5),
        ]
        .map(|(radius, y)| Vec2::new(radius, y));
        let mut model = Model::default();
        model.add(0, &Mesh::lathe(&profile, 24), Affine3A::IDENTITY, cloth);
        // Gores of the second colour lie a little above the first.
        for gore in 0..6_u8 {
            let turn = f32::from(gore) * std::f32::consts::TAU / 6.0;
            model.add(0, &panel(&profile, 0.26), turned(0.0, turn, 0.0, Vec3::ZERO), stripe);
        }
        model.add(0, &Mesh::torus(0.21, 0.035, 16, 6), at(0.0, 0.62, 0.0), stripe);
        let basket = Mesh::frustum(0.19, 0.235, 0.30, 12);
        model.add(0, &basket, at(0.0, 0.15, 0.0), wicker);
        model.add(0, &Mesh::torus(0.235, 0.028, 14, 6), at(0.0, 0.30, 0.0), rope);
        for side in 0..4_u8 {
            let way = Vec2::from_angle((f32::from(side) + 0.5) * std::f32::consts::FRAC_PI_2);
            let from = Vec3::new(0.22 * way.x, 0.30, 0.22 * way.y);
            let to = Vec3::new(0.21 * way.x, 0.64, 0.21 * way.y);
            let length = from.distance(to);
            let mesh = Mesh::cylinder(0.014, length, 5).transformed(at(0.0, -0.5 * length, 0.0));
            model.add(0, &mesh, limb(from, to, length, Vec3::Z), rope);
        }
        let flame = Surface::glowing(WARM_LIGHT, 1.3);
        model.add(0, &Mesh::cone(0.06, 0.16, 8), at(0.0, 0.46, 0.0), flame);
        Self { model }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let sway = 0.035 * sine(0.3 * moment.secs);
        let turn = moment.yaw + 0.25 * sine(0.07 * moment.secs);
        let place = moment.position + Vec3::Y * (0.05 * sine(0.25 * moment.secs));
        [turned(sway, turn, 0.5 * sway, place)]
    }
}

/// A strip of a turned shape, `share` of a sixth of the way round wide.
fn panel(profile: &[Vec2], share: f32) -> Mesh {
    let half = share * std::f32::consts::TAU / 6.0;
    let mut mesh = Mesh::default();
    for (i, point) in profile.iter().enumerate() {
        let before = profile[i.saturating_sub(1)];
        let after = profile[(i + 1).min(profile.len() - 1)];
        let way = after - before;
        let out = Vec2::new(way.y, -way.x).normalize_or(Vec2::Y);
        for step in [-1.0, 0.0, 1.0] {
            let round = Vec2::from_angle(step * half);
            let radius = point.x + 0.012;
            mesh.positions.push(Vec3::new(radius * round.y, point.y + 0.004, radius * round.x));
            mesh.normals.push(Vec3::new(out.x * round.y, out.y, out.x * round.x));
        }
    }
    for row in 0..profile.len() as u32 - 1 {
        for column in 0..2 {
            let a = 3 * row + column;
            mesh.triangles.push([a, a + 1, a + 4]);
            mesh.triangles.push([a, a + 4, a + 3]);
        }
    }
    mesh
}
