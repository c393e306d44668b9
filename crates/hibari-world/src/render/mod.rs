//! The renderer: a scene to a frame, on one thread, the same bits everywhere.
//!
//! Triangles are rasterised at twice the size (`raster`), then each pixel is shaded once for each instance that it shows
//! (`shade`, sixteen points at once) and for the ground (`ground`); shadows are the meshes laid flat on the ground, the
//! mirror is the meshes upside down under it, and what glows is blurred and added (`finish`). Glass and what falls through
//! the air come last, over what is behind them (`over`). No function of the platform's mathematics library is used, so the
//! bits do not depend on it.
//!
//! A frame is drawn by code that is compiled once for each width of vectors ([`Drawing`]). A function is part of that
//! only if it is inlined, so all that draws is `#[inline(always)]`; no operation is fused, so the bits stay the same.

mod finish;
mod ground;
pub mod mesh;
mod over;
mod raster;
pub mod scene;
mod shade;
#[cfg(test)]
mod tests;
mod truth;

use glam::{Affine3A, Mat3A, Vec2, Vec3, Vec3A, Vec4};
use hibari_media::Frame;

use self::finish::{Bloom, Tone};
pub use self::mesh::Mesh;
use self::mesh::normal_matrix;
use self::raster::{Camera, Corner, Lens, Target, stamp};
pub use self::scene::{Disc, Instance, Lamp, Particles, Pattern, Scene, Sky, Surface, View};
use self::shade::{
    LANES, Lane, Lanes3, Light, Paints, Points, Spot, pattern, smooth, unit_or_zero,
};
pub use self::truth::FLOW_STEP;

/// Draws scenes; keeps its buffers from frame to frame. One per thread.
pub struct Renderer {
    tone: Tone,
    /// At twice the frame's size.
    samples: Target,
    /// At twice the frame's size: what is of glass.
    glass: Target,
    /// Whether the last frame had any.
    has_glass: bool,
    /// The frame without glass.
    backdrop: Vec<Vec3A>,
    /// At half the frame's size: the scene upside down.
    mirrored: Target,
    /// As the samples: 1 where a shadow falls on the ground.
    shadow: Vec<u8>,
    /// Per pixel: share of the ambient light that reaches the ground.
    open: Vec<f32>,
    /// As `mirrored`: what the ground mirrors.
    mirror: Vec<Vec3A>,
    /// The frame before the tone curve.
    linear: Vec<Vec3A>,
    bloom: Bloom,
    entities: Vec<u8>,
    parts: Vec<Part>,
    row: Row,
    /// Of one instance, as the camera sees them.
    points: Vec<Vec3A>,
    /// Of one instance, in the world.
    normals: Vec<Vec3A>,
}

/// A frame to be drawn with the widest vectors of the machine.
struct Drawing<'a> {
    renderer: &'a mut Renderer,
    shot: &'a Shot<'a>,
    rgb: &'a mut [u8],
}

impl pulp::NullaryFnOnce for Drawing<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.renderer.draw_all(self.shot, self.rgb);
    }
}

/// What is known of an instance during a frame.
struct Part {
    /// Lamps whose light may reach it, as bits.
    lamps: u32,
    /// From the world to its own coordinates, if it has a pattern.
    to_own: Option<Affine3A>,
}

/// Where a mesh is.
struct Placed {
    /// Corners of its box in the world.
    low: Vec3A,
    high: Vec3A,
    /// False only if all of it is beyond one edge of the picture.
    in_picture: bool,
}

