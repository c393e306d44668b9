//! Light on surfaces, patterns on them, the sky and the fog: colours of points, linear RGB.

use glam::{Vec2, Vec3A};

use super::scene::{Pattern, Scene};

/// The light of a scene, as the shading uses it.
pub(crate) struct Light {
    sun: Vec3A,
    sun_colour: Vec3A,
    ambient_up: Vec3A,
    ambient_down: Vec3A,
    zenith: Vec3A,
    horizon: Vec3A,
    stars: bool,
    disc: Option<(Vec3A, Vec3A, f32)>,
    fog_colour: Vec3A,
    fog_density: f32,
    /// Position, colour, 1 / reach squared.
    lamps: Vec<(Vec3A, Vec3A, f32)>,
}

/// A point of a surface as it is to be shaded.
pub(crate) struct Point {
    /// In the world.
    pub(crate) position: Vec3A,
    /// Unit normal.
    pub(crate) normal: Vec3A,
    /// Unit direction to the eye.
    pub(crate) to_eye: Vec3A,
    /// Distance from the eye, metres.
    pub(crate) distance: f32,
    /// Share of the sun that reaches it.
    pub(crate) sunlit: f32,
    /// Share of the ambient light that reaches it.
    pub(crate) open: f32,
}

/// What a surface is made of, at a point.
pub(crate) struct Paint {
    pub(crate) colour: Vec3A,
    pub(crate) gloss: f32,
    pub(crate) glow: f32,
}

impl Light {
    pub(crate) fn new(scene: &Scene) -> Self {
        Self {
            sun: scene.sun.into(),
            sun_colour: scene.sun_colour.into(),
            ambient_up: scene.ambient_up.into(),
            ambient_down: scene.ambient_down.into(),
            zenith: scene.sky.zenith.into(),
            horizon: scene.sky.horizon.into(),
            stars: scene.sky.stars,
            disc: scene
                .sky
                .disc
                .map(|disc| (disc.direction.into(), disc.colour.into(), disc.radius)),
            fog_colour: scene.fog_colour.into(),
            fog_density: scene.fog_density,
            lamps: scene
                .lamps
                .iter()
                .map(|lamp| {
                    (lamp.position.into(), lamp.colour.into(), 1.0 / (lamp.reach * lamp.reach))
                })
                .collect(),
        }
    }

    /// The colour of a lit surface, before fog. `lamps` has a bit for each of the first 32 lamps that may reach it.
    #[inline(always)]
    pub(crate) fn surface(&self, paint: &Paint, point: &Point, lamps: u32) -> Vec3A {
        let Point { normal, to_eye, .. } = *point;
        let toward = normal.dot(self.sun);
        // Light wraps a little round the edge, as on wax and skin; it keeps shapes soft.
        let wrapped = ((toward + 0.25) / 1.25).max(0.0);
        let upward = 0.5 + 0.5 * normal.y;
        let ambient = self.ambient_down + (self.ambient_up - self.ambient_down) * upward;
        let mut light = ambient * point.open + self.sun_colour * (wrapped * point.sunlit);
        let mut rest = lamps;
        while rest != 0 {
            let (position, colour, scale) = self.lamps[rest.trailing_zeros() as usize];
            rest &= rest - 1;
            let way = position - point.position;
            let square = way.length_squared();
            let fade = 1.0 - square * scale;
            if fade > 0.0 {
                let facing = 0.3 + 0.7 * normal.dot(way) / (square + 1e-4).sqrt();
                light += colour * (fade * fade * facing.max(0.0));
            }
        }
        let mut colour = paint.colour * light;
        let grazing = 1.0 - normal.dot(to_eye).clamp(0.0, 1.0);
        let rim = grazing * grazing * grazing;
        // A faint rim of sky keeps black things apart from a dark ground.
        colour += self.ambient_up * (0.12 * rim * upward);
        if paint.gloss > 0.0 {
            let half = (self.sun + to_eye).normalize_or_zero();
            let highlight = power_32(normal.dot(half).max(0.0)) * point.sunlit;
            let mirrored = normal * (2.0 * normal.dot(to_eye)) - to_eye;
            let sky = self.ambient_down
                + (self.ambient_up - self.ambient_down) * smooth(mirrored.y * 1.5 + 0.3);
            // Metals tint what they mirror.
            let tint = Vec3A::ONE + (paint.colour - Vec3A::ONE) * (0.7 * paint.gloss);
            let share = paint.gloss * (0.18 + 0.5 * rim);
            colour += tint * (self.sun_colour * (1.2 * paint.gloss * highlight) + sky * share);
        }
        if paint.glow > 0.0 {
            colour = colour * (1.0 - paint.glow.min(1.0)) + paint.colour * paint.glow;
        }
        colour
    }

