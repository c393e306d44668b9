//! Faces: eyes, brows and a mouth that show five expressions, large enough to be read in a close-up.

use glam::{Vec2, Vec3};

use super::model::{Model, at, scaled, turned};
use super::palette::{INK, LIPS, SKIN};
use crate::render::{Mesh, Surface};
use crate::vocabulary::Expression;

/// Left and right in the figure's frame, in which z is forward.
const SIDES: [f32; 2] = [1.0, -1.0];
/// Radii of the ball that a face lies on, and how far the features stand out of it.
const HEAD: Vec3 = Vec3::new(0.275, 0.264, 0.261);

/// What a face is drawn from.
pub(super) struct Face {
    /// Middle of the head in the frame of its bone.
    pub(super) middle: Vec3,
    /// Whether there is a blush, and a small mouth.
    pub(super) woman: bool,
    /// Whether glasses hide the eyes.
    pub(super) glasses: bool,
    /// What the face shows.
    pub(super) expression: Expression,
}

/// Adds a face to the bone of a round head.
pub(super) fn add_face(model: &mut Model, bone: usize, face: &Face) {
    let Face { middle, woman, expression, .. } = *face;
    let ball = Mesh::sphere(1.0, 8);
    let big = if expression == Expression::Surprised { 1.22 } else { 1.0 };
    let eye_size = Vec3::new(0.040, 0.062, 0.03) * Vec3::new(big, big, 1.0);
    for side in SIDES {
        if !face.glasses && expression == Expression::Happy {
            // Eyes that laugh are arcs.
            let arc =
                [(-0.045, -0.018), (-0.025, 0.012), (0.0, 0.022), (0.025, 0.012), (0.045, -0.018)];
            let points = arc.map(|(x, y)| Vec2::new(side * 0.102 + x, y));
            add_line(model, bone, middle, &points, 0.017, Surface::glossy(INK, 0.5));
        } else if !face.glasses {
            let eye = Vec3::new(side * 0.102, middle.y - 0.015, 0.225);
            model.add(bone, &ball, scaled(eye_size, eye), Surface::glossy(INK, 0.5));
            let glint = eye + Vec3::new(0.014, 0.026, 0.028);
            let white = Surface::matte(Vec3::splat(0.95));
            model.add(bone, &Mesh::sphere(0.013, 6), at(glint.x, glint.y, glint.z), white);
        }
        if woman {
            let cheek = Vec3::new(side * 0.155, middle.y - 0.095, 0.195);
            let blush = Surface::matte(SKIN.lerp(Vec3::new(0.9, 0.2, 0.22), 0.4));
            model.add(bone, &ball, scaled(Vec3::new(0.04, 0.028, 0.02), cheek), blush);
        }
        add_brow(model, bone, middle, side, expression);
        if expression == Expression::Sad && !face.glasses {
            let tear = Surface::glossy(Vec3::new(0.25, 0.55, 0.95), 0.5);
            let place = on_head(middle, Vec2::new(side * 0.125, -0.105));
            model.add(bone, &ball, scaled(Vec3::new(0.020, 0.034, 0.015), place), tear);
        }
    }
    add_mouth(model, bone, face);
}

/// Brows; a calm face of the first mix has none, and neither has a happy one.
fn add_brow(model: &mut Model, bone: usize, middle: Vec3, side: f32, expression: Expression) {
    let (inner, outer) = match expression {
        Expression::Calm | Expression::Happy => return,
        Expression::Sad => (0.125, 0.070),
        Expression::Surprised => (0.135, 0.140),
        Expression::Angry => (0.052, 0.118),
    };
    let points = [
        (0.055, inner),
        (0.085, 0.5 * (inner + outer)),
        (0.118, 0.35 * inner + 0.65 * outer),
        (0.15, outer),
    ]
    .map(|(x, y)| Vec2::new(side * x, y));
    add_line(model, bone, middle, &points, 0.019, Surface::matte(INK));
}

fn add_mouth(model: &mut Model, bone: usize, face: &Face) {
    let Face { middle, woman, expression, .. } = *face;
    let ball = Mesh::sphere(1.0, 8);
    let lips = Surface::matte(LIPS);
    match expression {
        Expression::Calm => {
            let mouth = Vec3::new(0.0, middle.y - 0.135, 0.222);
            let size =
                if woman { Vec3::new(0.042, 0.022, 0.02) } else { Vec3::new(0.062, 0.018, 0.02) };
            model.add(bone, &ball, scaled(size, mouth), lips);
        }
        Expression::Happy => {
            // An open smile: a flat top and a round chin.
            let dark = Surface::matte(Vec3::new(0.28, 0.02, 0.03));
            let place = on_head(middle, Vec2::new(0.0, -0.130));
            model.add(bone, &ball, scaled(Vec3::new(0.082, 0.052, 0.02), place), dark);
            let teeth = on_head(middle, Vec2::new(0.0, -0.105)) + Vec3::Z * 0.013;
            let white = Surface::matte(Vec3::splat(0.92));
            model.add(bone, &ball, scaled(Vec3::new(0.062, 0.017, 0.012), teeth), white);
            let corners = [(-0.105, -0.082), (-0.088, -0.105), (0.088, -0.105), (0.105, -0.082)];
            for pair in corners.chunks(2) {
                let points = [0, 1].map(|i| Vec2::new(pair[i].0, pair[i].1));
                add_line(model, bone, middle, &points, 0.014, lips);
            }
        }
        Expression::Sad => {
            let arc =
                [(-0.075, -0.178), (-0.05, -0.150), (0.0, -0.136), (0.05, -0.150), (0.075, -0.178)];
            add_line(model, bone, middle, &arc.map(|(x, y)| Vec2::new(x, y)), 0.017, lips);
        }
        Expression::Surprised => {
            let place = on_head(middle, Vec2::new(0.0, -0.145));
            model.add(bone, &ball, scaled(Vec3::new(0.050, 0.062, 0.022), place), lips);
            let inside = Surface::matte(Vec3::new(0.10, 0.01, 0.015));
            let place = place + Vec3::Z * 0.010;
            model.add(bone, &ball, scaled(Vec3::new(0.034, 0.045, 0.02), place), inside);
        }
        Expression::Angry => {
            let arc =
                [(-0.085, -0.165), (-0.06, -0.140), (0.0, -0.136), (0.06, -0.140), (0.085, -0.165)];
            add_line(model, bone, middle, &arc.map(|(x, y)| Vec2::new(x, y)), 0.021, lips);
            let teeth = on_head(middle, Vec2::new(0.0, -0.145)) + Vec3::Z * 0.008;
            let white = Surface::matte(Vec3::splat(0.92));
            model.add(bone, &ball, scaled(Vec3::new(0.055, 0.014, 0.018), teeth), white);
        }
    }
}