/// What stays the same over a frame.
struct Shot<'a> {
    scene: &'a Scene,
    camera: Camera,
    /// Per pixel of the frame.
    lens: Lens,
    light: Light,
    width: usize,
    height: usize,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    /// A renderer with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tone: Tone::new(),
            samples: Target::default(),
            glass: Target::default(),
            has_glass: false,
            backdrop: Vec::new(),
            mirrored: Target::default(),
            shadow: Vec::new(),
            open: Vec::new(),
            mirror: Vec::new(),
            linear: Vec::new(),
            bloom: Bloom::default(),
            entities: Vec::new(),
            parts: Vec::new(),
            row: Row::default(),
            points: Vec::new(),
            normals: Vec::new(),
        }
    }

    /// Draws a scene.
    ///
    /// # Panics
    /// if a side is zero
    #[track_caller]
    pub fn render(&mut self, scene: &Scene, width: usize, height: usize) -> Frame {
        assert!(width > 0 && height > 0, "a frame of {width}x{height} pixels has no area");
        let camera = Camera::new(&scene.view);
        let lens = camera.lens(width, height);
        let shot = Shot { scene, camera, lens, light: Light::new(scene), width, height };
        let mut rgb = vec![0; width * height * 3];
        pulp::Arch::new().dispatch(Drawing { renderer: self, shot: &shot, rgb: &mut rgb });
        Frame::new(width, height, rgb).expect("the buffer has the frame's size")
    }

    /// All steps of a frame, in their order.
    #[inline(always)]
    fn draw_all(&mut self, shot: &Shot<'_>, rgb: &mut [u8]) {
        self.draw_instances(shot);
        self.draw_shadows(shot);
        self.draw_mirror(shot);
        self.shade(shot);
        self.draw_glass(shot);
        self.draw_particles(shot);
        self.bloom.blur();
        self.tone.encode(&self.linear, &self.bloom, shot.width, rgb);
    }

    /// Which entity each pixel of the last frame shows; 0 where there is none.
    ///
    /// # Shapes
    /// - returned: `[height, width]`
    #[must_use]
    pub fn entities(&self) -> &[u8] {
        &self.entities
    }

    /// Share of the last frame's pixels that show an entity, 0..1.
    #[must_use]
    pub fn visible_fraction(&self, entity: u8) -> f32 {
        let n = self.entities.iter().filter(|&&shown| shown == entity).count();
        n as f32 / self.entities.len().max(1) as f32
    }

    /// Fills `samples` and `parts`, and darkens the ground under what stands on it (`open`).
    #[inline(always)]
    fn draw_instances(&mut self, shot: &Shot<'_>) {
        let (width, height) = (2 * shot.width, 2 * shot.height);
        self.samples.clear(width, height);
        self.parts.clear();
        self.open.clear();
        self.open.resize(shot.width * shot.height, 1.0);
        let lens = shot.camera.lens(width, height);
        for (i, instance) in shot.scene.instances.iter().enumerate() {
            let Placed { low, high, in_picture } = self.place(&instance.mesh, &instance.pose, shot);
            if in_picture && instance.surface.clear == 0.0 {
                self.draw(i, instance, &lens, false);
            }
            let plain = instance.surface.pattern == Pattern::Plain;
            self.parts.push(Part {
                lamps: shot.light.lamps_near(0.5 * (low + high), 0.5 * (high - low).length()),
                to_own: (!plain).then(|| instance.pose.inverse()),
            });
            if instance.casts_shadow {
                shade_contact(&mut self.open, shot, low, high);
            }
        }
    }

    /// Puts the corners of an instance into `points`, as the camera sees them.
    #[inline(always)]
    fn place(&mut self, mesh: &Mesh, pose: &Affine3A, shot: &Shot<'_>) -> Placed {
        let to_view = shot.camera.to_view();
        let (mut low, mut high) = (Vec3A::INFINITY, Vec3A::NEG_INFINITY);
        let mut beyond = Vec4::INFINITY;
        self.points.clear();
        for &position in &mesh.positions {
            let position = pose.transform_point3a(position.into());
            (low, high) = (low.min(position), high.max(position));
            let point = to_view.transform_point3a(position);
            beyond = beyond.min(shot.beyond(point));
            self.points.push(point);
        }
        Placed { low, high, in_picture: beyond.max_element() <= 0.0 }
    }

    /// Draws the placed instance: upright into `samples`, or upside down into `mirrored`.
    #[inline(always)]
    fn draw(&mut self, index: usize, instance: &Instance, lens: &Lens, upside_down: bool) {
        self.turn(instance);
        let target = if upside_down { &mut self.mirrored } else { &mut self.samples };
        let (points, normals) = (&self.points, &self.normals);
        for &[a, b, c] in &instance.mesh.triangles {
            let [b, c] = if upside_down { [c, b] } else { [b, c] };
            let [a, b, c] = [a as usize, b as usize, c as usize];
            let corners = [
                Corner { point: points[a], normal: normals[a] },
                Corner { point: points[b], normal: normals[b] },
                Corner { point: points[c], normal: normals[c] },
            ];
            target.draw(lens, index as u32, corners);
        }
    }

    /// Puts the normals of an instance into `normals`.
    #[inline(always)]
    fn turn(&mut self, instance: &Instance) {
        let turn = normal_matrix(&instance.pose);
        self.normals.clear();
        for &normal in &instance.mesh.normals {
            let normal = turn * Vec3A::from(normal);
            self.normals.push(normal * (1.0 / normal.length()));
        }
    }

    /// Lays what casts shadows flat on the ground, along the sun's rays.
    #[inline(always)]
    fn draw_shadows(&mut self, shot: &Shot<'_>) {
        let (width, height) = (2 * shot.width, 2 * shot.height);
        self.shadow.clear();
        self.shadow.resize(width * height, 0);
        let sun = shot.scene.sun;
        if sun.y < 0.05 {
            return;
        }
        let flat =
            Mat3A::from_cols(Vec3A::X, Vec3A::new(-sun.x / sun.y, 0.0, -sun.z / sun.y), Vec3A::Z);
        let lens = shot.camera.lens(width, height);
        for instance in shot.scene.instances.iter().filter(|instance| instance.casts_shadow) {
            let pose = Affine3A {
                matrix3: flat * instance.pose.matrix3,
                translation: flat * instance.pose.translation,
            };
            if self.place(&instance.mesh, &pose, shot).in_picture {
                for triangle in &instance.mesh.triangles {
                    let points = triangle.map(|i| self.points[i as usize]);
                    stamp(&mut self.shadow, width, height, &lens, points);
                }
            }
        }
    }

    /// Fills `mirror` with what the ground mirrors, blurred upwards and downwards.
    #[inline(always)]
    fn draw_mirror(&mut self, shot: &Shot<'_>) {
        if shot.scene.mirror <= 0.0 {
            return;
        }
        let (width, height) = (shot.width.div_ceil(2), shot.height.div_ceil(2));
        let lens = shot.camera.lens(width, height);
        self.mirrored.clear(width, height);
        let flip = Mat3A::from_diagonal(Vec3::new(1.0, -1.0, 1.0));
        for (i, instance) in shot.scene.instances.iter().enumerate() {
            let pose = Affine3A {
                matrix3: flip * instance.pose.matrix3,
                translation: flip * instance.pose.translation,
            };
            if self.place(&instance.mesh, &pose, shot).in_picture {
                self.draw(i, instance, &lens, true);
            }
        }
        self.mirror.clear();
        self.mirror.resize(width * height, Vec3A::ZERO);
        let flip = Vec3::new(1.0, -1.0, 1.0);
        self.row.clear(0);
        for (i, pixel) in self.mirror.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
            let ray = shot.camera.ray(&lens, x, y);
            if ray.y >= 0.0 {
                continue;
            }
            let nearest = self.mirrored.nearest[i];
            if nearest == 0 {
                let ray = Vec3A::from(ray * flip);
                *pixel = shot.light.sky(ray.normalize(), 0.5 * lens.focal).0;
            } else {
                let triangle = &self.mirrored.triangles[nearest as usize - 1];
                let (at, instance) = (triangle.at(x, y), triangle.instance);
                self.row.show(i, 1.0, Hit { x, y, at, instance });
            }
        }
        shot.shade(&self.parts, &lens, flip, &mut self.row);
        for layer in &self.row.layers {
            self.mirror[layer.pixel as usize] = self.row.seen(*layer).0;
        }
        finish::blur_columns(&mut self.mirror, width, height);
    }

    /// Fills `linear`, `bloom` and `entities`.
    #[inline(always)]
    fn shade(&mut self, shot: &Shot<'_>) {
        let (width, height) = (shot.width, shot.height);
        self.linear.clear();
        self.linear.reserve(width * height);
        self.entities.clear();
        self.entities.reserve(width * height);
        self.bloom.clear(width, height);
        for y in 0..height {
            self.row.clear(width);
            for x in 0..width {
                let entity = self.look(shot, x, y);
                self.entities.push(entity);
            }
            shot.shade(&self.parts, &shot.lens, Vec3::ONE, &mut self.row);
            self.draw_behind(shot, y);
            let mut rest = self.row.layers.as_slice();
            while let [layer, more @ ..] = rest {
                let (colour, shines) = self.row.seen(*layer);
                let (mut colour, mut bloom) = (colour * layer.share, shines * layer.share);
                rest = more;
                while let [same, more @ ..] = rest
                    && same.pixel == layer.pixel
                {
                    let (part, shines) = self.row.seen(*same);
                    colour += part * same.share;
                    bloom += shines * same.share;
                    rest = more;
                }
                self.linear.push(colour);
                if bloom > 0.0 {
                    self.bloom.add(layer.pixel as usize, y, colour * bloom);
                }
            }
        }
    }

    /// Notes what a pixel shows: its layers, and what of them is to be shaded. Whose most of it is.
    #[inline(always)]
    fn look(&mut self, shot: &Shot<'_>, x: usize, y: usize) -> u8 {
        let first = 4 * y * shot.width + 2 * x;
        let (upper, lower) = (
            &self.samples.nearest[first..first + 2],
            &self.samples.nearest[first + 2 * shot.width..][..2],
        );
        let nearest = [upper[0], upper[1], lower[0], lower[1]];
        if are_all(0, nearest) {
            self.row.show_behind(x, 1.0);
            return 0;
        }
        let triangles = &self.samples.triangles;
        let (left, top) = (x as f32, y as f32);
        let hit = |at, instance| Hit { x: left + 0.5, y: top + 0.5, at, instance };
        let whose_entity = |instance: u32| shot.scene.instances[instance as usize].entity;
        if are_all(nearest[0], nearest) {
            let triangle = &triangles[nearest[0] as usize - 1];
            let at = triangle.at(2.0 * left + 1.0, 2.0 * top + 1.0);
            self.row.show(x, 1.0, hit(at, triangle.instance));
            return whose_entity(triangle.instance);
        }
        let mut whose = [BEHIND; 4];
        for (whose, &id) in whose.iter_mut().zip(&nearest) {
            if id > 0 {
                *whose = triangles[id as usize - 1].instance;
            }
        }
        // The triangle counts in samples, two to a pixel.
        let at = |i: usize| {
            let (right, down) = ((i % 2) as f32, (i / 2) as f32);
            let triangle = &triangles[nearest[i] as usize - 1];
            triangle.at(2.0 * left + right + 0.5, 2.0 * top + down + 0.5)
        };
        if are_all(whose[0], whose) {
            self.row.show(x, 1.0, hit((at(0) + at(1) + at(2) + at(3)) / 4.0, whose[0]));
            return whose_entity(whose[0]);
        }
        let (mut best, mut entity) = (0, 0);
        for first in 0..4 {
            let instance = whose[first];
            if whose[..first].contains(&instance) {
                continue;
            }
            let samples = (first..4).filter(|&i| whose[i] == instance);
            let n = samples.clone().count();
            let share = n as f32 * 0.25;
            if instance == BEHIND {
                self.row.show_behind(x, share);
            } else {
                let sum = samples.fold(Vec4::ZERO, |sum, i| sum + at(i));
                self.row.show(x, share, hit(sum / n as f32, instance));
            }
            if n > best {
                best = n;
                entity = if instance == BEHIND { 0 } else { whose_entity(instance) };
            }
        }
        entity
    }
}

