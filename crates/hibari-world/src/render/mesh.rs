//! Triangle meshes with smooth normals, and the shapes that everything is built of.
//!
//! Shapes stand around the origin unless they say otherwise; the axis of round shapes is y. Triangles are
//! counter-clockwise seen from outside.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use glam::{Affine3A, Mat3A, Vec2, Vec3, Vec3A};

/// A triangle mesh with smooth normals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Corners, metres.
    pub positions: Vec<Vec3>,
    /// Unit normal of each corner.
    pub normals: Vec<Vec3>,
    /// Indices of three corners, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// A point of an outline that is turned about y: (radius, height), with its outward normal in the same plane.
struct Rim {
    point: Vec2,
    normal: Vec2,
}

impl Mesh {
    /// A sphere of `segments` meridians (at least 3) and half as many parallels.
    #[must_use]
    pub fn sphere(radius: f32, segments: usize) -> Self {
        Self::capsule(radius, 0.0, segments)
    }

    /// A cylinder with round ends: `length` is from the centre of one end to that of the other.
    #[must_use]
    pub fn capsule(radius: f32, length: f32, segments: usize) -> Self {
        let quarter = (segments / 4).max(1);
        let mut outline = Vec::with_capacity(2 * quarter + 2);
        for half in 0..2 {
            let centre = length * (half as f32 - 0.5);
            // Without a straight part both halves meet in one ring.
            for step in usize::from(half == 1 && length <= 0.0)..=quarter {
                let angle = FRAC_PI_2 * (half as f32 - 1.0 + step as f32 / quarter as f32);
                let at_pole = (half == 0 && step == 0) || (half == 1 && step == quarter);
                let mut normal = Vec2::from_angle(angle);
                if at_pole {
                    normal.x = 0.0;
                }
                outline.push(Rim { point: normal * radius + Vec2::new(0.0, centre), normal });
            }
        }
        turn(&outline, segments)
    }

    /// A cylinder with flat ends.
    #[must_use]
    pub fn cylinder(radius: f32, height: f32, segments: usize) -> Self {
        Self::frustum(radius, radius, height, segments)
    }

    /// A cone with a flat base, its tip up.
    #[must_use]
    pub fn cone(radius: f32, height: f32, segments: usize) -> Self {
        Self::frustum(radius, 0.0, height, segments)
    }

    /// A cone without its tip: radii at the lower and the upper end; flat ends.
    #[must_use]
    pub fn frustum(lower: f32, upper: f32, height: f32, segments: usize) -> Self {
        let (bottom, top) = (Vec2::new(lower, -0.5 * height), Vec2::new(upper, 0.5 * height));
        let side = Vec2::new(height, lower - upper).normalize_or(Vec2::X);
        let mut outline = Vec::with_capacity(6);
        if lower > 0.0 {
            outline.push(Rim { point: Vec2::new(0.0, bottom.y), normal: Vec2::NEG_Y });
            outline.push(Rim { point: bottom, normal: Vec2::NEG_Y });
        }
        outline.push(Rim { point: bottom, normal: side });
        outline.push(Rim { point: top, normal: side });
        if upper > 0.0 {
            outline.push(Rim { point: top, normal: Vec2::Y });
            outline.push(Rim { point: Vec2::new(0.0, top.y), normal: Vec2::Y });
        }
        turn(&outline, segments)
    }

    /// A shape turned about y: `profile` holds (radius, height) from the lowest point upwards along the outside. The
    /// same point twice makes a sharp edge.
    ///
    /// # Panics
    /// if the profile has fewer than two points
    #[must_use]
    #[track_caller]
    pub fn lathe(profile: &[Vec2], segments: usize) -> Self {
        assert!(profile.len() >= 2, "a profile of {} points has no side", profile.len());
        // The outward normal of a stretch that goes up is its direction turned clockwise.
        let across = |from: usize, to: usize| {
            let way = profile[to] - profile[from];
            Vec2::new(way.y, -way.x).normalize_or_zero()
        };
        let outline: Vec<Rim> = (0..profile.len())
            .map(|i| {
                let before = if i > 0 { across(i - 1, i) } else { Vec2::ZERO };
                let after = if i + 1 < profile.len() { across(i, i + 1) } else { Vec2::ZERO };
                Rim { point: profile[i], normal: (before + after).normalize_or(Vec2::X) }
            })
            .collect();
        turn(&outline, segments)
    }

    /// A ring about y: from the centre to the middle of the tube, and the tube's own radius.
    #[must_use]
    pub fn torus(radius: f32, tube: f32, segments: usize, tube_segments: usize) -> Self {
        let steps = tube_segments.max(3);
        let outline: Vec<Rim> = (0..=steps)
            .map(|step| {
                let normal = Vec2::from_angle(TAU * (step % steps) as f32 / steps as f32);
                Rim { point: normal * tube + Vec2::new(radius, 0.0), normal }
            })
            .collect();
        turn(&outline, segments)
    }

