//! The moon: grey dust with craters under a black sky, the earth, a landing craft and a flag.

use glam::Vec3;

use super::scatter::{add_rock, beside_the_way};
use super::set::{Kind, Set};
use super::{Look, Setting, Way};
use crate::figures::model::{at, limb, scaled, turned};
use crate::random::Random;
use crate::render::{Mesh, Pattern, Surface};
use crate::vocabulary::{Ground, Light};

/// Length after which the ground's things repeat, units.
const PERIOD: f32 = 26.0;

/// Builds the moon.
pub(super) fn build(look: &Look, random: &mut Random) -> Setting {
    let mut base = look.base();
    base.sky.zenith = Vec3::new(0.002, 0.003, 0.010);
    base.sky.horizon = match look.light {
        Light::Sunset => Vec3::new(0.12, 0.05, 0.03),
        _ => Vec3::new(0.012, 0.013, 0.028),
    };
    base.sky.stars = true;
    base.sky.disc = None;
    base.fog_density = 0.0;
    base.fog_colour = base.sky.horizon;
    let (sun, ambient) = match look.light {
        Light::Day => (Vec3::new(1.02, 1.0, 0.96), 0.62),
        Light::Sunset => (Vec3::new(1.0, 0.60, 0.34), 0.75),
        Light::Overcast => (Vec3::splat(0.42), 0.80),
        Light::Night => (Vec3::new(0.30, 0.36, 0.50), 1.0),
    };
    base.sun_colour = sun;
    base.ambient_up *= ambient;
    base.ambient_down *= ambient;
    let dim = look.dim();
    let dust = Vec3::new(0.40, 0.40, 0.42) * dim;
    let mut tile = Set::default();
    beside_the_way(look.way, PERIOD, 16, (1.6, 4.5), random, &mut |x, z, random| {
        add_rock(&mut tile, x, z, dust * 0.85, random);
    });
    let (lander, flag) = match look.way {
        Way::Across => (Vec3::new(4.1, 0.0, -3.3), Vec3::new(-3.5, 0.0, -2.0)),
        Way::Along => (Vec3::new(-3.6, 0.0, -4.5), Vec3::new(2.3, 0.0, -3.0)),
    };
    add_lander(&mut tile, lander, dim);
    add_flag(&mut tile, flag, dim);
    let mut far = Set::default();
    for (x, z, width, height) in
        [(-26.0, -40.0, 15.0, 4.5), (-2.0, -46.0, 13.0, 3.2), (22.0, -40.0, 18.0, 5.5)]
    {
        let pose = scaled(Vec3::new(width, height, 5.0), Vec3::new(x, -0.4, z));
        far.add(Kind::Flat, &Mesh::sphere(1.0, 14), pose, Surface::matte(dust * 0.8));
    }
    add_earth(&mut far);
    let wet = look.ground == Ground::Wet;
    base.ground = Surface::matte(dust * if wet { 0.6 } else { 1.0 })
        .with_pattern(Pattern::Craters { size: 2.6, second: dust * if wet { 0.5 } else { 0.82 } });
    base.mirror = if wet { 0.5 } else { 0.0 };
    Setting { base, tile, far, period: PERIOD, way: look.way }
}

fn add_lander(set: &mut Set, place: Vec3, dim: f32) {
    let foil = Surface::glossy(Vec3::new(0.80, 0.52, 0.12) * dim, 0.7);
    let steel = Surface::glossy(Vec3::splat(0.55) * dim, 0.5);
    let hull = Mesh::frustum(0.95, 0.85, 0.7, 8);
    set.add(Kind::Solid, &hull, at(place.x, 0.95, place.z), foil);
    let cabin = Mesh::rounded_box(Vec3::new(1.15, 0.85, 1.0), 0.25, 2);
    set.add(Kind::Solid, &cabin, at(place.x, 1.70, place.z), steel);
    let pane = Surface::glossy(Vec3::new(0.03, 0.05, 0.08), 0.7);
    for x in [-0.24, 0.24] {
        set.add(Kind::Flat, &Mesh::sphere(0.15, 10), at(place.x + x, 1.78, place.z + 0.44), pane);
    }
    for (x, z) in [(-1.0, 0.9), (1.0, 0.9), (-1.0, -0.9), (1.0, -0.9)] {
        let (hip, foot) =
            (place + Vec3::new(0.7 * x, 0.9, 0.7 * z), place + Vec3::new(1.25 * x, 0.05, 1.1 * z));
        let length = hip.distance(foot);
        let strut = Mesh::cylinder(0.05, length, 6).transformed(at(0.0, -0.5 * length, 0.0));
        set.add(Kind::Solid, &strut, limb(hip, foot, length, Vec3::Z), steel);
        set.add(Kind::Solid, &Mesh::cylinder(0.22, 0.07, 10), at(foot.x, 0.04, foot.z), foil);
    }
    let dish = turned(-0.6, 0.3, 0.0, place + Vec3::new(0.5, 2.35, 0.1));
    set.add(Kind::Flat, &Mesh::frustum(0.08, 0.34, 0.14, 14), dish, steel);
}

fn add_flag(set: &mut Set, place: Vec3, dim: f32) {
    let pole = Surface::glossy(Vec3::splat(0.7) * dim, 0.4);
    set.add(Kind::Solid, &Mesh::cylinder(0.03, 1.8, 6), at(place.x, 0.9, place.z), pole);
    let cloth = Mesh::rounded_box(Vec3::new(0.85, 0.50, 0.03), 0.01, 1);
    let red = Surface::matte(Vec3::new(0.72, 0.05, 0.06) * dim);
    set.add(Kind::Solid, &cloth, at(place.x + 0.45, 1.52, place.z), red);
    let disc = Mesh::disc(0.14, 14);
    let white = Surface::matte(Vec3::splat(0.92) * dim);
    set.add(Kind::Flat, &disc, at(place.x + 0.45, 1.52, place.z + 0.02), white);
}

/// The earth: oceans, land and cloud, lit.
fn add_earth(far: &mut Set) {
    let middle = Vec3::new(-12.5, 11.0, -44.0);
    let radius = 3.1;
    let ball = Mesh::sphere(1.0, 20);
    let sea = Surface::glowing(Vec3::new(0.05, 0.22, 0.72), 0.85);
    far.add(Kind::Flat, &ball, scaled(Vec3::splat(radius), middle), sea);
    let land = Surface::glowing(Vec3::new(0.12, 0.45, 0.14), 0.8);
    let cloud = Surface::glowing(Vec3::splat(0.95), 0.8);
    let spots = [
        (land, -0.35, 0.35, 0.55, 0.38),
        (land, 0.30, -0.25, 0.40, 0.50),
        (land, -0.30, -0.50, 0.26, 0.22),
        (cloud, 0.25, 0.45, 0.50, 0.12),
        (cloud, -0.40, -0.08, 0.45, 0.10),
        (cloud, 0.15, -0.68, 0.40, 0.10),
    ];
    for (surface, x, y, width, height) in spots {
        let z = (1.0_f32 - x * x - y * y).max(0.0).sqrt();
        let place = middle + Vec3::new(x, y, z) * (radius * 0.97);
        let size = Vec3::new(width, height, 0.16) * radius;
        let pose = turned(-0.9 * y, 0.9 * x, 0.0, place) * glam::Affine3A::from_scale(size);
        far.add(Kind::Flat, &Mesh::sphere(1.0, 10), pose, surface);
    }
}
