//! The snowfield: white ground, firs under snow, drifts, a snowman, mountains.

use glam::{Vec2, Vec3};

use super::scatter::{add_clouds, beside_the_way};
use super::set::{Kind, Set};
use super::{Look, Setting, Way};
use crate::figures::model::{at, scaled, turned};
use crate::figures::palette::INK;
use crate::random::Random;
use crate::render::{Mesh, Pattern, Surface};
use crate::vocabulary::{Ground, Light};

/// Length after which the snowfield repeats, units.
const PERIOD: f32 = 24.0;

/// Builds the snowfield.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let dim = look.dim();
    let mut base = look.base();
    let mut tile = Set::default();
    beside_the_way(look.way, PERIOD, 11, (3.1, 4.6), random, &mut |x, z, random| {
        add_fir(&mut tile, x, z, dim, random);
    });
    let snow = Vec3::new(0.86, 0.91, 0.98) * dim;
    beside_the_way(look.way, PERIOD, 8, (1.9, 1.4), random, &mut |x, z, random| {
        let size = Vec3::new(random.range(0.6, 1.3), random.range(0.16, 0.30), 0.55);
        tile.add(
            Kind::Flat,
            &Mesh::sphere(1.0, 10),
            scaled(size, Vec3::new(x, 0.0, z)),
            Surface::matte(snow),
        );
    });
    let (x, z) = if look.way == Way::Across { (-4.6, -1.9) } else { (-1.9, -4.6) };
    add_snowman(&mut tile, x, z, dim);
    let mut far = Set::default();
    let rock = Surface::matte(Vec3::new(0.42, 0.50, 0.66) * dim);
    for (x, z, width, height) in [
        (-26.0, -44.0, 13.0, 12.0),
        (-8.0, -48.0, 11.0, 9.5),
        (10.0, -46.0, 13.0, 13.0),
        (30.0, -44.0, 14.0, 10.0),
    ] {
        far.add(Kind::Flat, &Mesh::cone(width, height, 9), at(x, 0.5 * height, z), rock);
        let cap = Mesh::cone(0.42 * width, 0.42 * height, 9);
        let place = turned(0.0, 0.0, 0.0, Vec3::new(x, 0.795 * height, z + 0.25));
        far.add(Kind::Flat, &cap, place, Surface::matte(snow));
    }
    add_clouds(&mut far, look.light, random);
    let wet = look.ground == Ground::Wet;
    let damp = if wet { Vec3::new(0.62, 0.76, 0.90) } else { Vec3::ONE };
    base.ground = Surface::matte(snow * damp).with_pattern(Pattern::Mottled {
        size: 1.6,
        second: Vec3::new(0.70, 0.80, 0.93) * dim * damp,
    });
    // Ice mirrors.
    base.mirror = if wet { 0.55 } else { 0.0 };
    if look.light == Light::Night {
        base.ground.colour *= 0.55;
        if let Pattern::Mottled { second, .. } = &mut base.ground.pattern {
            *second *= 0.55;
        }
    }
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

/// A fir of three tiers, each under snow.
fn add_fir(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let size = random.range(0.85, 1.35);
    let bark = Surface::matte(Vec3::new(0.20, 0.11, 0.06) * dim);
    set.add(Kind::Solid, &Mesh::cylinder(0.13 * size, 0.7 * size, 7), at(x, 0.35 * size, z), bark);
    let green = Surface::matte(Vec3::new(0.045, 0.20, 0.12) * dim);
    let snow = Surface::matte(Vec3::new(0.86, 0.91, 0.97) * dim);
    for (y, radius, height) in [(1.0, 0.92, 1.05), (1.65, 0.72, 0.95), (2.25, 0.50, 0.90)] {
        set.add(
            Kind::Solid,
            &Mesh::cone(radius * size, height * size, 10),
            at(x, y * size, z),
            green,
        );
        let cap = Mesh::cone(0.74 * radius * size, 0.72 * height * size, 10);
        set.add(Kind::Flat, &cap, at(x, (y + 0.165 * height) * size, z), snow);
    }
}

fn add_snowman(set: &mut Set, x: f32, z: f32, dim: f32) {
    let snow = Surface::matte(Vec3::new(0.90, 0.94, 0.99) * dim);
    for (y, radius) in [(0.38, 0.42), (0.95, 0.31), (1.40, 0.22)] {
        set.add(Kind::Solid, &Mesh::sphere(radius, 12), at(x, y, z), snow);
    }
    let coal = Surface::matte(INK);
    for (dx, y, r) in
        [(-0.08, 1.47, 0.032), (0.08, 1.47, 0.032), (0.0, 1.05, 0.035), (0.0, 0.90, 0.035)]
    {
        let forward = if y > 1.3 { 0.195 } else { 0.29 };
        set.add(Kind::Flat, &Mesh::sphere(r, 6), at(x + dx, y, z + forward), coal);
    }
    let carrot = turned(std::f32::consts::FRAC_PI_2, 0.0, 0.0, Vec3::new(x, 1.40, z + 0.33));
    set.add(
        Kind::Flat,
        &Mesh::cone(0.05, 0.28, 8),
        carrot,
        Surface::matte(Vec3::new(0.9, 0.35, 0.04) * dim),
    );
    let profile = [(0.0, 0.0), (0.26, 0.0), (0.26, 0.04), (0.16, 0.04), (0.15, 0.26), (0.0, 0.26)]
        .map(|(r, y)| Vec2::new(r, y));
    set.add(Kind::Solid, &Mesh::lathe(&profile, 12), at(x, 1.58, z), coal);
}
