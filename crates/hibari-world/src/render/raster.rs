//! Triangles to samples: the camera, near clipping, and scan conversion into a depth buffer or a stencil.
//!
//! No colours here: a sample remembers its triangle, and a triangle remembers its instance and how its normal and
//! inverse depth run across the picture.

use glam::{Affine3A, Mat3A, Vec2, Vec3, Vec3A, Vec4};

use super::scene::View;

/// What is nearer than this is cut away, metres.
const NEAR: f32 = 0.05;

/// Where a camera is and how it is turned.
#[derive(Clone, Copy)]
pub(crate) struct Camera {
    pub(crate) eye: Vec3A,
    pub(crate) right: Vec3A,
    pub(crate) up: Vec3A,
    pub(crate) forward: Vec3A,
    /// Forward, right and up again, as numbers side by side.
    axes: [Vec3; 3],
    /// Tangent of half the vertical field of view.
    tangent: f32,
}

impl Camera {
    pub(crate) fn new(view: &View) -> Self {
        let eye = Vec3A::from(view.eye);
        let forward = (Vec3A::from(view.target) - eye).normalize();
        let right = forward.cross(Vec3A::from(view.up)).normalize();
        let half = Vec2::from_angle(0.5 * view.fov_y);
        let up = right.cross(forward);
        let axes = [forward, right, up].map(Vec3::from);
        Self { eye, right, up, forward, axes, tangent: half.y / half.x }
    }

    /// From the world to (right, up, forward).
    pub(crate) fn to_view(self) -> Affine3A {
        let turn = Mat3A::from_cols(self.right, self.up, self.forward).transpose();
        Affine3A { matrix3: turn, translation: -(turn * self.eye) }
    }

    /// The picture plane at a resolution.
    pub(crate) fn lens(self, width: usize, height: usize) -> Lens {
        let focal = 0.5 * height as f32 / self.tangent;
        let centre = Vec2::new(0.5 * width as f32, 0.5 * height as f32);
        Lens { centre, focal, pixel: 1.0 / focal }
    }

    /// Direction through a point of the picture; its part along `forward` is 1.
    #[inline(always)]
    pub(crate) fn ray(self, lens: &Lens, x: f32, y: f32) -> Vec3 {
        let across = (x - lens.centre.x) * lens.pixel;
        let down = (y - lens.centre.y) * lens.pixel;
        let [forward, right, up] = self.axes;
        forward + right * across - up * down
    }
}

/// The picture plane: its middle and the focal length, in pixels.
#[derive(Clone, Copy)]
pub(crate) struct Lens {
    centre: Vec2,
    pub(crate) focal: f32,
    /// Size of a pixel at a distance of 1: the inverse of `focal`.
    pub(crate) pixel: f32,
}

impl Lens {
    /// Where a point in front of the camera lies in the picture: x, y, and its inverse depth.
    #[inline(always)]
    pub(crate) fn project(&self, point: Vec3A) -> Vec3A {
        let inverse = 1.0 / point.z;
        Vec3A::new(
            self.centre.x + self.focal * point.x * inverse,
            self.centre.y - self.focal * point.y * inverse,
            inverse,
        )
    }
}

/// A corner in camera coordinates, with its normal in the world.
#[derive(Clone, Copy)]
pub(crate) struct Corner {
    pub(crate) point: Vec3A,
    pub(crate) normal: Vec3A,
}

/// A triangle in the picture: (normal / depth, 1 / depth) is `value + dx * (x - origin.x) + dy * (y - origin.y)`.
#[derive(Clone, Copy)]
pub(crate) struct Triangle {
    origin: Vec2,
    value: Vec4,
    dx: Vec4,
    dy: Vec4,
    pub(crate) instance: u32,
}

impl Triangle {
    /// (normal / depth, 1 / depth) at a point of the picture.
    #[inline(always)]
    pub(crate) fn at(&self, x: f32, y: f32) -> Vec4 {
        self.value + self.dx * (x - self.origin.x) + self.dy * (y - self.origin.y)
    }

