//! The tabletop: boards, a wall with a window, and things of a desk between which the cast is toy-sized.

use glam::{Vec2, Vec3};

use super::set::{Kind, Set, board};
use super::{Look, Setting, Way};
use crate::figures::model::{at, turned};
use crate::figures::palette::{WARM_LIGHT, linear};
use crate::random::Random;
use crate::render::{Lamp, Mesh, Pattern, Surface};
use crate::vocabulary::{Colour, Ground, Light, Term};

/// Length after which the table repeats, units.
const PERIOD: f32 = 16.0;
/// Where the wall is, units behind the stage.
const WALL: f32 = -5.0;

/// Builds the tabletop.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let night = look.light == Light::Night;
    let wet = look.ground == Ground::Wet;
    let mut base = look.base();
    base.sky.stars = false;
    base.sky.disc = None;
    base.fog_density = 0.0;
    let dim = if night { 0.34 } else { 1.0 };
    let damp = if wet { 0.55 } else { 1.0 };
    let wood = Vec3::new(0.52, 0.27, 0.11) * if night { 0.6 } else { 1.0 } * damp;
    base.ground =
        Surface::matte(wood).with_pattern(Pattern::Planks { width: 0.85, second: wood * 0.72 });
    base.mirror = if wet { 0.55 } else { 0.0 };
    let mut tile = Set::default();
    let wall = random.pick(&[
        Vec3::new(0.58, 0.54, 0.46),
        Vec3::new(0.44, 0.54, 0.56),
        Vec3::new(0.58, 0.47, 0.44),
        Vec3::new(0.50, 0.52, 0.42),
    ]) * dim;
    let paper = Surface::matte(wall);
    tile.add(Kind::Flat, &board(PERIOD, 14.0, 0.2), at(0.0, 7.0, WALL - 0.1), paper);
    let skirting = Surface::matte(wall * 0.55);
    tile.add(Kind::Flat, &board(PERIOD, 0.22, 0.1), at(0.0, 0.11, WALL + 0.05), skirting);
    let mirrored = if random.chance(0.5) { 1.0 } else { -1.0 };
    add_window(&mut tile, mirrored * 1.5, look.light);
    let lamp = Vec3::new(mirrored * -2.5, 0.0, -2.4);
    add_lamp(&mut tile, lamp, night);
    add_cup(&mut tile, Vec3::new(mirrored * 2.7, 0.0, -2.0), random);
    add_books(&mut tile, Vec3::new(mirrored * -6.0, 0.0, -2.9), random);
    add_books(&mut tile, Vec3::new(mirrored * 5.6, 0.0, -3.2), random);
    let strength = if night { 0.75 } else { 0.12 };
    base.lamps.push(Lamp {
        position: lamp + Vec3::new(0.35 * mirrored, 2.1, 0.6),
        colour: WARM_LIGHT * strength,
        reach: 8.0,
    });
    if night {
        base.sun_colour = Vec3::new(0.66, 0.60, 0.54);
        base.ambient_up = Vec3::new(0.17, 0.15, 0.19);
    }
    Setting { base, tile, far: Set::default(), period: PERIOD, way: Way::Across }
}

/// A window whose panes show the light outside.
fn add_window(set: &mut Set, x: f32, light: Light) {
    let night = light == Light::Night;
    let frame = Surface::matte(Vec3::splat(if night { 0.22 } else { 0.82 }));
    set.add(Kind::Flat, &board(2.5, 2.3, 0.12), at(x, 2.9, WALL), frame);
    let sky = match light {
        Light::Day => Surface::glowing(Vec3::new(0.45, 0.70, 0.95), 0.95),
        Light::Night => Surface::glowing(Vec3::new(0.012, 0.020, 0.075), 1.0),
        Light::Sunset => Surface::glowing(Vec3::new(1.0, 0.45, 0.20), 0.95),
        Light::Overcast => Surface::glowing(Vec3::new(0.58, 0.61, 0.65), 0.90),
    };
    for (dx, dy) in [(-0.57, 0.52), (0.57, 0.52), (-0.57, -0.52), (0.57, -0.52)] {
        set.add(Kind::Flat, &board(1.04, 0.94, 0.14), at(x + dx, 2.9 + dy, WALL), sky);
    }
    let disc = if night {
        Surface::glowing(Vec3::new(0.95, 0.93, 0.80), 1.1)
    } else {
        Surface::glowing(Vec3::new(0.98, 0.98, 1.0), 0.95)
    };
    let (radius, place) = if night {
        (0.22, at(x - 0.6, 3.4, WALL + 0.08))
    } else {
        (0.3, at(x + 0.6, 2.4, WALL + 0.08))
    };
    set.add(Kind::Flat, &Mesh::disc(radius, 16), place, disc);
}

fn add_lamp(set: &mut Set, place: Vec3, night: bool) {
    let brass = Surface::glossy(Vec3::new(0.40, 0.27, 0.10), 0.5);
    set.add(Kind::Solid, &Mesh::frustum(0.42, 0.30, 0.12, 14), at(place.x, 0.06, place.z), brass);
    set.add(Kind::Solid, &Mesh::cylinder(0.05, 1.7, 8), at(place.x, 0.9, place.z), brass);
    let shade = if night {
        Surface::glowing(WARM_LIGHT, 1.15)
    } else {
        Surface::matte(Vec3::new(0.86, 0.76, 0.56))
    };
    set.add(Kind::Solid, &Mesh::frustum(0.68, 0.38, 0.75, 16), at(place.x, 1.95, place.z), shade);
}

fn add_cup(set: &mut Set, place: Vec3, random: &mut Random) {
    let glaze = Surface::glossy(
        random.pick(&[
            Vec3::new(0.80, 0.78, 0.72),
            Vec3::new(0.30, 0.48, 0.55),
            Vec3::new(0.62, 0.32, 0.24),
        ]),
        0.4,
    );
    let profile = [
        (0.0, 0.0),
        (0.36, 0.0),
        (0.46, 0.12),
        (0.50, 0.95),
        (0.46, 0.95),
        (0.44, 0.84),
        (0.0, 0.84),
    ]
    .map(|(radius, y)| Vec2::new(radius, y));
    set.add(Kind::Solid, &Mesh::lathe(&profile, 16), at(place.x, 0.0, place.z), glaze);
    let handle = turned(std::f32::consts::FRAC_PI_2, 0.0, 0.0, place + Vec3::new(0.52, 0.5, 0.0));
    set.add(Kind::Solid, &Mesh::torus(0.24, 0.06, 12, 6), handle, glaze);
}

fn add_books(set: &mut Set, place: Vec3, random: &mut Random) {
    let paper = Surface::matte(Vec3::new(0.80, 0.74, 0.60));
    let mut y = 0.0;
    for _ in 0..3 {
        let thick = random.range(0.20, 0.32);
        let turn = random.range(-0.25, 0.25);
        let cover = Surface::matte(linear(random.pick(Colour::ALL)).lerp(Vec3::splat(0.25), 0.45));
        let root = turned(0.0, turn, 0.0, place + Vec3::Y * (y + 0.5 * thick));
        set.add(Kind::Solid, &Mesh::rounded_box(Vec3::new(1.7, thick, 1.2), 0.03, 1), root, cover);
        set.add(Kind::Flat, &board(1.62, 0.7 * thick, 1.22), root * at(0.06, 0.0, 0.0), paper);
        y += thick;
    }
}
