//! The forest: tall firs close together, ferns, mushrooms, logs, a path between them.

use glam::{Affine3A, Vec2, Vec3};

use super::scatter::beside_the_way;
use super::set::{Kind, Set};
use super::{Look, Setting, Way};
use crate::figures::model::{at, scaled, turned};
use crate::random::Random;
use crate::render::{Mesh, Pattern, Surface};
use crate::vocabulary::{Ground, Light};

/// Length after which the forest repeats, units.
const PERIOD: f32 = 22.0;

/// Builds the forest.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let dim = look.dim();
    let mut base = look.base();
    let mut tile = Set::default();
    for (n, band) in [(9, (2.3, 1.2)), (11, (3.9, 1.6)), (12, (5.9, 2.4))] {
        beside_the_way(look.way, PERIOD, n, band, random, &mut |x, z, random| {
            add_tall_tree(&mut tile, x, z, dim, random);
        });
    }
    beside_the_way(look.way, PERIOD, 12, (1.7, 1.2), random, &mut |x, z, random| {
        add_fern(&mut tile, x, z, dim, random);
    });
    beside_the_way(look.way, PERIOD, 5, (1.5, 0.5), random, &mut |x, z, random| {
        add_mushroom(&mut tile, x, z, dim, random);
    });
    let bark = Surface::matte(Vec3::new(0.20, 0.12, 0.065) * dim);
    for s in [-6.5, 4.4] {
        let (x, z) = if look.way == Way::Across { (s, -1.9) } else { (1.9, s) };
        let lying = turned(0.0, 0.35, std::f32::consts::FRAC_PI_2, Vec3::new(x, 0.2, z));
        tile.add(Kind::Solid, &Mesh::cylinder(0.21, 1.6, 9), lying, bark);
        let moss = lying * at(0.17, 0.1, 0.0) * Affine3A::from_scale(Vec3::new(0.08, 0.5, 0.16));
        tile.add(
            Kind::Flat,
            &Mesh::sphere(1.0, 8),
            moss,
            Surface::matte(Vec3::new(0.14, 0.32, 0.06) * dim),
        );
    }
    // Beyond the last trees it is dark and green.
    let mut far = Set::default();
    let wood = Surface::matte(Vec3::new(0.035, 0.11, 0.055) * dim);
    for (x, z, width, height) in
        [(-24.0, -26.0, 16.0, 11.0), (2.0, -29.0, 20.0, 13.0), (27.0, -26.0, 16.0, 11.0)]
    {
        let pose = scaled(Vec3::new(width, height, 3.0), Vec3::new(x, 0.0, z));
        far.add(Kind::Flat, &Mesh::sphere(1.0, 14), pose, wood);
    }
    let along = if look.way == Way::Across { Vec2::X } else { Vec2::Y };
    let damp = if look.ground == Ground::Wet { 0.6 } else { 1.0 };
    base.ground =
        Surface::matte(Vec3::new(0.10, 0.21, 0.055) * dim * damp).with_pattern(Pattern::Path {
            along,
            offset: 0.0,
            half_width: 1.0,
            second: Vec3::new(0.28, 0.18, 0.095) * dim * damp,
        });
    base.mirror = if look.ground == Ground::Wet { 0.5 } else { 0.0 };
    if look.light != Light::Night {
        // Light falls through leaves.
        base.fog_colour = base.fog_colour.lerp(Vec3::new(0.30, 0.46, 0.30), 0.55);
        base.fog_density = base.fog_density.max(0.034);
    }
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

fn add_tall_tree(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let size = random.range(0.85, 1.25);
    let bark = Surface::matte(
        random.pick(&[
            Vec3::new(0.24, 0.14, 0.08),
            Vec3::new(0.18, 0.11, 0.07),
            Vec3::new(0.30, 0.20, 0.13),
        ]) * dim,
    );
    let trunk = 2.0 * size;
    let mesh = Mesh::frustum(0.22 * size, 0.13 * size, trunk, 8);
    set.add(Kind::Solid, &mesh, at(x, 0.5 * trunk, z), bark);
    let leaf = Surface::matte(
        random.pick(&[
            Vec3::new(0.05, 0.22, 0.07),
            Vec3::new(0.08, 0.28, 0.06),
            Vec3::new(0.04, 0.18, 0.09),
        ]) * dim,
    );
    for (y, radius, height) in [(2.0, 1.10, 1.7), (3.1, 0.88, 1.6), (4.1, 0.62, 1.5)] {
        let cone = Mesh::cone(radius * size, height * size, 9);
        set.add(Kind::Flat, &cone, at(x, y * size, z), leaf);
    }
    let shade = scaled(Vec3::new(0.9, 0.05, 0.9) * size, Vec3::new(x, 1.5 * size, z));
    set.add(Kind::Solid, &Mesh::sphere(1.0, 8), shade, leaf);
}

fn add_fern(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let leaf = Surface::matte(
        random.pick(&[Vec3::new(0.12, 0.36, 0.07), Vec3::new(0.18, 0.42, 0.08)]) * dim,
    );
    let size = random.range(0.75, 1.25);
    for blade in 0..6_u8 {
        let turn = f32::from(blade) * std::f32::consts::TAU / 6.0;
        let pose = turned(0.0, turn, 0.0, Vec3::new(x, 0.0, z))
            * turned(0.75, 0.0, 0.0, Vec3::ZERO)
            * at(0.0, 0.24 * size, 0.0)
            * Affine3A::from_scale(Vec3::new(0.075, 0.30, 0.025) * size);
        set.add(Kind::Flat, &Mesh::sphere(1.0, 6), pose, leaf);
    }
}

fn add_mushroom(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let size = random.range(0.75, 1.2);
    let stalk = Surface::matte(Vec3::new(0.80, 0.74, 0.62) * dim);
    set.add(Kind::Solid, &Mesh::cylinder(0.06 * size, 0.2 * size, 8), at(x, 0.1 * size, z), stalk);
    let cap = scaled(Vec3::new(0.19, 0.13, 0.19) * size, Vec3::new(x, 0.21 * size, z));
    set.add(
        Kind::Solid,
        &Mesh::sphere(1.0, 10),
        cap,
        Surface::matte(Vec3::new(0.72, 0.05, 0.04) * dim),
    );
    for (dx, dy) in [(-0.08, 0.05), (0.04, 0.09), (0.10, 0.03)] {
        let dot = at(x + dx * size, (0.22 + dy) * size, z + 0.15 * size);
        set.add(Kind::Flat, &Mesh::sphere(0.028 * size, 6), dot, stalk);
    }
}
