//! Light on surfaces, patterns on them, the sky and the fog: colours of points, linear RGB.
//!
//! Points are shaded sixteen at once: their numbers lie side by side, and the loops over them are so plain that the
//! compiler makes vectors of them.

use glam::{Vec2, Vec3, Vec3A};

use super::scene::{Pattern, Scene};

/// So many points are shaded at once.
pub(crate) const LANES: usize = 16;

/// One number of each point.
pub(crate) type Lane = [f32; LANES];

/// A vector, or a colour, of each point.
#[derive(Clone, Copy)]
pub(crate) struct Lanes3 {
    pub(crate) x: Lane,
    pub(crate) y: Lane,
    pub(crate) z: Lane,
}

impl Lanes3 {
    pub(crate) const ZERO: Self = Self { x: [0.0; LANES], y: [0.0; LANES], z: [0.0; LANES] };

    /// The same one everywhere.
    #[inline(always)]
    pub(crate) fn splat(value: Vec3) -> Self {
        Self { x: [value.x; LANES], y: [value.y; LANES], z: [value.z; LANES] }
    }

    /// That of point `i`.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> Vec3 {
        Vec3::new(self.x[i], self.y[i], self.z[i])
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, i: usize, value: Vec3) {
        (self.x[i], self.y[i], self.z[i]) = (value.x, value.y, value.z);
    }
}

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
    fog_colour: Vec3,
    fog_density: f32,
    /// Position, colour, 1 / reach squared.
    lamps: Vec<(Vec3A, Vec3A, f32)>,
}

/// Points of surfaces as they are to be shaded.
pub(crate) struct Points {
    /// In the world.
    pub(crate) position: Lanes3,
    /// Unit normals.
    pub(crate) normal: Lanes3,
    /// Unit directions to the eye.
    pub(crate) to_eye: Lanes3,
    /// Share of the sun that reaches each.
    pub(crate) sunlit: Lane,
    /// Share of the ambient light that reaches each.
    pub(crate) open: Lane,
    /// Lamps that may reach each, a bit for each of the first 32.
    pub(crate) lamps: [u32; LANES],
}

/// What the surfaces are made of, at those points.
pub(crate) struct Paints {
    pub(crate) colour: Lanes3,
    pub(crate) gloss: Lane,
    pub(crate) glow: Lane,
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
            fog_colour: scene.fog_colour,
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

    /// The colours of lit surfaces, before fog.
    #[inline(always)]
    pub(crate) fn surfaces(&self, paints: &Paints, points: &Points) -> Lanes3 {
        let (sun, sun_colour) = (Vec3::from(self.sun), Vec3::from(self.sun_colour));
        let (down, up) = (Vec3::from(self.ambient_down), Vec3::from(self.ambient_up));
        let mut light = Lanes3::ZERO;
        for i in 0..LANES {
            let normal = points.normal.at(i);
            // Light wraps a little round the edge, as on wax and skin; it keeps shapes soft.
            let wrapped = ((normal.dot(sun) + 0.25) / 1.25).max(0.0);
            let upward = 0.5 + 0.5 * normal.y;
            let ambient = down + (up - down) * upward;
            light.set(i, ambient * points.open[i] + sun_colour * (wrapped * points.sunlit[i]));
        }
        self.add_lamps(points, &mut light);
        let mut colour = Lanes3::ZERO;
        for i in 0..LANES {
            let normal = points.normal.at(i);
            let grazing = 1.0 - normal.dot(points.to_eye.at(i)).clamp(0.0, 1.0);
            let rim = grazing * grazing * grazing;
            let upward = 0.5 + 0.5 * normal.y;
            // A faint rim of sky keeps black things apart from a dark ground.
            let lit = paints.colour.at(i) * light.at(i) + up * (0.12 * rim * upward);
            colour.set(i, lit);
        }
        if paints.gloss.iter().any(|&gloss| gloss > 0.0) {
            self.add_gloss(paints, points, &mut colour);
        }
        if paints.glow.iter().any(|&glow| glow > 0.0) {
            for i in 0..LANES {
                let (lit, glow) = (colour.at(i), paints.glow[i]);
                let glowing = lit * (1.0 - glow.min(1.0)) + paints.colour.at(i) * glow;
                colour.set(i, if glow > 0.0 { glowing } else { lit });
            }
        }
        colour
    }

