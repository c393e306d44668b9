//! The renderer: a scene to a frame, on one thread, the same bits everywhere.
//!
//! Triangles are rasterised at twice the size (`raster`), then each pixel is shaded once for each instance that it shows
//! (`shade`); shadows are the meshes laid flat on the ground, the mirror is the meshes upside down under it, and what
//! glows is blurred and added (`finish`). Glass and what falls through the air come last, over what is behind them
//! (`over`). No function of the platform's mathematics library is used, so the bits do not
//! depend on it.
//!
//! A frame is drawn by code that is compiled once for each width of vectors ([`Drawing`]). A function is part of that
//! only if it is inlined, so all that draws is `#[inline(always)]`; no operation is fused, so the bits stay the same.

mod finish;
pub mod mesh;
mod over;
mod raster;
pub mod scene;
mod shade;
#[cfg(test)]
mod tests;
mod truth;

use glam::{Affine3A, Mat3A, Vec2, Vec3A, Vec4};
use hibari_media::Frame;

use self::finish::{Bloom, Tone};
pub use self::mesh::Mesh;
use self::mesh::normal_matrix;
use self::raster::{Camera, Corner, Lens, Target, stamp};
pub use self::scene::{Disc, Instance, Lamp, Particles, Pattern, Scene, Sky, Surface, View};
use self::shade::{Light, Paint, Point, noise, pattern, smooth};
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
            let corners = [a, b, c].map(|i| i as usize);
            let corners = corners.map(|i| Corner { point: points[i], normal: normals[i] });
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
        let flip = Mat3A::from_diagonal(glam::Vec3::new(1.0, -1.0, 1.0));
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
        let flipped = Vec3A::new(1.0, -1.0, 1.0);
        for (i, pixel) in self.mirror.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
            let ray = shot.camera.ray(&lens, x, y);
            if ray.y >= 0.0 {
                continue;
            }
            let nearest = self.mirrored.nearest[i];
            *pixel = if nearest == 0 {
                shot.light.sky((ray * flipped).normalize(), 0.5 * lens.focal).0
            } else {
                let triangle = &self.mirrored.triangles[nearest as usize - 1];
                let at = triangle.at(x, y);
                let view = Hit { ray: ray * flipped, eye: shot.camera.eye * flipped, at };
                shot.instance(&self.parts, triangle.instance as usize, &view).0
            };
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
            for x in 0..width {
                let first = 2 * y * 2 * width + 2 * x;
                let at = [first, first + 1, first + 2 * width, first + 2 * width + 1];
                let nearest = at.map(|i| self.samples.nearest[i]);
                let seen = if nearest == [0; 4] {
                    (self.behind(shot, x, y), 0)
                } else {
                    self.shade_pixel(shot, x, y, nearest)
                };
                let ((colour, bloom), entity) = seen;
                self.linear.push(colour);
                self.entities.push(entity);
                if bloom > 0.0 {
                    self.bloom.add(x, y, colour * bloom);
                }
            }
        }
    }

    /// The colour of a pixel that shows at least one instance, how much of it blooms, and whose it is.
    #[inline(always)]
    fn shade_pixel(
        &self,
        shot: &Shot<'_>,
        x: usize,
        y: usize,
        nearest: [u32; 4],
    ) -> ((Vec3A, f32), u8) {
        let (left, top) = (x as f32, y as f32);
        let ray = shot.camera.ray(&shot.lens, left + 0.5, top + 0.5);
        if nearest == [nearest[0]; 4] {
            let triangle = &self.samples.triangles[nearest[0] as usize - 1];
            let hit = Hit {
                ray,
                eye: shot.camera.eye,
                at: triangle.at(2.0 * left + 1.0, 2.0 * top + 1.0),
            };
            let index = triangle.instance as usize;
            return (shot.instance(&self.parts, index, &hit), shot.scene.instances[index].entity);
        }
        let instance_of = |id: u32| match id {
            0 => usize::MAX,
            id => self.samples.triangles[id as usize - 1].instance as usize,
        };
        let whose = nearest.map(instance_of);
        let (mut colour, mut bloom, mut best, mut entity) = (Vec3A::ZERO, 0.0, 0, 0);
        for first in 0..4 {
            if whose[..first].contains(&whose[first]) {
                continue;
            }
            let (mut n, mut sum) = (0, Vec4::ZERO);
            for i in (first..4).filter(|&i| whose[i] == whose[first]) {
                n += 1;
                if nearest[i] != 0 {
                    let triangle = &self.samples.triangles[nearest[i] as usize - 1];
                    let (right, down) = ((i % 2) as f32, (i / 2) as f32);
                    // The triangle counts in samples, two to a pixel.
                    sum += triangle.at(2.0 * left + right + 0.5, 2.0 * top + down + 0.5);
                }
            }
            let share = n as f32 * 0.25;
            let (part, shines) = if nearest[first] == 0 {
                self.behind(shot, x, y)
            } else {
                let hit = Hit { ray, eye: shot.camera.eye, at: sum / n as f32 };
                shot.instance(&self.parts, whose[first], &hit)
            };
            colour += part * share;
            bloom += shines * share;
            if n > best {
                best = n;
                entity =
                    shot.scene.instances.get(whose[first]).map_or(0, |instance| instance.entity);
            }
        }
        ((colour, bloom), entity)
    }

    /// The ground or the sky at a pixel, and how much of it blooms.
    #[inline(always)]
    fn behind(&self, shot: &Shot<'_>, x: usize, y: usize) -> (Vec3A, f32) {
        let ray = shot.camera.ray(&shot.lens, x as f32 + 0.5, y as f32 + 0.5);
        let below = (0.5 - ray.y * shot.lens.focal).clamp(0.0, 1.0);
        if below == 0.0 {
            return shot.light.sky(ray * (1.0 / ray.length()), shot.lens.focal);
        }
        let (sky, bloom) = if below < 1.0 {
            shot.light.sky(ray.normalize(), shot.lens.focal)
        } else {
            (Vec3A::ZERO, 0.0)
        };
        let down = (-ray.y).max(0.25 * shot.lens.pixel);
        (
            sky + (self.ground(shot, x, y, ray, shot.camera.eye.y / down) - sky) * below,
            bloom * (1.0 - below),
        )
    }

    /// The ground at a pixel, `depth` metres along `ray`.
    #[inline(always)]
    fn ground(&self, shot: &Shot<'_>, x: usize, y: usize, ray: Vec3A, depth: f32) -> Vec3A {
        let Shot { scene, lens, width, .. } = *shot;
        let stretch = ray.length();
        let distance = depth * stretch;
        let to_eye = ray * (-1.0 / stretch);
        let mut position = shot.camera.eye + ray * depth;
        position.y = 0.0;
        // A pixel is longer on the ground the flatter it is seen.
        let detail = depth * lens.pixel / to_eye.y.max(0.02).sqrt();
        let shadow: u8 = [0, 1, 2 * width, 2 * width + 1]
            .iter()
            .map(|step| self.shadow[4 * y * width + 2 * x + step])
            .sum();
        let colour = pattern(&scene.ground.pattern, scene.ground.colour.into(), position, detail);
        let paint = Paint { colour, gloss: scene.ground.gloss, glow: scene.ground.glow };
        let open = self.open[y * width + x];
        let sunlit = (1.0 - 0.25 * f32::from(shadow)) * (0.5 + 0.5 * open);
        let point = Point { position, normal: Vec3A::Y, to_eye, distance, sunlit, open };
        let mut colour = shot.light.surface(&paint, &point, shot.light.all_lamps());
        if scene.mirror > 0.0 {
            let grazing = 1.0 - to_eye.y;
            let share = scene.mirror * (0.35 + 0.6 * grazing * grazing * grazing);
            let ripple = 2.0 * noise(Vec2::new(position.x * 2.0, position.z * 5.0)) - 1.0;
            let mirrored = self.mirror_at(shot, x as f32 + ripple, y as f32 + 2.0 * ripple);
            colour = colour * (1.0 - 0.5 * share) + mirrored * share;
        }
        shot.light.fogged(colour, distance)
    }

    /// What the ground mirrors at a point of the frame, between its pixels.
    #[inline(always)]
    fn mirror_at(&self, shot: &Shot<'_>, x: f32, y: f32) -> Vec3A {
        let (width, height) = (shot.width.div_ceil(2), shot.height.div_ceil(2));
        let (x, y) = ((0.5 * x - 0.25).max(0.0), (0.5 * y - 0.25).max(0.0));
        let (left, top) = ((x as usize).min(width - 1), (y as usize).min(height - 1));
        let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (part_x, part_y) = ((x - left as f32).min(1.0), (y - top as f32).min(1.0));
        let row = |row: usize| {
            self.mirror[row * width + left].lerp(self.mirror[row * width + right], part_x)
        };
        row(top).lerp(row(bottom), part_y)
    }
}