/// The face on a robot's screen: glowing strokes.
pub(super) fn add_screen_face(
    model: &mut Model,
    bone: usize,
    middle: Vec3,
    expression: Expression,
) {
    let glow = Surface::glowing(Vec3::new(0.25, 0.95, 0.95), 1.0);
    let z = 0.247;
    let ball = Mesh::sphere(1.0, 8);
    let mut stroke = |points: &[(f32, f32)], thick: f32| {
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|(x, y)| Vec3::new(x, middle.y + y, z));
            model.add(bone, &Mesh::capsule(thick, from.distance(to), 6), between(from, to), glow);
        }
    };
    for side in SIDES {
        match expression {
            Expression::Happy => {
                stroke(&[(side * 0.15, 0.02), (side * 0.105, 0.06), (side * 0.06, 0.02)], 0.017);
            }
            Expression::Sad => {
                stroke(&[(side * 0.06, 0.09), (side * 0.15, 0.055)], 0.013);
            }
            Expression::Angry => {
                stroke(&[(side * 0.05, 0.06), (side * 0.16, 0.115)], 0.016);
            }
            Expression::Calm | Expression::Surprised => {}
        }
    }
    match expression {
        Expression::Calm => stroke(&[(-0.06, -0.095), (0.06, -0.095)], 0.016),
        Expression::Happy => stroke(
            &[(-0.10, -0.055), (-0.055, -0.105), (0.0, -0.12), (0.055, -0.105), (0.10, -0.055)],
            0.018,
        ),
        Expression::Sad => stroke(
            &[(-0.08, -0.125), (-0.045, -0.09), (0.0, -0.08), (0.045, -0.09), (0.08, -0.125)],
            0.016,
        ),
        Expression::Surprised => stroke(
            &[(-0.04, -0.10), (0.0, -0.07), (0.04, -0.10), (0.0, -0.13), (-0.04, -0.10)],
            0.016,
        ),
        Expression::Angry => {
            stroke(&[(-0.09, -0.12), (-0.03, -0.09), (0.03, -0.12), (0.09, -0.09)], 0.016);
        }
    }
    if expression != Expression::Happy {
        let size = match expression {
            Expression::Surprised => Vec3::new(0.056, 0.072, 0.014),
            Expression::Angry => Vec3::new(0.042, 0.034, 0.014),
            _ => Vec3::new(0.042, 0.052, 0.014),
        };
        for side in SIDES {
            let place = Vec3::new(side * 0.105, middle.y + 0.025, z);
            model.add(bone, &ball, scaled(size, place), glow);
        }
    }
}

/// A stroke on a round head through points of the plane that faces forward.
fn add_line(
    model: &mut Model,
    bone: usize,
    middle: Vec3,
    points: &[Vec2],
    thick: f32,
    surface: Surface,
) {
    for pair in points.windows(2) {
        let [from, to] = [pair[0], pair[1]].map(|point| on_head(middle, point));
        model.add(bone, &Mesh::capsule(thick, from.distance(to), 6), between(from, to), surface);
    }
}

/// The point of the head's front at (x, y) from its middle.
fn on_head(middle: Vec3, at: Vec2) -> Vec3 {
    let left = 1.0 - (at.x / HEAD.x) * (at.x / HEAD.x) - (at.y / HEAD.y) * (at.y / HEAD.y);
    middle + Vec3::new(at.x, at.y, HEAD.z * left.max(0.0).sqrt() + 0.004)
}

/// A pose of a capsule, whose axis is y, from one point to another.
fn between(from: Vec3, to: Vec3) -> glam::Affine3A {
    let way = to - from;
    let roll = Vec2::new(way.y, -way.x).to_angle();
    let flat = Vec2::new(way.x, way.y).length();
    let pitch = Vec2::new(flat, way.z).to_angle();
    turned(0.0, 0.0, roll, 0.5 * (from + to)) * turned(pitch, 0.0, 0.0, Vec3::ZERO)
}