    /// 1 / depth at a point of the picture.
    #[inline(always)]
    fn inverse_depth_at(&self, x: f32, y: f32) -> f32 {
        self.value.w + self.dx.w * (x - self.origin.x) + self.dy.w * (y - self.origin.y)
    }
}

/// A picture of triangles: which is nearest at each sample.
#[derive(Default)]
pub(crate) struct Target {
    width: usize,
    height: usize,
    /// 0 where there is nothing.
    pub(crate) inverse_depth: Vec<f32>,
    /// Index into `triangles` plus one; 0 where there is none.
    pub(crate) nearest: Vec<u32>,
    pub(crate) triangles: Vec<Triangle>,
}

impl Target {
    /// Empties it.
    pub(crate) fn clear(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.inverse_depth.clear();
        self.inverse_depth.resize(width * height, 0.0);
        self.nearest.clear();
        self.nearest.resize(width * height, 0);
        self.triangles.clear();
    }

    /// Draws a triangle if it faces the camera.
    #[inline(always)]
    pub(crate) fn draw(&mut self, lens: &Lens, instance: u32, corners: [Corner; 3]) {
        let (polygon, n) = clipped(corners);
        for i in 2..n {
            self.draw_visible(lens, instance, [polygon[0], polygon[i - 1], polygon[i]]);
        }
    }

    #[inline(always)]
    fn draw_visible(&mut self, lens: &Lens, instance: u32, corners: [Corner; 3]) {
        let [a, b, c] = [
            lens.project(corners[0].point),
            lens.project(corners[1].point),
            lens.project(corners[2].point),
        ];
        let (ab, ac) = (b - a, c - a);
        let area = ab.x * ac.y - ac.x * ab.y;
        if !faces(area) {
            return;
        }
        let [qa, qb, qc] = [
            (corners[0].normal * a.z).extend(a.z),
            (corners[1].normal * b.z).extend(b.z),
            (corners[2].normal * c.z).extend(c.z),
        ];
        let inverse = 1.0 / area;
        let (q1, q2) = (qb - qa, qc - qa);
        let dx = (q1 * ac.y - q2 * ab.y) * inverse;
        let dy = (q2 * ab.x - q1 * ac.x) * inverse;
        let triangle = Triangle { origin: Vec2::new(a.x, a.y), value: qa, dx, dy, instance };
        let id = self.triangles.len() as u32 + 1;
        let width = self.width;
        let (depths, nearest) = (&mut self.inverse_depth, &mut self.nearest);
        let mut cover = Cover { triangle: &triangle, id, width, depths, nearest, is_seen: false };
        rows([a, b, c], width, self.height, &mut cover);
        if cover.is_seen {
            self.triangles.push(triangle);
        }
    }
}

/// The samples of a part of a row.
trait Span {
    fn cover(&mut self, y: usize, from: usize, to: usize);
}

/// A triangle over what is in a target already.
struct Cover<'a> {
    triangle: &'a Triangle,
    id: u32,
    width: usize,
    depths: &'a mut [f32],
    nearest: &'a mut [u32],
    /// Whether it has any sample.
    is_seen: bool,
}

impl Span for Cover<'_> {
    #[inline(always)]
    fn cover(&mut self, y: usize, from: usize, to: usize) {
        self.is_seen = true;
        let start = self.triangle.inverse_depth_at(from as f32 + 0.5, y as f32 + 0.5);
        let dx = self.triangle.dx.w;
        let range = y * self.width + from..y * self.width + to;
        // A copy: a choice between places in memory would be gathered.
        let id = self.id;
        let nearest = &mut self.nearest[range.clone()];
        for ((depth, nearest), step) in self.depths[range].iter_mut().zip(nearest).zip(0_i32..) {
            let here = start + dx * step as f32;
            let is_nearer = here > *depth;
            *depth = if is_nearer { here } else { *depth };
            *nearest = if is_nearer { id } else { *nearest };
        }
    }
}

/// Ones in a stencil.
struct Stamp<'a> {
    stencil: &'a mut [u8],
    width: usize,
}