/// Whether four ids are this one. Compared as arrays, they would be written to memory and read back in pairs.
#[inline(always)]
const fn are_all(id: u32, [a, b, c, d]: [u32; 4]) -> bool {
    (a == id) & (b == id) & (c == id) & (d == id)
}

/// What a row of pixels shows.
#[derive(Default)]
struct Row {
    /// Where instances are to be shaded.
    hits: Vec<Hit>,
    /// The colour of each hit, and how much of it blooms.
    shaded: Vec<(Vec3A, f32)>,
    /// What the pixels show, from left to right.
    layers: Vec<Layer>,
    /// Per pixel: whether ground or sky show.
    wants_behind: Vec<bool>,
    /// Per pixel: ground or sky where they show, and how much of it blooms.
    behind: Vec<(Vec3A, f32)>,
}

/// Where a ray meets an instance.
#[derive(Clone, Copy)]
struct Hit {
    /// Where the ray goes through the picture.
    x: f32,
    y: f32,
    /// (normal / depth, 1 / depth).
    at: Vec4,
    instance: u32,
}

/// A part of what a pixel shows.
#[derive(Clone, Copy)]
struct Layer {
    pixel: u32,
    /// Which of the hits, or [`BEHIND`].
    hit: u32,
    /// How much of the pixel.
    share: f32,
}