    /// What a clear surface shows of what is `behind` it.
    #[inline(always)]
    pub(crate) fn clear(
        &self,
        colour: Vec3A,
        share: f32,
        point: &Point,
        lit: Vec3A,
        behind: Vec3A,
    ) -> Vec3A {
        let facing = point.normal.dot(point.to_eye).clamp(0.0, 1.0);
        let rim = (1.0 - facing) * (1.0 - facing);
        let solid = 1.0 - share * (1.0 - 0.75 * rim);
        let tint = Vec3A::ONE + (colour - Vec3A::ONE) * 0.62;
        let half = (self.sun + point.to_eye).normalize_or_zero();
        let highlight = power_32(point.normal.dot(half).max(0.0));
        let shine = self.ambient_up * (0.30 * rim + 0.05) + self.sun_colour * (0.9 * highlight);
        lit * solid + behind * tint * (1.0 - solid) + shine
    }

    /// All lamps, as bits.
    pub(crate) fn all_lamps(&self) -> u32 {
        self.lamps_near(Vec3A::ZERO, f32::INFINITY)
    }

    /// The lamps whose light may reach into a ball, as bits.
    pub(crate) fn lamps_near(&self, centre: Vec3A, radius: f32) -> u32 {
        let mut bits = 0;
        for (i, (position, _, scale)) in self.lamps.iter().take(32).enumerate() {
            let reach = radius + 1.0 / scale.sqrt();
            if (*position - centre).length_squared() < reach * reach {
                bits |= 1 << i;
            }
        }
        bits
    }

    /// What is left of a colour at a distance.
    #[inline(always)]
    pub(crate) fn fogged(&self, colour: Vec3A, distance: f32) -> Vec3A {
        // 1 - exp(-t^2), so that what is near stays clear; the exponential's first terms are close enough, and have
        // the same bits everywhere.
        let t = self.fog_density * distance;
        let t = t * t;
        let fog = 1.0 - 1.0 / (1.0 + t * (1.0 + t * (0.5 + t * 0.2)));
        colour + (self.fog_colour - colour) * fog
    }

    /// The sky in a unit direction; `focal` is in pixels. Second: how much of it blooms.
    #[inline(always)]
    pub(crate) fn sky(&self, direction: Vec3A, focal: f32) -> (Vec3A, f32) {
        let height = direction.y.clamp(0.0, 1.0);
        let mut colour =
            self.horizon + (self.zenith - self.horizon) * (height * (2.0 - height)).sqrt();
        let mut bloom = 0.0;
        if self.stars && direction.y > 0.02 {
            colour += Vec3A::splat(star(direction) * smooth(direction.y * 6.0));
        }
        if let Some((toward, disc, radius)) = self.disc {
            let off = (direction - toward).length();
            let cover = ((radius - off) * focal + 0.5).clamp(0.0, 1.0);
            let halo = 0.22 / (1.0 + (off * off) / (4.0 * radius * radius));
            colour += (disc - colour) * (cover + (1.0 - cover) * halo * halo * 4.0);
            bloom = cover;
        }
        (colour, bloom)
    }
}

