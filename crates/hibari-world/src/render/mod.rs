//! The renderer: a scene to a frame, on one thread, the same bits everywhere.

pub mod mesh;
pub mod scene;

pub use mesh::Mesh;
pub use scene::{Disc, Instance, Lamp, Pattern, Scene, Sky, Surface, View};
