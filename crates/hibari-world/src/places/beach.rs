//! The beach: sand, a sea whose edge comes and goes, palms, sunshades; a boat finds the water in front.

use glam::{Affine3A, Vec2, Vec3};

use super::scatter::{add_clouds, add_rock, beside_the_way};
use super::set::{Kind, Set};
use super::{Look, Setting, Way};
use crate::figures::model::{at, limb, scaled, turned};
use crate::figures::palette::linear;
use crate::random::Random;
use crate::render::{Mesh, Pattern, Surface};
use crate::vocabulary::{Colour, Ground, Light};

/// Length after which the beach repeats, units.
const PERIOD: f32 = 24.0;
/// From the way to the edge of the water, units.
const SHORE: f32 = 2.6;

/// Builds the beach.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let night = look.light == Light::Night;
    let dim = look.dim();
    let mut base = look.base();
    let mut tile = Set::default();
    let mut far = Set::default();
    // Behind the way is the sea, or, for one who is afloat, the land.
    let land = if look.afloat { 5.2 } else { 1.0 };
    let mut plants = Set::default();
    let palms = (land + 0.5, if look.afloat { 1.8 } else { 0.45 });
    beside_the_way(Way::Across, PERIOD, 5, palms, random, &mut |x, z, random| {
        // The middle of the picture stays free.
        let x = if !look.afloat && x.abs() < 2.2 { x + 2.6_f32.copysign(x) } else { x };
        add_palm(&mut plants, x, z, dim, random);
    });
    for (x, z) in [(-7.6, -land - 0.25), (6.4, -land - 0.1)] {
        add_sunshade(&mut plants, x, z, dim, random);
    }
    beside_the_way(Way::Across, PERIOD, 7, (land, 0.9), random, &mut |x, z, random| {
        add_rock(&mut plants, x, z, Vec3::new(0.42, 0.38, 0.34) * dim, random);
    });
    match look.way {
        Way::Across => tile.append(&plants, Affine3A::IDENTITY),
        // Seen along the shore, the land is on the left.
        Way::Along => {
            let left = turned(0.0, std::f32::consts::FRAC_PI_2, 0.0, Vec3::ZERO);
            tile.append(&plants, if look.afloat { left } else { at(-0.6, 0.0, 0.0) * left });
        }
    }
    let (along, offset) = match (look.way, look.afloat) {
        (Way::Across, false) => (Vec2::X, -SHORE),
        (Way::Across, true) => (Vec2::NEG_X, 4.8),
        (Way::Along, false) => (Vec2::Y, -SHORE),
        (Way::Along, true) => (Vec2::Y, 4.8),
    };
    let damp = if look.ground == Ground::Wet { 0.62 } else { 1.0 };
    let deep = match look.light {
        Light::Day => Vec3::new(0.03, 0.32, 0.46),
        Light::Sunset => Vec3::new(0.16, 0.20, 0.34),
        Light::Overcast => Vec3::new(0.10, 0.22, 0.28),
        Light::Night => Vec3::new(0.012, 0.045, 0.10),
    };
    base.ground = Surface::glossy(Vec3::new(0.74, 0.56, 0.34) * dim * damp, 0.05).with_pattern(
        Pattern::Shore {
            along,
            offset,
            water: deep,
            foam: Vec3::new(0.92, 0.96, 0.98) * if night { 0.5 } else { 1.0 },
            secs: 0.0,
        },
    );
    base.mirror = if look.ground == Ground::Wet { 0.5 } else { 0.0 };
    if look.afloat {
        base.mirror = base.mirror.max(0.30);
    }
    let island = Surface::matte(Vec3::new(0.12, 0.28, 0.16) * dim);
    for (x, z, width, height) in [(-20.0, -44.0, 9.0, 3.0), (17.0, -46.0, 6.0, 2.2)] {
        let pose = scaled(Vec3::new(width, height, 3.0), Vec3::new(x, -0.2, z));
        far.add(Kind::Flat, &Mesh::sphere(1.0, 14), pose, island);
    }
    add_clouds(&mut far, look.light, random);
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

fn add_palm(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let bark = Surface::matte(Vec3::new(0.30, 0.19, 0.10) * dim);
    let lean = random.range(-0.8, 0.8);
    let height = random.range(2.6, 3.4);
    let point = |s: f32| Vec3::new(x + lean * s * s, height * s, z);
    for step in 0..4_u8 {
        let [from, to] = [f32::from(step), f32::from(step) + 1.0].map(|s| point(s / 4.0));
        let length = from.distance(to);
        let radius = 0.15 - 0.015 * f32::from(step);
        let mesh = Mesh::capsule(radius, length, 8).transformed(at(0.0, -0.5 * length, 0.0));
        set.add(Kind::Solid, &mesh, limb(from, to, length, Vec3::Z), bark);
    }
    let crown = point(1.0);
    let leaf = Surface::matte(Vec3::new(0.09, 0.36, 0.09) * dim);
    let young = Surface::matte(Vec3::new(0.16, 0.44, 0.10) * dim);
    for frond in 0..8_u8 {
        let way = Vec2::from_angle(f32::from(frond) * std::f32::consts::TAU / 8.0 + 0.2);
        let out = Vec3::new(way.x, 0.0, way.y);
        let (middle, tip) =
            (crown + out * 0.55 + Vec3::Y * 0.16, crown + out * 1.12 - Vec3::Y * 0.28);
        let surface = if frond % 2 == 0 { leaf } else { young };
        for (from, to, wide) in [(crown, middle, 0.15), (middle, tip, 0.11)] {
            let length = from.distance(to);
            let blade = Mesh::sphere(1.0, 8).transformed(
                at(0.0, -0.5 * length, 0.0)
                    * Affine3A::from_scale(Vec3::new(wide, 0.62 * length, 0.045)),
            );
            set.add(Kind::Solid, &blade, limb(from, to, length, Vec3::Y), surface);
        }
    }
    let nut = Surface::matte(Vec3::new(0.24, 0.13, 0.06) * dim);
    for dx in [-0.10, 0.09] {
        set.add(
            Kind::Flat,
            &Mesh::sphere(0.10, 8),
            at(crown.x + dx, crown.y - 0.10, z + 0.12),
            nut,
        );
    }
}

fn add_sunshade(set: &mut Set, x: f32, z: f32, dim: f32, random: &mut Random) {
    let cloth =
        linear(random.pick(&[Colour::Red, Colour::Blue, Colour::Yellow, Colour::Pink])) * dim;
    let pole = Surface::matte(Vec3::splat(0.75) * dim);
    let lean = turned(0.0, 0.0, 0.12, Vec3::new(x, 0.0, z));
    set.add(Kind::Solid, &Mesh::cylinder(0.035, 1.7, 6), lean * at(0.0, 0.85, 0.0), pole);
    let roof = Mesh::cone(1.0, 0.42, 16);
    set.add(Kind::Solid, &roof, lean * at(0.0, 1.72, 0.0), Surface::matte(cloth));
    let towel = Mesh::rounded_box(Vec3::new(0.62, 0.03, 1.3), 0.01, 1);
    let stripe = Surface::matte(cloth.lerp(Vec3::splat(0.9) * dim, 0.4));
    set.add(Kind::Flat, &towel, at(x + 0.9, 0.02, z + 0.2), stripe);
}
