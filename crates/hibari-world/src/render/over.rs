//! What lies over a shaded frame: glass, which shows what is behind it, and rain and snow.

use glam::{Vec2, Vec3, Vec3A, Vec4};

use super::raster::Corner;
use super::shade::{LANES, Lanes3, Paints, Points, smooth, unit_or_zero};
use super::{Renderer, Shot};

/// Flakes or streaks in the air.
const N_PARTICLES: u16 = 1_300;
/// Room around the camera that they fall through, units.
const AIR: Vec3A = Vec3A::new(9.5, 5.5, 9.5);
/// How far glass moves what is behind it, parts of the frame's height.
const BEND: f32 = 0.055;

impl Renderer {
    /// Draws what is of glass, nearest surface only, over the shaded frame.
    #[inline(always)]
    pub(super) fn draw_glass(&mut self, shot: &Shot<'_>) {
        let instances = &shot.scene.instances;
        self.has_glass = instances.iter().any(|instance| instance.surface.clear > 0.0);
        if !self.has_glass {
            return;
        }
        let (width, height) = (shot.width, shot.height);
        let lens = shot.camera.lens(2 * width, 2 * height);
        self.glass.clear(2 * width, 2 * height);
        for (i, instance) in instances.iter().enumerate() {
            if instance.surface.clear > 0.0 {
                self.place(&instance.mesh, &instance.pose, shot);
                self.turn(instance);
                for triangle in &instance.mesh.triangles {
                    let corners = triangle
                        .map(|i| i as usize)
                        .map(|i| Corner { point: self.points[i], normal: self.normals[i] });
                    self.glass.draw(&lens, i as u32, corners);
                }
            }
        }
        self.backdrop.clone_from(&self.linear);
        for y in 0..height {
            for x in 0..width {
                self.glaze(shot, x, y);
            }
        }
    }

    /// Lays glass over a pixel, as far as it is in front of what the pixel shows.
    #[inline(always)]
    fn glaze(&mut self, shot: &Shot<'_>, x: usize, y: usize) {
        let (width, height) = (shot.width, shot.height);
        let first = 4 * y * width + 2 * x;
        let (mut n, mut sum, mut index) = (0_u8, Vec4::ZERO, 0);
        for (i, step) in [0, 1, 2 * width, 2 * width + 1].into_iter().enumerate() {
            let at = first + step;
            let id = self.glass.nearest[at];
            if id == 0 || self.glass.inverse_depth[at] <= self.samples.inverse_depth[at] {
                continue;
            }
            let triangle = &self.glass.triangles[id as usize - 1];
            let (right, down) = ((i % 2) as f32, (i / 2) as f32);
            sum += triangle.at(2.0 * x as f32 + right + 0.5, 2.0 * y as f32 + down + 0.5);
            index = triangle.instance as usize;
            n += 1;
        }
        if n == 0 {
            return;
        }
        let instance = &shot.scene.instances[index];
        let ray = shot.camera.ray(&shot.lens, x as f32 + 0.5, y as f32 + 0.5);
        let at = sum / f32::from(n);
        let (stretch, depth) = (ray.length_squared().sqrt(), 1.0 / at.w);
        let distance = stretch / at.w;
        let position = Vec3::from(shot.camera.eye) + ray * depth;
        let (normal, to_eye) = (unit_or_zero(at.truncate()), ray * (-1.0 / stretch));
        let (colour, clear) = (Vec3A::from(instance.surface.colour), instance.surface.clear);
        let lit = shot.light.surfaces(
            &Paints {
                colour: Lanes3::splat(instance.surface.colour),
                gloss: [instance.surface.gloss; LANES],
                glow: [0.0; LANES],
            },
            &Points {
                position: Lanes3::splat(position),
                normal: Lanes3::splat(normal),
                to_eye: Lanes3::splat(to_eye),
                sunlit: [1.0; LANES],
                open: [1.0; LANES],
                lamps: [self.parts[index].lamps; LANES],
            },
        );
        let (normal, to_eye) = (Vec3A::from(normal), Vec3A::from(to_eye));
        // What is behind is seen where the shape bends the ray to.
        let bend = BEND * height as f32 / distance.max(1.0) * 4.0;
        let moved = |at: usize, by: f32, n: usize| {
            (at as f32 + 0.5 + by).clamp(0.0, n as f32 - 1.0) as usize
        };
        let from_x = moved(x, normal.dot(shot.camera.right) * bend, width);
        let from_y = moved(y, -normal.dot(shot.camera.up) * bend, height);
        let behind = self.backdrop[from_y * width + from_x];
        let lit = lit.at(0).into();
        let seen = shot.light.clear(colour, clear, [normal, to_eye], lit, behind);
        let seen = Vec3A::from(shot.light.fogged(seen.into(), distance));
        let pixel = &mut self.linear[y * width + x];
        *pixel += (seen - *pixel) * (0.25 * f32::from(n));
        if n >= 2 {
            self.entities[y * width + x] = instance.entity;
        }
    }

