//! The neon street: house fronts with lit windows, shops, and signs that pulse slowly.

use glam::{Vec2, Vec3};

use super::set::{Kind, Set, board};
use super::{Look, Setting, Way};
use crate::figures::model::{at, turned};
use crate::figures::palette::{GLASS, WARM_LIGHT};
use crate::random::Random;
use crate::render::{Lamp, Mesh, Pattern, Surface};
use crate::vocabulary::{Ground, Light};

/// Length after which the street repeats, units.
const PERIOD: f32 = 20.0;
/// From the centre line to the house fronts, units.
const FRONT: f32 = 4.2;
/// From the centre line to the kerb, units.
const KERB: f32 = 2.3;

/// Colours of neon.
const NEON: [Vec3; 7] = [
    Vec3::new(1.0, 0.10, 0.45),
    Vec3::new(0.05, 0.75, 1.0),
    Vec3::new(1.0, 0.42, 0.04),
    Vec3::new(0.18, 1.0, 0.30),
    Vec3::new(0.60, 0.18, 1.0),
    Vec3::new(1.0, 0.82, 0.12),
    Vec3::new(1.0, 0.12, 0.10),
];

/// Colours of walls by day.
const WALLS: [Vec3; 4] = [
    Vec3::new(0.46, 0.40, 0.36),
    Vec3::new(0.34, 0.38, 0.45),
    Vec3::new(0.52, 0.44, 0.34),
    Vec3::new(0.40, 0.34, 0.40),
];

/// Builds the street.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let night = look.light == Light::Night;
    // Signs shine brighter the duller the light is.
    let dusk_glow = match look.light {
        Light::Day => 0.42,
        Light::Overcast => 0.75,
        Light::Sunset | Light::Night => 1.05,
    };
    let mut tile = Set::default();
    match look.way {
        Way::Across => front(&mut tile, night, dusk_glow, random),
        Way::Along => {
            let mut sides = [Set::default(), Set::default()];
            for side in &mut sides {
                front(side, night, dusk_glow, random);
            }
            // Both fronts look at the road, which leads away from the camera.
            let quarter = std::f32::consts::FRAC_PI_2;
            let [left, right] = sides;
            tile.append(&left, turned(0.0, quarter, 0.0, Vec3::ZERO));
            tile.append(&right, turned(0.0, -quarter, 0.0, Vec3::ZERO));
        }
    }
    let along = match look.way {
        Way::Across => Vec2::X,
        Way::Along => Vec2::Y,
    };
    let wet = look.ground == Ground::Wet;
    let shade = match (night, wet) {
        (false, false) => 0.21,
        (false, true) => 0.12,
        (true, false) => 0.10,
        (true, true) => 0.045,
    };
    let mut base = look.base();
    base.ground =
        Surface::matte(Vec3::new(shade, shade, 1.08 * shade)).with_pattern(Pattern::Street {
            along,
            half_width: KERB,
            pavement: Vec3::splat(1.9 * shade),
        });
    base.mirror = if wet { 0.62 } else { 0.0 };
    if night {
        base.fog_colour = Vec3::new(0.055, 0.028, 0.085);
        base.sky.horizon = Vec3::new(0.075, 0.035, 0.115);
        base.fog_density = 0.025;
        let mut lamp = |x: f32, z: f32, colour: Vec3| {
            base.lamps.push(Lamp { position: Vec3::new(x, 2.3, z), colour, reach: 6.5 });
        };
        let colours = [NEON[random.below(3)], NEON[1 + random.below(4)], WARM_LIGHT];
        match look.way {
            Way::Across => {
                lamp(-2.8, -2.6, colours[0] * 0.42);
                lamp(2.8, -2.6, colours[1] * 0.42);
            }
            Way::Along => {
                lamp(-2.9, -1.5, colours[0] * 0.42);
                lamp(2.9, -1.5, colours[1] * 0.42);
            }
        }
        lamp(0.0, 1.5, colours[2] * 0.16);
    }
    Setting { base, tile, far: Set::default(), period: PERIOD, way: look.way }
}

/// One row of houses of [`PERIOD`] units along x, whose fronts look towards z.
fn front(set: &mut Set, night: bool, dusk_glow: f32, random: &mut Random) {
    let mut x = -0.5 * PERIOD;
    while x < 0.5 * PERIOD - 0.01 {
        let left = 0.5 * PERIOD - x;
        let width = if left < 5.2 { left.min(4.0).max(left - 2.4) } else { random.range(2.6, 4.0) };
        house(set, x + 0.5 * width, width, night, dusk_glow, random);
        x += width;
    }
    let steel = Surface::matte(Vec3::splat(if night { 0.06 } else { 0.22 }));
    let light = Surface::glowing(WARM_LIGHT, if night { 1.5 } else { 0.25 });
    for x in [-7.5, -2.5, 2.5, 7.5] {
        let z = -KERB - 0.25;
        set.add(Kind::Flat, &Mesh::cylinder(0.045, 3.0, 6), at(x, 1.5, z), steel);
        set.add(Kind::Flat, &Mesh::sphere(0.15, 8), at(x, 3.05, z), light);
    }
}