/// Where a ray meets an instance.
struct Hit {
    /// Its part along the camera's axis is 1.
    ray: Vec3A,
    eye: Vec3A,
    /// (normal / depth, 1 / depth).
    at: Vec4,
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

    /// The colour of an instance where a ray meets it, and how much of it blooms.
    #[inline(always)]
    fn instance(&self, parts: &[Part], index: usize, hit: &Hit) -> (Vec3A, f32) {
        let (instance, part) = (&self.scene.instances[index], &parts[index]);
        let depth = 1.0 / hit.at.w;
        let stretch = hit.ray.length();
        let distance = depth * stretch;
        let position = hit.eye + hit.ray * depth;
        let normal = Vec3A::from_vec4(hit.at).normalize_or_zero();
        let to_eye = hit.ray * (-1.0 / stretch);
        let surface = &instance.surface;
        let mut colour = surface.colour.into();
        if let Some(to_own) = &part.to_own {
            colour = pattern(
                &surface.pattern,
                colour,
                to_own.transform_point3a(position),
                depth * self.lens.pixel,
            );
        }
        // What is close to the ground and looks down gets less light from the sky.
        let open = 0.7 + 0.3 * smooth(position.y * 4.0 + 0.3 + normal.y);
        let point = Point { position, normal, to_eye, distance, sunlit: 1.0, open };
        let paint = Paint { colour, gloss: surface.gloss, glow: surface.glow };
        let colour = self.light.surface(&paint, &point, part.lamps);
        let bloom = surface.glow.min(1.0);
        (self.light.fogged(colour, point.distance), bloom * bloom)
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
            let at = shot.camera.eye - ray * (shot.camera.eye.y / ray.y.min(-1e-4));
            let off = Vec2::new((at.x - middle.x) / reach_x, (at.z - middle.z) / reach_z)
                .length_squared();
            if off < 1.0 {
                open[y * shot.width + x] *= 1.0 - strength * (1.0 - off) * (1.0 - off * off);
            }
        }
    }
}