impl Span for Stamp<'_> {
    #[inline(always)]
    fn cover(&mut self, y: usize, from: usize, to: usize) {
        self.stencil[y * self.width + from..y * self.width + to].fill(1);
    }
}

/// Sets the samples of a stencil that a triangle covers, if it faces the camera.
#[inline(always)]
pub(crate) fn stamp(
    stencil: &mut [u8],
    width: usize,
    height: usize,
    lens: &Lens,
    points: [Vec3A; 3],
) {
    let corners = points.map(|point| Corner { point, normal: Vec3A::ZERO });
    let (polygon, n) = clipped(corners);
    for i in 2..n {
        let [a, b, c] = [0, i - 1, i].map(|i| lens.project(polygon[i].point));
        let (ab, ac) = (b - a, c - a);
        if faces(ab.x * ac.y - ac.x * ab.y) {
            rows([a, b, c], width, height, &mut Stamp { stencil, width });
        }
    }
}

/// Whether a triangle of this doubled area is seen from the front: counter-clockwise, in a picture whose y points down.
#[inline(always)]
fn faces(area: f32) -> bool {
    area < -1e-6
}

/// What of a triangle lies in front of the near plane: the corners of a polygon and their number.
#[inline(always)]
fn clipped(corners: [Corner; 3]) -> ([Corner; 4], usize) {
    let [a, b, c] = corners;
    let n_inside = corners.iter().filter(|corner| corner.point.z >= NEAR).count();
    if n_inside == 3 {
        return ([a, b, c, c], 3);
    }
    if n_inside == 0 {
        return ([a, b, c, c], 0);
    }
    let mut polygon = [corners[0]; 4];
    let mut n = 0;
    for i in 0..3 {
        let (from, to) = (corners[i], corners[(i + 1) % 3]);
        if from.point.z >= NEAR {
            polygon[n] = from;
            n += 1;
        }
        if (from.point.z >= NEAR) != (to.point.z >= NEAR) {
            let part = (NEAR - from.point.z) / (to.point.z - from.point.z);
            let mut point = from.point + (to.point - from.point) * part;
            point.z = NEAR;
            polygon[n] = Corner { point, normal: from.normal + (to.normal - from.normal) * part };
            n += 1;
        }
    }
    (polygon, n)
}

/// Covers the samples whose centres lie in a triangle. Triangles with a common edge compute it
/// alike, so no sample is in both and none is in neither.
#[inline(always)]
fn rows(corners: [Vec3A; 3], width: usize, height: usize, span: &mut impl Span) {
    let [mut top, mut middle, mut bottom] = corners;
    if middle.y < top.y {
        std::mem::swap(&mut top, &mut middle);
    }
    if bottom.y < middle.y {
        std::mem::swap(&mut middle, &mut bottom);
        if middle.y < top.y {
            std::mem::swap(&mut top, &mut middle);
        }
    }
    let slope = |from: Vec3A, to: Vec3A| {
        if to.y > from.y { (to.x - from.x) / (to.y - from.y) } else { 0.0 }
    };
    let long = slope(top, bottom);
    let middle_is_right = middle.x > top.x + (middle.y - top.y) * long;
    let (upper, lower) = (slope(top, middle), slope(middle, bottom));
    let half = sample(middle.y, height);
    for y in sample(top.y, height)..sample(bottom.y, height) {
        let (from, short) = if y < half { (top, upper) } else { (middle, lower) };
        let centre = y as f32 + 0.5;
        let along_long = sample(top.x + (centre - top.y) * long, width);
        let along_short = sample(from.x + (centre - from.y) * short, width);
        let (left, right) =
            if middle_is_right { (along_long, along_short) } else { (along_short, along_long) };
        if left < right {
            span.cover(y, left, right);
        }
    }
}

/// The first sample whose centre lies after `position`, at most `n`.
#[inline(always)]
fn sample(position: f32, n: usize) -> usize {
    // The conversion drops the fraction of what is positive and makes the rest 0.
    ((position + 0.5) as usize).min(n)
}