    /// A box with sharp edges; `size` is from side to side.
    #[must_use]
    pub fn cuboid(size: Vec3) -> Self {
        let half = 0.5 * size;
        let mut mesh = Self::default();
        for normal in [Vec3::X, Vec3::NEG_X, Vec3::Y, Vec3::NEG_Y, Vec3::Z, Vec3::NEG_Z] {
            let side = Vec3::new(normal.y, normal.z, normal.x).abs();
            let up = normal.cross(side);
            mesh.quad(
                [-side - up, side - up, side + up, up - side]
                    .map(|corner| (normal + corner) * half),
                normal,
            );
        }
        mesh
    }

    /// A box whose edges and corners are rounded with `radius`, in `steps` steps (1 or 2 suffice).
    #[must_use]
    pub fn rounded_box(size: Vec3, radius: f32, steps: usize) -> Self {
        let steps = steps.max(1);
        let radius = radius.min(0.5 * size.min_element());
        let inner = 0.5 * size - Vec3::splat(radius);
        let mut mesh = Self::default();
        // A sphere, cut into its eight octants, which are pulled apart to the corners.
        let n_columns = 4 * (steps + 1);
        let n_rows = 2 * (steps + 1);
        for row in 0..n_rows {
            let (half, step) = (row / (steps + 1), row % (steps + 1));
            let rise =
                Vec2::from_angle(FRAC_PI_2 * (half as f32 - 1.0 + step as f32 / steps as f32));
            let y_sign = half as f32 * 2.0 - 1.0;
            for column in 0..n_columns {
                let (quarter, step) = (column / (steps + 1), column % (steps + 1));
                let round =
                    Vec2::from_angle(FRAC_PI_2 * (quarter as f32 + step as f32 / steps as f32));
                let x_sign = if quarter == 0 || quarter == 3 { 1.0 } else { -1.0 };
                let z_sign = if quarter < 2 { 1.0 } else { -1.0 };
                let normal = Vec3::new(rise.x * round.x, rise.y, rise.x * round.y);
                mesh.positions.push(normal * radius + inner * Vec3::new(x_sign, y_sign, z_sign));
                mesh.normals.push(normal);
            }
        }
        mesh.weave(n_rows, n_columns);
        // At the poles the octants leave a rectangle open.
        for up in [-1.0, 1.0] {
            let corner = |x: f32, z: f32| Vec3::new(x * inner.x, up * 0.5 * size.y, z * inner.z);
            let mut corners =
                [corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0), corner(-1.0, -1.0)];
            if up < 0.0 {
                corners.reverse();
            }
            mesh.quad(corners, Vec3::Y * up);
        }
        mesh
    }

    /// A rectangle in the plane of x and y that faces z; seen from that side only.
    #[must_use]
    pub fn rectangle(width: f32, height: f32) -> Self {
        let (x, y) = (0.5 * width, 0.5 * height);
        let mut mesh = Self::default();
        mesh.quad(
            [
                Vec3::new(-x, -y, 0.0),
                Vec3::new(x, -y, 0.0),
                Vec3::new(x, y, 0.0),
                Vec3::new(-x, y, 0.0),
            ],
            Vec3::Z,
        );
        mesh
    }

    /// A flat round plate in the plane of x and y that faces z; seen from that side only.
    #[must_use]
    pub fn disc(radius: f32, segments: usize) -> Self {
        let n = segments.max(3);
        let mut mesh = Self::default();
        for i in 0..n {
            mesh.positions.push((Vec2::from_angle(TAU * i as f32 / n as f32) * radius).extend(0.0));
            mesh.normals.push(Vec3::Z);
        }
        mesh.triangles.extend((1..n as u32 - 1).map(|i| [0, i, i + 1]));
        mesh
    }

    /// One mesh of several, each in its place.
    #[must_use]
    pub fn merge(parts: &[(&Self, Affine3A)]) -> Self {
        let mut mesh = Self::default();
        for (part, pose) in parts {
            let first = mesh.positions.len() as u32;
            let turn = normal_matrix(pose);
            mesh.positions.extend(part.positions.iter().map(|&p| pose.transform_point3(p)));
            mesh.normals.extend(
                part.normals.iter().map(|&n| Vec3::from(turn * Vec3A::from(n)).normalize_or_zero()),
            );
            mesh.triangles.extend(part.triangles.iter().map(|corners| corners.map(|i| i + first)));
        }
        mesh
    }

    /// The mesh in another place or of another form.
    #[must_use]
    pub fn transformed(&self, pose: Affine3A) -> Self {
        Self::merge(&[(self, pose)])
    }

    /// Adds a flat quadrilateral.
    fn quad(&mut self, corners: [Vec3; 4], normal: Vec3) {
        let first = self.positions.len() as u32;
        self.positions.extend(corners);
        self.normals.extend([normal; 4]);
        self.triangles.extend([[first, first + 1, first + 2], [first, first + 2, first + 3]]);
    }

    /// Joins all corners, taken as `n_rows` rings of `n_columns` from the lowest upwards, leaving out what has no area.
    fn weave(&mut self, n_rows: usize, n_columns: usize) {
        for row in 1..n_rows {
            for column in 0..n_columns {
                let index =
                    |row: usize, column: usize| (row * n_columns + column % n_columns) as u32;
                let (a, b) = (index(row - 1, column), index(row, column));
                let (c, d) = (index(row - 1, column + 1), index(row, column + 1));
                for corners in [[a, b, c], [c, b, d]] {
                    let [p, q, r] = corners.map(|i| self.positions[i as usize]);
                    if (q - p).cross(r - p).length_squared() > 1e-16 {
                        self.triangles.push(corners);
                    }
                }
            }
        }
    }
}

