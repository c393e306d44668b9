//! A toy sailing boat that rocks on the water.

use glam::{Affine3A, Vec2, Vec3};

use super::model::{Model, at, turned};
use super::palette::{WARM_LIGHT, contrast};
use crate::render::{Mesh, Surface};
use crate::timeline::motion::{Moment, sine};

/// Height of the mast, units.
pub(crate) const HEIGHT: f32 = 2.25;
/// From bow to stern, units.
pub(crate) const LENGTH: f32 = 2.3;
/// Both sides of the bow, where it cuts the water.
pub(crate) const BOW: [Vec3; 2] =
    [Vec3::new(0.16, 0.08, 0.44 * LENGTH), Vec3::new(-0.16, 0.08, 0.44 * LENGTH)];
/// From side to side, units.
pub(crate) const WIDTH: f32 = 0.92;
const N_BONES: usize = 1;

/// A boat, ready to be posed.
#[derive(Clone, Debug)]
pub(crate) struct Boat {
    model: Model,
}

impl Boat {
    /// A boat whose hull has this colour, with a light at night.
    pub(crate) fn new(colour: Vec3, night: bool) -> Self {
        let paint = Surface::glossy(colour, 0.25);
        let wood = Surface::matte(Vec3::new(0.36, 0.19, 0.08));
        let cloth = Surface::matte(Vec3::new(0.90, 0.87, 0.78));
        let mark = Surface::matte(contrast(colour));
        let mut model = Model::default();
        model.add(0, &hull(1.0, 0.42), at(0.0, 0.02, 0.0), paint);
        model.add(0, &hull(1.04, 0.10), at(0.0, 0.42, 0.0), mark);
        model.add(0, &hull(0.90, 0.04), at(0.0, 0.50, 0.0), wood);
        let cabin = Mesh::rounded_box(Vec3::new(0.46, 0.26, 0.55), 0.07, 2);
        model.add(0, &cabin, at(0.0, 0.62, -0.48), paint);
        model.add(0, &Mesh::cylinder(0.04, 1.75, 8), at(0.0, 1.35, 0.06), wood);
        let boom = turned(std::f32::consts::FRAC_PI_2, 0.0, 0.0, Vec3::new(0.0, 0.86, -0.36));
        model.add(0, &Mesh::cylinder(0.028, 0.85, 6), boom, wood);
        let main = sail(&[Vec2::new(0.0, 0.92), Vec2::new(-0.80, 0.92), Vec2::new(0.0, 2.15)]);
        model.add(0, &main, Affine3A::IDENTITY, cloth);
        let jib = sail(&[Vec2::new(0.98, 0.66), Vec2::new(0.14, 0.80), Vec2::new(0.14, 1.95)]);
        model.add(0, &jib, Affine3A::IDENTITY, Surface::matte(colour.lerp(Vec3::splat(0.9), 0.25)));
        let pennant = sail(&[Vec2::new(0.06, 2.25), Vec2::new(0.06, 2.12), Vec2::new(-0.24, 2.18)]);
        model.add(0, &pennant, Affine3A::IDENTITY, paint);
        let glow = if night { 1.4 } else { 0.0 };
        model.add(
            0,
            &Mesh::sphere(0.06, 8),
            at(0.0, 0.80, -0.48),
            Surface::glowing(WARM_LIGHT, glow),
        );
        Self { model }
    }

    /// The coloured meshes on the bones.
    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// The bones at an instant.
    pub(crate) fn bones(&self, moment: &Moment) -> [Affine3A; N_BONES] {
        let swell = sine(0.45 * moment.secs);
        let pitch = 0.045 * sine(0.45 * moment.secs + 0.2);
        let roll = 0.06 * sine(0.33 * moment.secs);
        let place = moment.position + Vec3::Y * (0.03 * swell - 0.10);
        [turned(pitch, moment.yaw, roll, place)]
    }
}

/// A hull, open to no side: pointed at the bow, round at the stern.
fn hull(size: f32, height: f32) -> Mesh {
    const N: usize = 20;
    let outline = |level: f32| {
        (0..N).map(move |i| {
            let way = Vec2::from_angle(std::f32::consts::TAU * i as f32 / N as f32);
            let bow = way.y.max(0.0);
            let narrow = 1.0 - 0.75 * bow * bow * bow;
            let keel = 0.72 + 0.28 * level;
            Vec3::new(
                0.46 * size * way.x * narrow * keel,
                height * level,
                1.15 * size * way.y * keel,
            )
        })
    };
    let mut mesh = Mesh::default();
    let rings: Vec<Vec3> = [0.0, 0.45, 1.0].into_iter().flat_map(outline).collect();
    for (i, point) in rings.iter().enumerate() {
        let out = Vec3::new(point.x * 2.2, 0.25, point.z * 0.6).normalize_or(Vec3::Y);
        mesh.positions.push(*point);
        mesh.normals.push(if i < N { (out - Vec3::Y * 0.6).normalize() } else { out });
    }
    let n = N as u32;
    for ring in 0..2_u32 {
        for i in 0..n {
            let (a, b) = (ring * n + i, ring * n + (i + 1) % n);
            mesh.triangles.push([a, a + n, b]);
            mesh.triangles.push([b, a + n, b + n]);
        }
    }
    // The deck.
    let first = mesh.positions.len() as u32;
    mesh.positions.extend(outline(1.0));
    mesh.normals.extend([Vec3::Y; N]);
    mesh.triangles.extend((1..n - 1).map(|i| [first, first + i + 1, first + i]));
    mesh
}

/// A triangle of (z, y) corners with a belly, seen from both sides.
fn sail(corners: &[Vec2; 3]) -> Mesh {
    const STEPS: usize = 5;
    let mut mesh = Mesh::default();
    for side in [1.0, -1.0] {
        let first = mesh.positions.len() as u32;
        let mut index = Vec::new();
        for i in 0..=STEPS {
            for j in 0..=STEPS - i {
                let (u, v) = (i as f32 / STEPS as f32, j as f32 / STEPS as f32);
                let w = 1.0 - u - v;
                let flat = corners[0] * w + corners[1] * u + corners[2] * v;
                let belly = 0.9 * u * v + 0.7 * v * w + 0.9 * w * u;
                index.push((i, j));
                mesh.positions.push(Vec3::new(0.30 * belly + 0.004 * side, flat.y, flat.x));
                mesh.normals.push(Vec3::new(side, 0.12, 0.25 * (u - w) * side).normalize());
            }
        }
        let id = |i: usize, j: usize| {
            first + index.iter().position(|at| *at == (i, j)).map_or(0, |n| n as u32)
        };
        for i in 0..STEPS {
            for j in 0..STEPS - i {
                let mut faces = vec![[id(i, j), id(i + 1, j), id(i, j + 1)]];
                if i + j + 1 < STEPS {
                    faces.push([id(i + 1, j), id(i + 1, j + 1), id(i, j + 1)]);
                }
                for [a, b, c] in faces {
                    let corner = |i: u32| mesh.positions[i as usize];
                    let across = (corner(b) - corner(a)).cross(corner(c) - corner(a)).x;
                    mesh.triangles.push(if across * side > 0.0 { [a, b, c] } else { [a, c, b] });
                }
            }
        }
    }
    mesh
}