    /// Adds the light of the lamps.
    #[inline(always)]
    fn add_lamps(&self, points: &Points, light: &mut Lanes3) {
        let all = points.lamps.iter().fold(0, |all, lamps| all | lamps);
        for (bit, &(position, colour, scale)) in self.lamps.iter().take(32).enumerate() {
            if all >> bit & 1 == 0 {
                continue;
            }
            let (position, colour) = (Vec3::from(position), Vec3::from(colour));
            for i in 0..LANES {
                let way = position - points.position.at(i);
                let square = way.length_squared();
                let fade = 1.0 - square * scale;
                let facing = 0.3 + 0.7 * points.normal.at(i).dot(way) / (square + 1e-4).sqrt();
                let lit = light.at(i) + colour * (fade * fade * facing.max(0.0));
                let is_reached = fade > 0.0 && points.lamps[i] >> bit & 1 == 1;
                light.set(i, if is_reached { lit } else { light.at(i) });
            }
        }
    }

    /// Adds what glossy surfaces mirror of sun and sky.
    #[inline(always)]
    fn add_gloss(&self, paints: &Paints, points: &Points, colour: &mut Lanes3) {
        let (sun, sun_colour) = (Vec3::from(self.sun), Vec3::from(self.sun_colour));
        let (down, up) = (Vec3::from(self.ambient_down), Vec3::from(self.ambient_up));
        for i in 0..LANES {
            let (normal, to_eye, gloss) =
                (points.normal.at(i), points.to_eye.at(i), paints.gloss[i]);
            let facing = normal.dot(to_eye);
            let grazing = 1.0 - facing.clamp(0.0, 1.0);
            let rim = grazing * grazing * grazing;
            let highlight =
                power_32(normal.dot(unit_or_zero(sun + to_eye)).max(0.0)) * points.sunlit[i];
            let mirrored = normal * (2.0 * facing) - to_eye;
            let sky = down + (up - down) * smooth(mirrored.y * 1.5 + 0.3);
            // Metals tint what they mirror.
            let tint = Vec3::ONE + (paints.colour.at(i) - Vec3::ONE) * (0.7 * gloss);
            let share = gloss * (0.18 + 0.5 * rim);
            let lit = colour.at(i);
            let glossy = lit + tint * (sun_colour * (1.2 * gloss * highlight) + sky * share);
            colour.set(i, if gloss > 0.0 { glossy } else { lit });
        }
    }