/// What turns normals when `pose` moves points: its inverse, transposed (up to scale).
pub(crate) fn normal_matrix(pose: &Affine3A) -> Mat3A {
    let Mat3A { x_axis: x, y_axis: y, z_axis: z } = pose.matrix3;
    Mat3A::from_cols(y.cross(z), z.cross(x), x.cross(y))
}

/// Turns an outline about y.
fn turn(outline: &[Rim], segments: usize) -> Mesh {
    let n = segments.max(3);
    let mut mesh = Mesh::default();
    for rim in outline {
        for i in 0..n {
            // Half a step, so that few segments still have a flat front.
            let way = Vec2::from_angle(TAU * (i as f32 + 0.5) / n as f32 - PI);
            mesh.positions.push(Vec3::new(rim.point.x * way.x, rim.point.y, rim.point.x * way.y));
            mesh.normals.push(Vec3::new(rim.normal.x * way.x, rim.normal.y, rim.normal.x * way.y));
        }
    }
    mesh.weave(outline.len(), n);
    mesh
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every triangle faces as its corners' normals do, and the volume is as expected.
    #[track_caller]
    fn check(name: &str, mesh: &Mesh, volume: f32, tolerance: f32) {
        let mut found = 0.0;
        for corners in &mesh.triangles {
            let [a, b, c] = corners.map(|i| mesh.positions[i as usize]);
            let across = (b - a).cross(c - a);
            let normals: Vec3 = corners.iter().map(|&i| mesh.normals[i as usize]).sum();
            assert!(across.dot(normals) > 0.0, "{name}: {corners:?} faces inwards");
            found += a.dot(b.cross(c)) / 6.0;
        }
        for normal in &mesh.normals {
            assert!((normal.length() - 1.0).abs() < 1e-5, "{name}: normal {normal}");
        }
        assert!(
            (found / volume - 1.0).abs() < tolerance,
            "{name}: volume {found}, expected {volume}"
        );
    }

    #[test]
    fn shapes_are_closed_and_face_outwards() {
        let ball = 4.0 / 3.0 * PI;
        check("sphere", &Mesh::sphere(1.0, 32), ball, 0.03);
        check("capsule", &Mesh::capsule(1.0, 2.0, 32), ball + 2.0 * PI, 0.03);
        check("cylinder", &Mesh::cylinder(1.0, 2.0, 48), 2.0 * PI, 0.01);
        check("cone", &Mesh::cone(1.0, 3.0, 48), PI, 0.01);
        check("frustum", &Mesh::frustum(2.0, 1.0, 3.0, 48), 7.0 * PI, 0.01);
        check("torus", &Mesh::torus(2.0, 0.5, 48, 24), PI * PI, 0.02);
        check("cuboid", &Mesh::cuboid(Vec3::new(1.0, 2.0, 3.0)), 6.0, 1e-5);
        check("rounded box", &Mesh::rounded_box(Vec3::new(1.0, 2.0, 3.0), 0.1, 2), 5.94, 0.01);
        let profile = [
            Vec2::ZERO,
            Vec2::X,
            Vec2::X,
            Vec2::new(1.0, 2.0),
            Vec2::new(1.0, 2.0),
            Vec2::new(0.0, 2.0),
        ];
        check("lathe", &Mesh::lathe(&profile, 48), 2.0 * PI, 0.01);
        let stretched =
            Mesh::sphere(1.0, 32).transformed(Affine3A::from_scale(Vec3::new(1.0, 2.0, 3.0)));
        check("ellipsoid", &stretched, 6.0 * ball, 0.03);
    }
}