fn house(set: &mut Set, x: f32, width: f32, night: bool, dusk_glow: f32, random: &mut Random) {
    let dim = if night { 0.20 } else { 1.0 };
    let wall = Surface::matte(random.pick(&WALLS) * dim);
    let height = random.range(5.0, 9.5);
    let depth = 2.0;
    set.add(
        Kind::Flat,
        &board(width - 0.04, height, depth),
        at(x, 0.5 * height, -FRONT - 0.5 * depth),
        wall,
    );
    // The shop: a wide window and an awning.
    let inside = if night {
        Surface::glowing(
            random.pick(&[WARM_LIGHT, Vec3::new(1.0, 0.60, 0.25), Vec3::new(0.65, 0.85, 1.0)]),
            0.85,
        )
    } else {
        Surface::glossy(GLASS * 2.2, 0.3)
    };
    let shop = 0.70 * width;
    set.add(Kind::Flat, &board(shop, 1.15, 0.06), at(x, 0.85, -FRONT), inside);
    let frame = Surface::matte(wall.colour * 0.45);
    set.add(Kind::Flat, &board(0.07, 1.2, 0.10), at(x, 0.85, -FRONT), frame);
    set.add(Kind::Flat, &board(width - 0.1, 0.26, 0.10), at(x, 0.13, -FRONT), frame);
    let awning = Surface::matte(
        random.pick(&NEON).lerp(Vec3::splat(0.4), 0.35) * if night { 0.3 } else { 0.7 },
    );
    set.add(
        Kind::Flat,
        &board(shop + 0.3, 0.07, 0.7),
        turned(0.35, 0.0, 0.0, Vec3::new(x, 1.55, -FRONT + 0.3)),
        awning,
    );
    windows(set, x, width, height, night, random);
    // Signs: one over the shop, most houses have one that stands out over the pavement.
    let glow = if night { 1.45 } else { dusk_glow };
    let sign = |set: &mut Set, size: Vec3, place: Vec3, random: &mut Random| {
        let colour = random.pick(&NEON);
        let phase = random.pick(&[0.0, 0.33, 0.66]);
        let glowing = Surface::glowing(colour, glow);
        set.add(
            Kind::Pulsing(phase),
            &board(size.x, size.y, size.z),
            at(place.x, place.y, place.z),
            glowing,
        );
        // Letters: pale or dark blocks.
        let ink = if random.chance(0.6) {
            Surface::glowing(colour.lerp(Vec3::ONE, 0.75), glow)
        } else {
            Surface::matte(colour * 0.06)
        };
        let upright = size.y > size.x;
        let n: i8 = if upright { 4 } else { 5 };
        for letter in 0..n {
            let s = (f32::from(letter) + 0.5) / f32::from(n) - 0.5;
            let (dx, dy) = if upright { (0.0, s * size.y) } else { (s * size.x * 0.9, 0.0) };
            let side = 0.5 * size.x.min(size.y);
            let (w, h) = (side * random.range(0.6, 1.1), side * random.range(0.6, 1.1));
            // What stands out over the pavement is read from both sides.
            let (letter, z) = if upright {
                (board(w, h, size.z + 0.03), place.z)
            } else {
                (Mesh::rectangle(w, h), place.z + 0.5 * size.z + 0.015)
            };
            set.add(Kind::Flat, &letter, at(place.x + dx, place.y + dy, z), ink);
        }
    };
    let over = Vec3::new(shop * random.range(0.7, 1.0), 0.42, 0.12);
    sign(set, over, Vec3::new(x, 1.98, -FRONT + 0.08), random);
    if random.chance(0.8) {
        let side = if random.chance(0.5) { 1.0 } else { -1.0 };
        let place =
            Vec3::new(x + side * (0.5 * width - 0.38), random.range(2.9, 3.5), -FRONT + 0.35);
        sign(set, Vec3::new(0.46, random.range(1.5, 2.1), 0.16), place, random);
    }
    if random.chance(0.45) {
        // A ring of neon.
        let ring = Surface::glowing(random.pick(&NEON), glow);
        let place =
            turned(std::f32::consts::FRAC_PI_2, 0.0, 0.0, Vec3::new(x, 2.85, -FRONT + 0.06));
        set.add(Kind::Pulsing(0.5), &Mesh::torus(0.36, 0.055, 12, 5), place, ring);
    }
}

fn windows(set: &mut Set, x: f32, width: f32, height: f32, night: bool, random: &mut Random) {
    let pane = Mesh::rectangle(0.48, 0.62);
    let columns: &[f32] = if width > 3.4 { &[-1.05, -0.35, 0.35, 1.05] } else { &[-0.8, 0.0, 0.8] };
    let mut y = 2.75;
    while y < height - 0.6 && y < 6.4 {
        for column in columns {
            let lit = night && random.chance(0.55);
            let surface = match (night, lit) {
                (true, true) => {
                    Surface::glowing(random.pick(&[WARM_LIGHT, Vec3::new(0.95, 0.62, 0.30)]), 0.62)
                }
                (true, false) => Surface::matte(GLASS * 0.4),
                (false, _) => Surface::glossy(GLASS * 1.8, 0.4),
            };
            set.add(Kind::Flat, &pane, at(x + column, y, -FRONT + 0.012), surface);
        }
        y += 1.05;
    }
}
