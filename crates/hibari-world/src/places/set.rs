//! Scenery: fixed meshes, joined by looks, that repeat along the way.

use std::sync::Arc;

use glam::{Affine3A, Vec3};

use crate::render::{Instance, Mesh, Surface};
use crate::timeline::motion::sine;

/// Changes of a neon sign's light per second.
const PULSE_HZ: f32 = 0.35;

/// Meshes of one look.
#[derive(Clone, Debug)]
struct Piece {
    mesh: Arc<Mesh>,
    surface: Surface,
    /// Phase of the pulse of its light, turns; nothing for steady light.
    pulse: Option<f32>,
    casts_shadow: bool,
}

/// How a piece of scenery behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Stands and darkens the ground.
    Solid,
    /// Stands; too flat, high or far to darken the ground.
    Flat,
    /// A light that pulses slowly, from this phase in turns.
    Pulsing(f32),
}

/// A stretch of scenery.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pieces: Vec<Piece>,
}

impl Set {
    /// Adds a mesh; what looks and behaves alike becomes one mesh.
    pub(super) fn add(&mut self, kind: Kind, mesh: &Mesh, pose: Affine3A, surface: Surface) {
        let pulse = if let Kind::Pulsing(phase) = kind { Some(phase) } else { None };
        let casts_shadow = kind == Kind::Solid;
        let alike = self.pieces.iter_mut().find(|piece| {
            piece.surface == surface && piece.pulse == pulse && piece.casts_shadow == casts_shadow
        });
        match alike {
            Some(piece) => {
                let merged = Mesh::merge(&[(&piece.mesh, Affine3A::IDENTITY), (mesh, pose)]);
                piece.mesh = Arc::new(merged);
            }
            None => self.pieces.push(Piece {
                mesh: Arc::new(mesh.transformed(pose)),
                surface,
                pulse,
                casts_shadow,
            }),
        }
    }

    /// Adds all of another set, turned.
    pub(super) fn append(&mut self, other: &Self, pose: Affine3A) {
        for piece in &other.pieces {
            let kind = match (piece.pulse, piece.casts_shadow) {
                (Some(phase), _) => Kind::Pulsing(phase),
                (None, true) => Kind::Solid,
                (None, false) => Kind::Flat,
            };
            self.add(kind, &piece.mesh, pose, piece.surface);
        }
    }

    /// Adds the instances of the set at a place and time.
    pub(super) fn instances(&self, pose: Affine3A, secs: f32, to: &mut Vec<Instance>) {
        to.extend(self.pieces.iter().map(|piece| {
            let mut surface = piece.surface;
            if let Some(phase) = piece.pulse {
                surface.glow *= 0.82 + 0.28 * sine(PULSE_HZ * secs + phase);
            }
            Instance {
                mesh: Arc::clone(&piece.mesh),
                pose,
                surface,
                casts_shadow: piece.casts_shadow,
                entity: 0,
            }
        }));
    }
}

/// A flat board of a size, facing z.
pub(super) fn board(width: f32, height: f32, depth: f32) -> Mesh {
    Mesh::cuboid(Vec3::new(width, height, depth))
}