/// The paint of a pattern at `at`; `detail` is the size of a pixel there, metres: finer detail is left out.
#[inline(always)]
pub(crate) fn pattern(pattern: &Pattern, colour: Vec3A, at: Vec3A, detail: f32) -> Vec3A {
    let plane = Vec2::new(at.x, at.z);
    let mix = |second: glam::Vec3, part: f32| colour + (Vec3A::from(second) - colour) * part;
    let keep = |size: f32| smooth(1.5 - 1.5 * detail / size);
    match *pattern {
        Pattern::Plain => colour,
        Pattern::Checks { size, second } => {
            let wave = |x: f32| edge(triangle(x / size), size, detail);
            let odd = wave(at.x) * wave(at.y + 0.5 * size) * wave(at.z);
            mix(second, 0.5 + 0.5 * odd * keep(size))
        }
        Pattern::Stripes { along, size, second } => {
            let wave = edge(triangle(at.dot(along.into()) / size), size, detail);
            mix(second, 0.5 + 0.5 * wave * keep(size))
        }
        Pattern::Planks { width, second } => {
            let board = (at.z / width).floor();
            let across = at.z / width - board;
            let shade = hash(board, 7.0);
            let grain = noise(Vec2::new(at.x * 0.7 + 31.0 * shade, at.z * 9.0 / width));
            let near = keep(0.5 * width);
            let joint = (1.0
                - (across.min(1.0 - across) * width / (0.02 * width + 0.7 * detail)).min(1.0))
                * near;
            mix(second, 0.5 + near * (0.6 * (shade - 0.5) + 0.5 * (grain - 0.5)))
                * (1.0 - 0.45 * joint)
        }
        Pattern::Mottled { size, second } => mix(second, mottle(plane, size, keep(size))),
        Pattern::Street { along, half_width, pavement } => {
            let (x, z) = (plane.dot(along), plane.dot(along.perp()));
            let side = z.abs() - half_width;
            let spread = 0.5 / detail.max(1e-3);
            let paved = (side * spread + 0.5).clamp(0.0, 1.0);
            let road = || {
                let dash = (triangle(x / 1.5) * 1.5 * spread + 0.5).clamp(0.0, 1.0);
                let line = ((0.07 - z.abs()) * spread + 0.5).clamp(0.0, 1.0) * dash;
                let rough = 1.0 + 0.16 * (noise(plane * 1.7) - 0.5);
                colour * rough + (Vec3A::splat(0.75) - colour) * (0.6 * line)
            };
            let tiles = || {
                let kerb = (1.0 - (side - 0.1).abs() / (0.1 + detail)).clamp(0.0, 1.0);
                let joint = |x: f32| {
                    let part = x / 0.9 - (x / 0.9).floor();
                    1.0 - (part.min(1.0 - part) * 0.9 / (0.03 + 0.7 * detail)).min(1.0)
                };
                let joint = joint(x).max(joint(z - half_width)) * keep(0.5);
                Vec3A::from(pavement) * (1.0 - 0.22 * joint + 0.25 * kerb)
            };
            between(road, tiles, paved)
        }
        Pattern::Shore { along, offset, water, foam, secs } => {
            let (x, y) = (plane.dot(along), plane.dot(along.perp()) - offset);
            let tide = 0.22 * triangle(0.19 * secs) + 0.5 * (noise(Vec2::new(0.35 * x, 3.0)) - 0.5);
            let level = y - tide;
            let spread = 0.5 / detail.max(0.03);
            let dry = (level * spread + 0.5).clamp(0.0, 1.0);
            let sand = || {
                let wet = smooth(1.0 - (level - 0.05) / 0.7);
                let spots = mottle(plane, 0.9, keep(0.9));
                colour * ((0.90 + 0.20 * spots) * (1.0 - 0.38 * wet))
            };
            let sea = || {
                let deep = smooth(-level / 6.0);
                let drift = Vec2::new(0.55 * x + 0.25 * secs, 1.9 * y - 0.5 * secs);
                let swell = noise(drift) * 0.6 + 0.4 * noise(drift * 2.3 + Vec2::splat(0.3 * secs));
                let body =
                    Vec3A::from(water) * (1.25 - 0.5 * deep) * (0.80 + 0.4 * swell * keep(0.8));
                let crest = smooth((swell - 0.66) * 7.0) * keep(0.5) * 0.55;
                let edge = smooth(1.0 - (level + 0.16).abs() / 0.20);
                let second =
                    smooth(1.0 - (level + 1.0 + 0.25 * triangle(0.19 * secs + 0.7)).abs() / 0.12)
                        * 0.6;
                let white = crest.max(edge).max(second);
                body + (Vec3A::from(foam) - body) * white
            };
            between(sea, sand, dry)
        }
        Pattern::Craters { size, second } => {
            let base = mix(second, mottle(plane, 0.5 * size, keep(0.5 * size)));
            let craters = |size: f32, seed: f32| {
                let cell = Vec2::new((plane.x / size).floor(), (plane.y / size).floor());
                let chance = hash(cell.x + seed, cell.y);
                let radius = (0.16 + 0.24 * chance) * size;
                let free = size - 2.2 * radius;
                let middle = (cell * size)
                    + Vec2::splat(1.1 * radius)
                    + Vec2::new(hash(cell.x, cell.y + 9.0 + seed), hash(cell.x + 31.0, cell.y))
                        * free.max(0.0);
                let off = plane - middle;
                let far = off.length() / radius;
                if far > 1.1 || chance < 0.3 {
                    return 1.0;
                }
                // The wall away from the sun is lit.
                let side = off.x / radius;
                let bowl = 1.0 - 0.30 * smooth(1.5 - 1.5 * far) + 0.22 * side * smooth(far);
                let rim = 0.20 * smooth(1.0 - (far - 0.95).abs() / 0.13);
                1.0 + (bowl + rim - 1.0) * keep(0.6 * radius)
            };
            base * (craters(size, 0.0) * craters(0.37 * size, 77.0))
        }
        Pattern::Path { along, offset, half_width, second } => {
            let way = plane.dot(along.perp()) - offset;
            let sway = 0.25 * half_width * (noise(plane * 0.6) - 0.5);
            let spread = 0.5 / detail.max(0.03);
            let part = ((half_width + sway - way.abs()) * spread + 0.5).clamp(0.0, 1.0);
            let grass = || colour * (0.86 + 0.28 * mottle(plane, 0.8, keep(0.8)));
            let path = || Vec3A::from(second) * (0.93 + 0.14 * noise(plane * 2.0));
            between(grass, path, part)
        }
    }
}

