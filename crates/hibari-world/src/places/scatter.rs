//! What several places have in common: where scenery stands beside the way, clouds, rocks.

use glam::{Affine3A, Vec3};

use super::Way;
use super::set::{Kind, Set};
use crate::figures::model::{scaled, turned};
use crate::random::Random;
use crate::render::{Mesh, Surface};
use crate::vocabulary::Light;

/// Calls `put(x, z)` for `n` places beside the way on a stretch of `period` units: spread evenly along it, from `near` to
/// `near + deep` units off, behind the way, or on both of its sides.
pub(super) fn beside_the_way(
    way: Way,
    period: f32,
    n: u8,
    (near, deep): (f32, f32),
    random: &mut Random,
    put: &mut dyn FnMut(f32, f32, &mut Random),
) {
    for i in 0..n {
        let s = (f32::from(i) + random.range(0.1, 0.9)) / f32::from(n) - 0.5;
        let off = near + random.range(0.0, deep);
        let side = if i % 2 == 0 { 1.0 } else { -1.0 };
        match way {
            Way::Across => put(s * period, -off, random),
            Way::Along => put(side * off, s * period, random),
        }
    }
}

/// White heaps of balls, far away.
pub(super) fn add_clouds(far: &mut Set, light: Light, random: &mut Random) {
    let colour = match light {
        Light::Day => Vec3::new(0.95, 0.97, 1.0),
        Light::Sunset => Vec3::new(1.0, 0.62, 0.45),
        Light::Overcast | Light::Night => return,
    };
    let puff = Surface::glowing(colour, 0.72);
    for i in 0..5_u8 {
        let x = (f32::from(i) - 2.0) * 15.0 + random.range(-4.0, 4.0);
        let y = random.range(8.5, 15.0);
        let size = random.range(1.3, 2.1);
        for (dx, dy, r) in
            [(-1.6, -0.15, 0.75), (-0.5, 0.25, 1.1), (0.7, 0.05, 0.95), (1.7, -0.2, 0.6)]
        {
            let place = Vec3::new(x + dx * size, y + dy * size, -46.0);
            let radii = Vec3::new(1.25 * r * size, 0.75 * r * size, 0.5);
            far.add(Kind::Flat, &Mesh::sphere(1.0, 12), scaled(radii, place), puff);
        }
    }
}

/// A rounded rock.
pub(super) fn add_rock(set: &mut Set, x: f32, z: f32, colour: Vec3, random: &mut Random) {
    let size = random.range(0.18, 0.48);
    let form = Vec3::new(random.range(0.9, 1.4), random.range(0.6, 0.9), 1.0) * size;
    let pose =
        turned(0.0, random.range(0.0, 3.0), random.range(-0.2, 0.2), Vec3::new(x, 0.25 * size, z))
            * Affine3A::from_scale(form);
    let surface = Surface::matte(colour * random.range(0.85, 1.15));
    set.add(Kind::Solid, &Mesh::sphere(1.0, 8), pose, surface);
}
