//! The park: grass with a path, round trees, bushes, benches, lamps, hills.

use glam::{Vec2, Vec3};

use super::set::{Kind, Set, board};
use super::{Look, Setting, Way};
use crate::figures::model::{at, scaled, turned};
use crate::figures::palette::WARM_LIGHT;
use crate::random::Random;
use crate::render::{Lamp, Mesh, Pattern, Surface};
use crate::vocabulary::{Ground, Light};

/// Length after which the park repeats, units.
const PERIOD: f32 = 22.0;

/// Colours of leaves by day.
const LEAVES: [Vec3; 3] =
    [Vec3::new(0.10, 0.33, 0.06), Vec3::new(0.17, 0.42, 0.07), Vec3::new(0.07, 0.27, 0.10)];

/// Builds the park.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let night = look.light == Light::Night;
    let wet = look.ground == Ground::Wet;
    let dim = if night { 0.52 } else { 1.0 };
    let mut tile = Set::default();
    let n_trees: i8 = 9;
    for tree in 0..n_trees {
        // Evenly spread along the way, alternating in distance, so that trees neither hide nor crowd each other.
        let s = (f32::from(tree) + random.range(0.15, 0.85)) / f32::from(n_trees) - 0.5;
        let deep = random.range(0.0, 3.2);
        let (x, z) = match look.way {
            Way::Across => (s * PERIOD, -3.4 - deep),
            Way::Along => ((2.7 + deep) * if tree % 2 == 0 { 1.0 } else { -1.0 }, s * PERIOD),
        };
        add_tree(&mut tile, x, z, dim, random);
    }
    for bush in 0..5_i8 {
        let s = (f32::from(bush) + random.range(0.2, 0.8)) / 5.0 - 0.5;
        let deep = random.range(0.0, 1.0);
        let (x, z) = match look.way {
            Way::Across => (s * PERIOD, -2.4 - deep),
            Way::Along => ((1.9 + deep) * if bush % 2 == 0 { -1.0 } else { 1.0 }, s * PERIOD),
        };
        let leaf = Surface::matte(random.pick(&LEAVES) * dim * 1.15);
        let size = Vec3::new(random.range(0.45, 0.75), random.range(0.35, 0.5), 0.45);
        tile.add(Kind::Solid, &Mesh::sphere(1.0, 8), scaled(size, Vec3::new(x, 0.18, z)), leaf);
    }
    for s in [-5.2, 5.8] {
        let (x, z, turn) = match look.way {
            Way::Across => (s, -1.75, 0.0),
            Way::Along => (-1.75, s, std::f32::consts::FRAC_PI_2),
        };
        add_bench(&mut tile, x, z, turn, dim);
    }
    let mut base = look.base();
    for s in [-2.7, 8.3] {
        let (x, z) = if look.way == Way::Across { (s, -1.9) } else { (1.9, s) };
        let steel = Surface::matte(Vec3::splat(0.05));
        tile.add(Kind::Solid, &Mesh::cylinder(0.045, 2.3, 6), at(x, 1.15, z), steel);
        let light = Surface::glowing(WARM_LIGHT, if night { 1.7 } else { 0.3 });
        tile.add(Kind::Flat, &Mesh::sphere(0.17, 8), at(x, 2.4, z), light);
    }
    let mut far = Set::default();
    for (x, z, width, height) in [
        (-17.0, -36.0, 19.0, 6.5),
        (13.0, -40.0, 24.0, 8.0),
        (36.0, -34.0, 15.0, 5.0),
        (-42.0, -36.0, 16.0, 6.0),
    ] {
        let hill = Surface::matte(Vec3::new(0.12, 0.30, 0.10) * dim);
        far.add(
            Kind::Flat,
            &Mesh::sphere(1.0, 16),
            scaled(Vec3::new(width, height, 6.0), Vec3::new(x, -0.5, z)),
            hill,
        );
    }
    let along = if look.way == Way::Across { Vec2::X } else { Vec2::Y };
    let damp = if wet { 0.6 } else { 1.0 };
    base.ground =
        Surface::matte(Vec3::new(0.15, 0.36, 0.07) * dim * damp).with_pattern(Pattern::Path {
            along,
            offset: 0.0,
            half_width: 1.15,
            second: Vec3::new(0.50, 0.38, 0.24) * dim * damp,
        });
    base.mirror = if wet { 0.5 } else { 0.0 };
    if night {
        let place = if look.way == Way::Across {
            Vec3::new(-2.7, 2.2, -1.5)
        } else {
            Vec3::new(1.7, 2.2, -1.0)
        };
        base.lamps.push(Lamp { position: place, colour: WARM_LIGHT * 0.5, reach: 6.5 });
    }
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

fn add_tree(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let size = random.range(0.85, 1.2);
    let bark = Surface::matte(Vec3::new(0.17, 0.09, 0.045) * dim);
    let trunk = 1.35 * size;
    set.add(Kind::Solid, &Mesh::cylinder(0.15 * size, trunk, 7), at(x, 0.5 * trunk, z), bark);
    let leaf = Surface::matte(random.pick(&LEAVES) * dim);
    let crown = Mesh::sphere(1.0, 12);
    let radius = 1.02 * size;
    let place = Vec3::new(x, trunk + 0.62 * radius, z);
    set.add(Kind::Solid, &crown, scaled(Vec3::new(radius, 0.92 * radius, radius), place), leaf);
    let side = random.range(-0.45, 0.45);
    let top = place + Vec3::new(side, 0.75 * radius, 0.1);
    let bright = Surface::matte(leaf.colour * 1.22);
    set.add(Kind::Solid, &Mesh::sphere(0.62 * radius, 8), at(top.x, top.y, top.z), bright);
}

fn add_bench(set: &mut Set, x: f32, z: f32, turn: f32, dim: f32) {
    let wood = Surface::matte(Vec3::new(0.34, 0.17, 0.07) * dim);
    let steel = Surface::matte(Vec3::splat(0.05));
    let root = turned(0.0, turn, 0.0, Vec3::new(x, 0.0, z));
    set.add(Kind::Solid, &board(1.5, 0.07, 0.44), root * at(0.0, 0.44, 0.0), wood);
    set.add(Kind::Solid, &board(1.5, 0.30, 0.06), root * at(0.0, 0.74, -0.22), wood);
    for side in [-0.62, 0.62] {
        set.add(Kind::Flat, &board(0.07, 0.44, 0.40), root * at(side, 0.22, 0.0), steel);
    }
}
