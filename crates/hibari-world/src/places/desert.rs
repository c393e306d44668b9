//! The desert: sand with a road, cacti, rocks, dunes and table mountains.

use glam::{Vec2, Vec3};

use super::scatter::{add_clouds, add_rock, beside_the_way};
use super::set::{Kind, Set};
use super::{Look, Setting, Way};
use crate::figures::model::{at, scaled, turned};
use crate::random::Random;
use crate::render::{Mesh, Pattern, Surface};
use crate::vocabulary::Ground;

/// Length after which the desert repeats, units.
const PERIOD: f32 = 24.0;

/// Builds the desert.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let dim = look.dim();
    let mut base = look.base();
    let mut tile = Set::default();
    beside_the_way(look.way, PERIOD, 8, (2.1, 3.4), random, &mut |x, z, random| {
        add_cactus(&mut tile, x, z, dim, random);
    });
    beside_the_way(look.way, PERIOD, 9, (1.7, 2.2), random, &mut |x, z, random| {
        add_rock(&mut tile, x, z, Vec3::new(0.46, 0.24, 0.13) * dim, random);
    });
    let mut far = Set::default();
    let sand = Vec3::new(0.78, 0.48, 0.21) * dim;
    for (x, z, width, height) in
        [(-22.0, -30.0, 17.0, 3.4), (4.0, -34.0, 20.0, 4.2), (28.0, -30.0, 16.0, 3.2)]
    {
        let dune = scaled(Vec3::new(width, height, 5.0), Vec3::new(x, -0.6, z));
        far.add(Kind::Flat, &Mesh::sphere(1.0, 16), dune, Surface::matte(sand * 0.94));
    }
    for (x, width, height) in [(-17.0, 5.2, 8.0), (14.0, 7.0, 9.5), (26.0, 3.4, 6.5)] {
        let red = Vec3::new(0.56, 0.22, 0.11) * dim;
        let mesa = Mesh::frustum(1.25 * width, width, height, 9);
        far.add(Kind::Flat, &mesa, at(x, 0.5 * height, -44.0), Surface::matte(red));
        let band = Mesh::frustum(1.12 * width, 1.08 * width, 0.12 * height, 9);
        far.add(Kind::Flat, &band, at(x, 0.58 * height, -43.7), Surface::matte(red * 1.35));
    }
    add_clouds(&mut far, look.light, random);
    let along = if look.way == Way::Across { Vec2::X } else { Vec2::Y };
    let damp = if look.ground == Ground::Wet { 0.62 } else { 1.0 };
    base.ground = Surface::matte(sand * damp).with_pattern(Pattern::Path {
        along,
        offset: 0.0,
        half_width: 1.25,
        second: Vec3::new(0.20, 0.18, 0.17) * dim * damp,
    });
    base.mirror = if look.ground == Ground::Wet { 0.5 } else { 0.0 };
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

/// A trunk with two bent arms.
fn add_cactus(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let size = random.range(0.7, 1.25);
    let green = Surface::matte(Vec3::new(0.10, 0.30, 0.12) * dim).with_pattern(Pattern::Plain);
    let height = 1.6 * size;
    let trunk = Mesh::capsule(0.19 * size, height, 10);
    set.add(Kind::Solid, &trunk, at(x, 0.5 * height, z), green);
    let turn = random.range(-0.5, 0.5);
    for (side, y, up) in [(1.0, 0.55, 0.55), (-1.0, 0.80, 0.42)] {
        let root = turned(0.0, turn, 0.0, Vec3::new(x, 0.0, z));
        let level = turned(
            0.0,
            0.0,
            std::f32::consts::FRAC_PI_2,
            Vec3::new(side * 0.24 * size, y * size, 0.0),
        );
        set.add(Kind::Solid, &Mesh::capsule(0.105 * size, 0.34 * size, 8), root * level, green);
        let rise = at(side * 0.42 * size, (y + 0.5 * up) * size, 0.0);
        set.add(Kind::Solid, &Mesh::capsule(0.105 * size, up * size, 8), root * rise, green);
    }
    let flower = Surface::matte(Vec3::new(0.85, 0.18, 0.32) * dim);
    set.add(Kind::Flat, &Mesh::sphere(0.075 * size, 6), at(x, height + 0.19 * size, z), flower);
}