/// A layer of ground or sky.
const BEHIND: u32 = u32::MAX;

impl Row {
    #[inline(always)]
    fn clear(&mut self, width: usize) {
        self.hits.clear();
        self.layers.clear();
        self.wants_behind.clear();
        self.wants_behind.resize(width, false);
        self.behind.resize(width, (Vec3A::ZERO, 0.0));
    }

    /// Shows an instance in a share of a pixel.
    #[inline(always)]
    fn show(&mut self, pixel: usize, share: f32, hit: Hit) {
        self.layers.push(Layer { pixel: pixel as u32, hit: self.hits.len() as u32, share });
        self.hits.push(hit);
    }

    /// Shows ground or sky in a share of a pixel.
    #[inline(always)]
    fn show_behind(&mut self, pixel: usize, share: f32) {
        self.layers.push(Layer { pixel: pixel as u32, hit: BEHIND, share });
        self.wants_behind[pixel] = true;
    }

    /// Colour of a layer, and how much of it blooms.
    #[inline(always)]
    fn seen(&self, layer: Layer) -> (Vec3A, f32) {
        match layer.hit {
            BEHIND => self.behind[layer.pixel as usize],
            hit => self.shaded[hit as usize],
        }
    }
}

impl Shot<'_> {
    /// How far a point that the camera sees is beyond the left, right, upper and lower edge of the picture, up to a
    /// positive factor of its own; never positive for what shows.
    #[inline(always)]
    fn beyond(&self, point: Vec3A) -> Vec4 {
        // Two pixels are left for rounding; what is behind the camera is beyond no edge.
        let half = Vec2::new(self.width as f32, self.height as f32) * 0.5 + 2.0;
        let edge = half * (self.lens.pixel * point.z.max(0.0));
        Vec4::new(-point.x - edge.x, point.x - edge.x, point.y - edge.y, -point.y - edge.y)
    }

    /// Shades the hits of a row, seen through `lens`; `flip` is what the mirror turns rays and the eye by.
    #[inline(always)]
    fn shade(&self, parts: &[Part], lens: &Lens, flip: Vec3, row: &mut Row) {
        row.shaded.clear();
        for hits in row.hits.chunks(LANES) {
            let last = hits[hits.len() - 1];
            // Lanes without a hit repeat the last.
            let all: [Hit; LANES] = std::array::from_fn(|i| hits.get(i).copied().unwrap_or(last));
            let (colour, bloom) = self.instances(parts, lens, flip, &all);
            let seen = (0..hits.len()).map(|i| (Vec3A::from(colour.at(i)), bloom[i]));
            row.shaded.extend(seen);
        }
    }

    /// The colours of instances where rays meet them, and how much of each blooms.
    #[inline(always)]
    fn instances(
        &self,
        parts: &[Part],
        lens: &Lens,
        flip: Vec3,
        hits: &[Hit; LANES],
    ) -> (Lanes3, Lane) {
        let eye = Vec3::from(self.camera.eye) * flip;
        let mut normals = Lanes3::ZERO;
        let (mut x, mut y): (Lane, Lane) = ([0.0; LANES], [0.0; LANES]);
        let mut inverse: Lane = [0.0; LANES];
        let mut paints = Paints { colour: Lanes3::ZERO, gloss: [0.0; LANES], glow: [0.0; LANES] };
        let mut lamps = [0; LANES];
        for (i, hit) in hits.iter().enumerate() {
            (x[i], y[i]) = (hit.x, hit.y);
            normals.set(i, hit.at.truncate());
            inverse[i] = hit.at.w;
            let surface = &self.scene.instances[hit.instance as usize].surface;
            paints.colour.set(i, surface.colour);
            (paints.gloss[i], paints.glow[i]) = (surface.gloss, surface.glow);
            lamps[i] = parts[hit.instance as usize].lamps;
        }
        let (mut depth, mut distance): (Lane, Lane) = ([0.0; LANES], [0.0; LANES]);
        let mut points = Points {
            position: Lanes3::ZERO,
            normal: Lanes3::ZERO,
            to_eye: Lanes3::ZERO,
            sunlit: [1.0; LANES],
            open: [0.0; LANES],
            lamps,
        };
        for i in 0..LANES {
            let ray = self.camera.ray(lens, x[i], y[i]) * flip;
            depth[i] = 1.0 / inverse[i];
            let stretch = ray.length_squared().sqrt();
            distance[i] = depth[i] * stretch;
            let position = eye + ray * depth[i];
            let normal = unit_or_zero(normals.at(i));
            points.position.set(i, position);
            points.normal.set(i, normal);
            points.to_eye.set(i, ray * (-1.0 / stretch));
            // What is close to the ground and looks down gets less light from the sky.
            points.open[i] = 0.7 + 0.3 * smooth(position.y * 4.0 + 0.3 + normal.y);
        }
        for (i, hit) in hits.iter().enumerate() {
            if let Some(to_own) = &parts[hit.instance as usize].to_own {
                let surface = &self.scene.instances[hit.instance as usize].surface;
                let at = to_own.transform_point3a(points.position.at(i).into());
                let mut spot = Spot(at.into(), depth[i] * self.lens.pixel, Vec3::ZERO);
                pattern(&surface.pattern, surface.colour, &mut spot);
                paints.colour.set(i, spot.2);
            }
        }
        let mut colour = self.light.surfaces(&paints, &points);
        let mut bloom = paints.glow;
        for i in 0..LANES {
            colour.set(i, self.light.fogged(colour.at(i), distance[i]));
            let glow = bloom[i].min(1.0);
            bloom[i] = glow * glow;
        }
        (colour, bloom)
    }
}

