//! Dense truth of a drawn frame: distances, and where each point goes until the next frame.

use std::sync::Arc;

use glam::{Affine3A, Vec2, Vec3A};

use super::raster::{Camera, Corner, Target};
use super::shade::Light;
use super::{Renderer, Scene, Shot};

/// Side of the squares that the flow is given for, pixels.
pub const FLOW_STEP: usize = 8;

impl Renderer {
    /// Distance along the camera's axis that each pixel of the last frame shows, units; infinite for the sky.
    ///
    /// # Shapes
    /// - returned: `[height, width]`
    ///
    /// # Panics
    /// unless the last frame showed this scene at this size
    #[must_use]
    pub fn depth(&self, scene: &Scene, width: usize, height: usize) -> Vec<f32> {
        assert_eq!(self.entities.len(), width * height, "another frame was drawn last");
        let camera = Camera::new(&scene.view);
        let lens = camera.lens(width, height);
        let mut depths = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let first = 4 * y * width + 2 * x;
                let nearest = [0, 1, 2 * width, 2 * width + 1]
                    .map(|step| self.nearest_inverse(first + step))
                    .into_iter()
                    .fold(0.0, f32::max);
                let ray = camera.ray(&lens, x as f32 + 0.5, y as f32 + 0.5);
                depths.push(if nearest > 0.0 {
                    1.0 / nearest
                } else if ray.y < -1e-6 {
                    camera.eye.y / -ray.y
                } else {
                    f32::INFINITY
                });
            }
        }
        depths
    }

    /// Inverse depth of a sample, of glass too.
    fn nearest_inverse(&self, at: usize) -> f32 {
        let glass = self.glass.inverse_depth.get(at).copied().filter(|_| self.has_glass);
        self.samples.inverse_depth[at].max(glass.unwrap_or(0.0))
    }

    /// How far what the middle of each square of 8 by 8 pixels shows moves until `next`, pixels to the right and down.
    ///
    /// # Shapes
    /// - returned: `[height / 8, width / 8, 2]`
    ///
    /// # Panics
    /// unless the last frame showed `scene` at this size
    #[must_use]
    pub fn flow(&self, scene: &Scene, next: &Scene, width: usize, height: usize) -> Vec<[f32; 2]> {
        assert_eq!(self.entities.len(), width * height, "another frame was drawn last");
        let (camera, then) = (Camera::new(&scene.view), Camera::new(&next.view));
        let (lens, then_lens) = (camera.lens(width, height), then.lens(width, height));
        let to_view = then.to_view();
        let mut flow = Vec::with_capacity(width * height / (FLOW_STEP * FLOW_STEP));
        for row in 0..height / FLOW_STEP {
            for column in 0..width / FLOW_STEP {
                let (x, y) = (column * FLOW_STEP + FLOW_STEP / 2, row * FLOW_STEP + FLOW_STEP / 2);
                let at = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                let ray = camera.ray(&lens, at.x, at.y);
                let (point, is_sky) =
                    self.point_then(scene, next, &camera, ray.into(), (x, y, width));
                let seen = if is_sky {
                    // The sky turns with the camera, and is not nearer when it moves.
                    to_view.transform_vector3a(point)
                } else {
                    to_view.transform_point3a(point)
                };
                let moved = if seen.z > 0.05 {
                    let to = then_lens.project(seen);
                    Vec2::new(to.x, to.y) - at
                } else {
                    Vec2::ZERO
                };
                flow.push(moved.to_array());
            }
        }
        flow
    }

    /// Where the point that a pixel shows is in the next frame; for the sky its direction, and true. Of things that are
    /// alike, such as grains of sand, the nearest is taken for the same.
    fn point_then(
        &self,
        scene: &Scene,
        next: &Scene,
        camera: &Camera,
        ray: Vec3A,
        (x, y, width): (usize, usize, usize),
    ) -> (Vec3A, bool) {
        let sample = 4 * y * width + 2 * x;
        let id = |target: &Target| target.nearest[sample];
        let glass =
            self.has_glass && self.glass.inverse_depth[sample] > self.samples.inverse_depth[sample];
        let target = if glass { &self.glass } else { &self.samples };
        if id(target) == 0 {
            return if ray.y < -1e-6 {
                (camera.eye + ray * (camera.eye.y / -ray.y), false)
            } else {
                (ray, true)
            };
        }
        let triangle = &target.triangles[id(target) as usize - 1];
        let instance = &scene.instances[triangle.instance as usize];
        let depth = 1.0 / target.inverse_depth[sample].max(1e-6);
        let point = camera.eye + ray * depth;
        let own = instance.pose.inverse().transform_point3a(point);
        let from = instance.pose.translation;
        let far = |pose: &Affine3A| (pose.translation - from).length_squared();
        let pose = next
            .instances
            .iter()
            .filter(|other| Arc::ptr_eq(&other.mesh, &instance.mesh))
            .map(|other| &other.pose)
            .min_by(|a, b| far(a).total_cmp(&far(b)))
            .unwrap_or(&instance.pose);
        (pose.transform_point3a(own), false)
    }

    /// Share of an entity's outline that the last frame shows, 0 for one that is hidden or out of the picture.
    ///
    /// # Panics
    /// unless the last frame showed this scene at this size
    #[must_use]
    pub fn visible_share(&mut self, scene: &Scene, entity: u8, width: usize, height: usize) -> f32 {
        assert_eq!(self.entities.len(), width * height, "another frame was drawn last");
        let camera = Camera::new(&scene.view);
        let lens = camera.lens(width, height);
        let shot = Shot { scene, camera, lens, light: Light::new(scene), width, height };
        let mut alone = Target::default();
        alone.clear(width, height);
        for (i, instance) in scene.instances.iter().enumerate() {
            if instance.entity == entity {
                self.place(&instance.mesh, &instance.pose, &shot);
                for triangle in &instance.mesh.triangles {
                    let corners = triangle
                        .map(|i| Corner { point: self.points[i as usize], normal: Vec3A::ZERO });
                    alone.draw(&lens, i as u32, corners);
                }
            }
        }
        let outline = alone.nearest.iter().filter(|id| **id > 0).count();
        let shown = self.entities.iter().filter(|shown| **shown == entity).count();
        if outline == 0 { 0.0 } else { (shown as f32 / outline as f32).min(1.0) }
    }

    /// The least box around the pixels of the last frame that show an entity: left, top, right and bottom, the latter
    /// two beyond it; nothing if there are none.
    #[must_use]
    pub fn bounds(&self, entity: u8, width: usize) -> Option<[usize; 4]> {
        let mut bounds: Option<[usize; 4]> = None;
        for (i, _) in self.entities.iter().enumerate().filter(|(_, shown)| **shown == entity) {
            let (x, y) = (i % width, i / width);
            bounds = Some(bounds.map_or([x, y, x + 1, y + 1], |[left, top, right, bottom]| {
                [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]
            }));
        }
        bounds
    }
}