    /// Draws rain as streaks and snow as flakes, hidden by what is nearer.
    #[inline(always)]
    pub(super) fn draw_particles(&mut self, shot: &Shot<'_>) {
        let Some(particles) = shot.scene.particles else { return };
        let to_view = shot.camera.to_view();
        let colour = Vec3A::from(particles.colour);
        let middle = shot.camera.eye + shot.camera.forward * (0.45 * AIR.z);
        let low = middle - 0.5 * AIR;
        for n in 0..N_PARTICLES {
            let seed = |k: u32| unit(6 * u32::from(n) + k);
            let fall = if particles.snow {
                Vec3A::new(0.25, -(0.75 + 0.35 * seed(3)), 0.1)
            } else {
                Vec3A::new(-0.5, -8.5 - 1.5 * seed(3), 0.0)
            };
            let mut place = Vec3A::new(seed(0), seed(1), seed(2)) * AIR + fall * particles.secs;
            if particles.snow {
                place.x += 0.18 * wave(0.45 * particles.secs + seed(4));
                place.z += 0.18 * wave(0.37 * particles.secs + seed(5));
            }
            // Whoever leaves the room comes back on its other side, out of the picture.
            let way = (place - low) / AIR;
            let place = low + (way - way.floor()) * AIR;
            let tail = place - fall * if particles.snow { 0.0 } else { 0.028 };
            if place.y < 0.0 {
                continue;
            }
            let [head, end] = [place, tail].map(|point| to_view.transform_point3a(point));
            if head.z < 0.5 || end.z < 0.5 {
                continue;
            }
            let (from, to) = (shot.lens.project(head), shot.lens.project(end));
            let near = smooth(1.6 - 0.16 * head.z) * smooth(head.z - 0.6);
            let radius = if particles.snow {
                (0.022 * shot.lens.focal * from.z).max(0.45)
            } else {
                (0.0075 * shot.lens.focal * from.z).max(0.32)
            };
            let strength = if particles.snow { 0.95 } else { 0.50 } * near;
            let stroke = Stroke { from, to, radius, strength, colour };
            self.stroke(shot, &stroke);
        }
    }

    /// Blends a round-ended stroke over the frame where nothing is nearer.
    #[inline(always)]
    fn stroke(&mut self, shot: &Shot<'_>, stroke: &Stroke) {
        let Stroke { from, to, radius, strength, colour } = *stroke;
        let (width, height) = (shot.width, shot.height);
        let reach = radius + 0.75;
        let (low, high) = (from.min(to) - reach, from.max(to) + reach);
        if high.x < 0.0 || high.y < 0.0 {
            return;
        }
        let (left, right) = (low.x.max(0.0) as usize, width.min(high.x as usize + 1));
        let (top, bottom) = (low.y.max(0.0) as usize, height.min(high.y as usize + 1));
        let (start, way) = (Vec2::new(from.x, from.y), Vec2::new(to.x - from.x, to.y - from.y));
        let square = way.length_squared().max(1e-6);
        for y in top..bottom {
            for x in left..right {
                if self.samples.inverse_depth[4 * y * width + 2 * x] > from.z {
                    continue;
                }
                let at = Vec2::new(x as f32 + 0.5, y as f32 + 0.5) - start;
                let part = (at.dot(way) / square).clamp(0.0, 1.0);
                let off = (at - way * part).length();
                let cover = (radius + 0.5 - off).clamp(0.0, 1.0) * (2.0 * radius).min(1.0);
                let pixel = &mut self.linear[y * width + x];
                *pixel += (colour - *pixel) * (cover * strength);
            }
        }
    }
}

/// A line in the picture; z is the inverse depth.
struct Stroke {
    from: Vec3A,
    to: Vec3A,
    radius: f32,
    strength: f32,
    colour: Vec3A,
}

/// Number `n` of a fixed sequence in 0..1.
#[inline(always)]
fn unit(n: u32) -> f32 {
    let mut bits = n.wrapping_mul(0x9e37_79b9);
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    ((bits ^ (bits >> 16)) >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A smooth wave of period 1 between -1 and 1.
#[inline(always)]
fn wave(x: f32) -> f32 {
    let part = x - x.floor();
    2.0 * smooth(1.0 - (2.0 * part - 1.0).abs()) - 1.0
}
