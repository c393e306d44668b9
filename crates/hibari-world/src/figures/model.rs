//! A jointed model: coloured meshes, each fixed to a bone. A pose is one transform per bone.

use std::sync::Arc;

use glam::{Affine3A, Mat3, Quat, Vec3};

use crate::render::{Instance, Mesh, Surface};

/// One mesh of one look on one bone.
#[derive(Clone, Debug)]
struct Part {
    bone: usize,
    mesh: Arc<Mesh>,
    surface: Surface,
    casts_shadow: bool,
}

/// Meshes on bones, ready to be posed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    parts: Vec<Part>,
}

impl Model {
    /// Fixes a mesh to a bone; what looks alike on the same bone becomes one mesh.
    pub(crate) fn add(&mut self, bone: usize, mesh: &Mesh, pose: Affine3A, surface: Surface) {
        let alike = self.parts.iter_mut().find(|part| part.bone == bone && part.surface == surface);
        match alike {
            Some(part) => {
                let merged = Mesh::merge(&[(&part.mesh, Affine3A::IDENTITY), (mesh, pose)]);
                part.mesh = Arc::new(merged);
            }
            None => self.parts.push(Part {
                bone,
                mesh: Arc::new(mesh.transformed(pose)),
                surface,
                casts_shadow: true,
            }),
        }
    }

    /// Lets no part darken the ground.
    pub(crate) fn without_shadow(mut self) -> Self {
        for part in &mut self.parts {
            part.casts_shadow = false;
        }
        self
    }

    /// Adds the model's instances in the given pose, `bones` by the numbers that [`Model::add`] was given.
    pub(crate) fn instances(&self, bones: &[Affine3A], entity: u8, to: &mut Vec<Instance>) {
        to.extend(self.parts.iter().map(|part| Instance {
            mesh: Arc::clone(&part.mesh),
            pose: bones[part.bone],
            surface: part.surface,
            casts_shadow: part.casts_shadow,
            entity,
        }));
    }
}

/// A place without a turn.
pub(crate) fn at(x: f32, y: f32, z: f32) -> Affine3A {
    Affine3A::from_translation(Vec3::new(x, y, z))
}

/// A place and a size along each axis.
pub(crate) fn scaled(size: Vec3, place: Vec3) -> Affine3A {
    Affine3A::from_scale_rotation_translation(size, Quat::IDENTITY, place)
}

/// A place and turns, radians: first about z, then x, then y.
pub(crate) fn turned(x: f32, y: f32, z: f32, place: Vec3) -> Affine3A {
    let turn = Quat::from_rotation_y(y) * Quat::from_rotation_x(x) * Quat::from_rotation_z(z);
    Affine3A::from_rotation_translation(turn, place)
}

/// A bone whose origin is at `from` and whose -y axis leads to `to`, stretched so that its `length` ends there;
/// `forward` is about its z axis.
pub(crate) fn limb(from: Vec3, to: Vec3, length: f32, forward: Vec3) -> Affine3A {
    let way = to - from;
    let y = -way.normalize_or(Vec3::NEG_Y);
    let x = y.cross(forward).normalize_or(Vec3::X);
    let z = x.cross(y);
    let stretch = way.length() / length;
    Affine3A::from_mat3_translation(Mat3::from_cols(x, y * stretch, z), from)
}

/// The middle joint of a limb of two halves of length `half` from `from` to `to`, bent towards `pole`.
pub(crate) fn joint(from: Vec3, to: Vec3, half: f32, pole: Vec3) -> Vec3 {
    let way = to - from;
    let middle = from + 0.5 * way;
    let rise = (half * half - 0.25 * way.length_squared()).max(0.0).sqrt();
    let along = way.normalize_or(Vec3::NEG_Y);
    let side = (pole - along * pole.dot(along)).normalize_or(Vec3::Z);
    middle + side * rise
}