/// Darkens the ground under a box that stands on it or is close above it.
#[inline(always)]
fn shade_contact(open: &mut [f32], shot: &Shot<'_>, low: Vec3A, high: Vec3A) {
    let half = 0.5 * (high - low);
    let size = half.x.max(half.z);
    let height = low.y.max(0.0);
    // What is large is not a thing on the ground but a part of the place.
    let strength = 0.55 * (1.0 - height / (1.5 * size + 0.05));
    if strength <= 0.02 || high.y < 0.0 || size > 6.0 {
        return;
    }
    let middle = 0.5 * (low + high);
    let (reach_x, reach_z) =
        (half.x * 1.25 + 0.06 + 0.3 * height, half.z * 1.25 + 0.06 + 0.3 * height);
    let to_view = shot.camera.to_view();
    let (mut from, mut to) = (Vec2::INFINITY, Vec2::NEG_INFINITY);
    for (x, z) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
        let corner = to_view.transform_point3a(Vec3A::new(
            middle.x + x * reach_x,
            0.0,
            middle.z + z * reach_z,
        ));
        if corner.z < 0.1 {
            return;
        }
        let at = shot.lens.project(corner);
        from = from.min(Vec2::new(at.x, at.y));
        to = to.max(Vec2::new(at.x, at.y));
    }
    let (columns, rows) = (
        from.x as usize..shot.width.min(to.x as usize + 1),
        from.y as usize..shot.height.min(to.y as usize + 1),
    );
    for y in rows {
        for x in columns.clone() {
            let ray = shot.camera.ray(&shot.lens, x as f32 + 0.5, y as f32 + 0.5);
            let at = Vec3::from(shot.camera.eye) - ray * (shot.camera.eye.y / ray.y.min(-1e-4));
            let off = Vec2::new((at.x - middle.x) / reach_x, (at.z - middle.z) / reach_z)
                .length_squared();
            if off < 1.0 {
                open[y * shot.width + x] *= 1.0 - strength * (1.0 - off) * (1.0 - off * off);
            }
        }
    }
}