    /// What a clear surface shows of what is `behind` it; with its normal and the direction to the eye.
    #[inline(always)]
    pub(crate) fn clear(
        &self,
        colour: Vec3A,
        share: f32,
        [normal, to_eye]: [Vec3A; 2],
        lit: Vec3A,
        behind: Vec3A,
    ) -> Vec3A {
        let facing = normal.dot(to_eye).clamp(0.0, 1.0);
        let rim = (1.0 - facing) * (1.0 - facing);
        let solid = 1.0 - share * (1.0 - 0.75 * rim);
        let tint = Vec3A::ONE + (colour - Vec3A::ONE) * 0.62;
        let half = (self.sun + to_eye).normalize_or_zero();
        let highlight = power_32(normal.dot(half).max(0.0));
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
    pub(crate) fn fogged(&self, colour: Vec3, distance: f32) -> Vec3 {
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

/// Where a pattern is painted: on one point, or on some at once.
pub(crate) trait Canvas {
    /// How many points it has.
    const N: usize;

    /// Where point `i` is, and the size of a pixel there, metres: finer detail is left out.
    fn spot(&self, i: usize) -> (Vec3, f32);

    /// Colours point `i`.
    fn paint(&mut self, i: usize, colour: Vec3);
}

/// One point: where it is, the size of a pixel there, and its colour.
pub(crate) struct Spot(pub(crate) Vec3, pub(crate) f32, pub(crate) Vec3);

impl Canvas for Spot {
    const N: usize = 1;

    #[inline(always)]
    fn spot(&self, _: usize) -> (Vec3, f32) {
        (self.0, self.1)
    }

    #[inline(always)]
    fn paint(&mut self, _: usize, colour: Vec3) {
        self.2 = colour;
    }
}

/// Points, the size of a pixel at each, and their colours.
pub(crate) struct Spots<'a>(pub(crate) &'a Lanes3, pub(crate) &'a Lane, pub(crate) &'a mut Lanes3);

impl Canvas for Spots<'_> {
    const N: usize = LANES;

    #[inline(always)]
    fn spot(&self, i: usize) -> (Vec3, f32) {
        (self.0.at(i), self.1[i])
    }

    #[inline(always)]
    fn paint(&mut self, i: usize, colour: Vec3) {
        self.2.set(i, colour);
    }
}

/// Paints every point of a canvas. A loop of its own for each pattern, and no closure, which the compiler might leave out
/// of the loop.
macro_rules! paint {
    ($canvas:ident, $at:pat, $detail:pat => $colour:expr) => {
        for i in 0..C::N {
            let ($at, $detail) = $canvas.spot(i);
            $canvas.paint(i, $colour);
        }
    };
}

/// Paints a pattern over a colour.
#[inline(always)]
pub(crate) fn pattern<C: Canvas>(pattern: &Pattern, colour: Vec3, canvas: &mut C) {
    let flat = |at: Vec3| Vec2::new(at.x, at.z);
    let mix = |second: Vec3, part: f32| colour + (second - colour) * part;
    match *pattern {
        Pattern::Plain => paint!(canvas, _, _ => colour),
        Pattern::Checks { size, second } => paint!(canvas, at, detail => {
            let wave = |x: f32| edge(triangle(x / size), size, detail);
            let odd = wave(at.x) * wave(at.y + 0.5 * size) * wave(at.z);
            mix(second, 0.5 + 0.5 * odd * keep(detail, size))
        }),
        Pattern::Stripes { along, size, second } => paint!(canvas, at, detail => {
            let wave = edge(triangle(at.dot(along) / size), size, detail);
            mix(second, 0.5 + 0.5 * wave * keep(detail, size))
        }),
        Pattern::Planks { width, second } => paint!(canvas, at, detail => {
            let board = (at.z / width).floor();
            let across = at.z / width - board;
            let shade = hash(board, 7.0);
            let grain = noise(Vec2::new(at.x * 0.7 + 31.0 * shade, at.z * 9.0 / width));
            let near = keep(detail, 0.5 * width);
            let joint = (1.0
                - (across.min(1.0 - across) * width / (0.02 * width + 0.7 * detail)).min(1.0))
                * near;
            mix(second, 0.5 + near * (0.6 * (shade - 0.5) + 0.5 * (grain - 0.5)))
                * (1.0 - 0.45 * joint)
        }),
        Pattern::Mottled { size, second } => {
            paint!(canvas, at, detail => mix(second, mottle(flat(at), size, keep(detail, size))));
        }
        Pattern::Street { along, half_width, pavement } => paint!(canvas, at, detail => {
            let plane = flat(at);
            let (x, z) = (plane.dot(along), plane.dot(along.perp()));
            let side = z.abs() - half_width;
            let spread = 0.5 / detail.max(1e-3);
            let paved = (side * spread + 0.5).clamp(0.0, 1.0);
            let road = {
                let dash = (triangle(x / 1.5) * 1.5 * spread + 0.5).clamp(0.0, 1.0);
                let line = ((0.07 - z.abs()) * spread + 0.5).clamp(0.0, 1.0) * dash;
                let rough = 1.0 + 0.16 * (noise(plane * 1.7) - 0.5);
                colour * rough + (Vec3::splat(0.75) - colour) * (0.6 * line)
            };
            let tiles = {
                let kerb = (1.0 - (side - 0.1).abs() / (0.1 + detail)).clamp(0.0, 1.0);
                let joint =
                    joint(x, detail).max(joint(z - half_width, detail)) * keep(detail, 0.5);
                pavement * (1.0 - 0.22 * joint + 0.25 * kerb)
            };
            between(road, tiles, paved)
        }),
        Pattern::Shore { along, offset, water, foam, secs } => paint!(canvas, at, detail => {
            let plane = flat(at);
            let (x, y) = (plane.dot(along), plane.dot(along.perp()) - offset);
            let tide = 0.22 * triangle(0.19 * secs) + 0.5 * (noise(Vec2::new(0.35 * x, 3.0)) - 0.5);
            let level = y - tide;
            let spread = 0.5 / detail.max(0.03);
            let dry = (level * spread + 0.5).clamp(0.0, 1.0);
            let sand = {
                let wet = smooth(1.0 - (level - 0.05) / 0.7);
                let spots = mottle(plane, 0.9, keep(detail, 0.9));
                colour * ((0.90 + 0.20 * spots) * (1.0 - 0.38 * wet))
            };
            let sea = {
                let deep = smooth(-level / 6.0);
                let drift = Vec2::new(0.55 * x + 0.25 * secs, 1.9 * y - 0.5 * secs);
                let swell = noise(drift) * 0.6 + 0.4 * noise(drift * 2.3 + Vec2::splat(0.3 * secs));
                let body = water * (1.25 - 0.5 * deep) * (0.80 + 0.4 * swell * keep(detail, 0.8));
                let crest = smooth((swell - 0.66) * 7.0) * keep(detail, 0.5) * 0.55;
                let edge = smooth(1.0 - (level + 0.16).abs() / 0.20);
                let second =
                    smooth(1.0 - (level + 1.0 + 0.25 * triangle(0.19 * secs + 0.7)).abs() / 0.12)
                        * 0.6;
                let white = crest.max(edge).max(second);
                body + (foam - body) * white
            };
            between(sea, sand, dry)
        }),
        Pattern::Craters { size, second } => paint!(canvas, at, detail => {
            let plane = flat(at);
            let base = mix(second, mottle(plane, 0.5 * size, keep(detail, 0.5 * size)));
            base * (craters(plane, size, 0.0, detail) * craters(plane, 0.37 * size, 77.0, detail))
        }),
        Pattern::Path { along, offset, half_width, second } => paint!(canvas, at, detail => {
            let plane = flat(at);
            let way = plane.dot(along.perp()) - offset;
            let sway = 0.25 * half_width * (noise(plane * 0.6) - 0.5);
            let spread = 0.5 / detail.max(0.03);
            let part = ((half_width + sway - way.abs()) * spread + 0.5).clamp(0.0, 1.0);
            let grass = colour * (0.86 + 0.28 * mottle(plane, 0.8, keep(detail, 0.8)));
            let path = second * (0.93 + 0.14 * noise(plane * 2.0));
            between(grass, path, part)
        }),
    }
}

/// How much of a detail of a size is kept where a pixel has the size `detail`.
#[inline(always)]
fn keep(detail: f32, size: f32) -> f32 {
    smooth(1.5 - 1.5 * detail / size)
}

/// How much of a point lies in a joint between paving stones.
#[inline(always)]
fn joint(x: f32, detail: f32) -> f32 {
    let part = x / 0.9 - (x / 0.9).floor();
    1.0 - (part.min(1.0 - part) * 0.9 / (0.03 + 0.7 * detail)).min(1.0)
}

/// What craters of a size make of the light: at most one in each cell of the plane.
#[inline(always)]
fn craters(plane: Vec2, size: f32, seed: f32, detail: f32) -> f32 {
    let cell = Vec2::new((plane.x / size).floor(), (plane.y / size).floor());
    let chance = hash(cell.x + seed, cell.y);
    let radius = (0.16 + 0.24 * chance) * size;
    let free = size - 2.2 * radius;
    let middle = (cell * size)
        + Vec2::splat(1.1 * radius)
        + Vec2::new(hash(cell.x, cell.y + 9.0 + seed), hash(cell.x + 31.0, cell.y)) * free.max(0.0);
    let off = plane - middle;
    let far = (off.x * off.x + off.y * off.y).sqrt() / radius;
    // The wall away from the sun is lit.
    let side = off.x / radius;
    let bowl = 1.0 - 0.30 * smooth(1.5 - 1.5 * far) + 0.22 * side * smooth(far);
    let rim = 0.20 * smooth(1.0 - (far - 0.95).abs() / 0.13);
    let shade = 1.0 + (bowl + rim - 1.0) * keep(detail, 0.6 * radius);
    if far <= 1.1 && chance >= 0.3 { shade } else { 1.0 }
}

/// A blend of two colours.
#[inline(always)]
fn between(first: Vec3, second: Vec3, part: f32) -> Vec3 {
    let both = first.lerp(second, part);
    let second = if part >= 1.0 { second } else { both };
    if part <= 0.0 { first } else { second }
}

/// A vector of length 1, or none where there is no direction.
#[inline(always)]
pub(crate) fn unit_or_zero(vector: Vec3) -> Vec3 {
    let scale = 1.0 / vector.length_squared().sqrt();
    let has_direction = scale.is_finite() && scale > 0.0;
    if has_direction { vector * scale } else { Vec3::ZERO }
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
    let (first, second) = (GRAIN[top * TILE + left], GRAIN[top * TILE + right]);
    let low = first + (second - first) * weight.x;
    let (first, second) = (GRAIN[bottom * TILE + left], GRAIN[bottom * TILE + right]);
    let high = first + (second - first) * weight.x;
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