/// A blend of two colours, of which only those are computed that show.
#[inline(always)]
fn between(first: impl FnOnce() -> Vec3A, second: impl FnOnce() -> Vec3A, part: f32) -> Vec3A {
    let first = if part < 1.0 { first() } else { Vec3A::ZERO };
    let second = if part > 0.0 { second() } else { Vec3A::ZERO };
    if part <= 0.0 {
        first
    } else if part >= 1.0 {
        second
    } else {
        first.lerp(second, part)
    }
}

/// Two octaves of soft spots, 0..1, faded to their mean by `keep`.
#[inline(always)]
fn mottle(plane: Vec2, size: f32, keep: f32) -> f32 {
    let spots = 0.6 * noise(plane / size) + 0.4 * noise(plane * (2.7 / size));
    0.5 + (spots - 0.5) * keep
}

/// A wave of period 2 between -1 and 1, made of straight lines.
#[inline(always)]
fn triangle(x: f32) -> f32 {
    let part = 0.5 * x - (0.5 * x).floor();
    1.0 - 4.0 * (part - 0.5).abs()
}

/// A triangle wave made steep, so that its flanks are as wide as a pixel.
#[inline(always)]
fn edge(wave: f32, size: f32, detail: f32) -> f32 {
    (wave * size / (2.0 * detail).max(0.02 * size)).clamp(-1.0, 1.0)
}

/// 0 below 0, 1 above 1, smooth between.
#[inline(always)]
pub(crate) fn smooth(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

#[inline(always)]
fn power_32(x: f32) -> f32 {
    let x = x * x;
    let x = x * x;
    let x = x * x;
    let x = x * x;
    x * x
}

/// A number in 0..1 that belongs to a cell of the plane.
#[inline(always)]
fn hash(x: f32, y: f32) -> f32 {
    hash_cell(x as i32, y as i32)
}

#[inline(always)]
const fn hash_cell(x: i32, y: i32) -> f32 {
    let mut bits = x.wrapping_mul(0x2c1b_3c6d) ^ y.wrapping_mul(0x297a_2d39);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0x297a_2d39);
    ((bits ^ (bits >> 16)) & 0xffff) as f32 * (1.0 / 65535.0)
}

/// Side of the tile of random values that the noise repeats; a power of two.
const TILE: usize = 64;

/// The values of the noise at whole positions.
static GRAIN: [f32; TILE * TILE] = {
    let mut values = [0.0; TILE * TILE];
    let mut i = 0;
    while i < values.len() {
        values[i] = hash_cell((i % TILE) as i32, (i / TILE) as i32);
        i += 1;
    }
    values
};

/// Smooth value noise on cells of size 1, 0..1; it repeats after 64 cells.
#[inline(always)]
pub(crate) fn noise(at: Vec2) -> f32 {
    let (x, y) = (at.x.floor(), at.y.floor());
    let part = at - Vec2::new(x, y);
    let weight = part * part * (3.0 - 2.0 * part);
    let (left, top) = (x as i32 as usize % TILE, y as i32 as usize % TILE);
    let (right, bottom) = ((left + 1) % TILE, (top + 1) % TILE);
    let row = |y: usize| {
        let (first, second) = (GRAIN[y * TILE + left], GRAIN[y * TILE + right]);
        first + (second - first) * weight.x
    };
    let (low, high) = (row(top), row(bottom));
    low + (high - low) * weight.y
}

/// Brightness of the stars in a direction: at most one in each cell, a soft spot.
#[inline(always)]
fn star(direction: Vec3A) -> f32 {
    let at = Vec2::new(direction.x, direction.y) * 22.0;
    let cell = Vec2::new(at.x.floor(), at.y.floor());
    let chance = hash(cell.x + if direction.z > 0.0 { 500.0 } else { 0.0 }, cell.y);
    if chance < 0.55 {
        return 0.0;
    }
    let middle = Vec2::new(
        0.25 + 0.5 * hash(cell.x, cell.y + 91.0),
        0.25 + 0.5 * hash(cell.x + 57.0, cell.y),
    );
    let off = (at - cell - middle).length_squared();
    (1.0 - off * 180.0).max(0.0) * (chance - 0.4)
}
