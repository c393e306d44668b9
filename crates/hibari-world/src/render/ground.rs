//! What is behind all instances: the ground, as far as the light, the shadows and the mirror reach, and the sky.

use glam::{Vec2, Vec3, Vec3A};

use super::shade::{LANES, Lane, Lanes3, Paints, Points, Spots, noise, pattern};
use super::{Renderer, Shot};

impl Renderer {
    /// Fills `behind` of the row where `wants_behind` asks for it: the ground or the sky, and how much of it blooms.
    #[inline(always)]
    pub(super) fn draw_behind(&mut self, shot: &Shot<'_>, y: usize) {
        for from in (0..shot.width).step_by(LANES) {
            let columns = from..shot.width.min(from + LANES);
            if !self.row.wants_behind[columns.clone()].contains(&true) {
                continue;
            }
            // How much of each pixel lies below the horizon.
            let mut below: Lane = [0.0; LANES];
            for (i, below) in below.iter_mut().enumerate() {
                let ray = shot.ray(from as f32 + i as f32, y as f32);
                *below = (0.5 - ray.y * shot.lens.focal).clamp(0.0, 1.0);
            }
            let has_ground = below.iter().any(|&below| below > 0.0);
            let ground = if has_ground { self.ground(shot, from, y) } else { Lanes3::ZERO };
            for x in columns {
                if self.row.wants_behind[x] {
                    let (ground, below) = (ground.at(x - from).into(), below[x - from]);
                    self.row.behind[x] = if below < 1.0 {
                        let (sky, bloom) = shot.sky(x, y, below);
                        (sky + (ground - sky) * below, bloom * (1.0 - below))
                    } else {
                        (ground, 0.0)
                    };
                }
            }
        }
    }

    /// The ground at a row of pixels from `(x, y)` on, also at those that see the sky or lie beyond the frame.
    #[inline(always)]
    fn ground(&self, shot: &Shot<'_>, x: usize, y: usize) -> Lanes3 {
        let Shot { scene, lens, width, .. } = *shot;
        let eye = Vec3::from(shot.camera.eye);
        let mut depth: Lane = [0.0; LANES];
        let mut detail: Lane = [0.0; LANES];
        let mut distance: Lane = [0.0; LANES];
        let mut points = Points {
            position: Lanes3::ZERO,
            normal: Lanes3::splat(Vec3::Y),
            to_eye: Lanes3::ZERO,
            sunlit: [1.0; LANES],
            open: [1.0; LANES],
            lamps: [shot.light.all_lamps(); LANES],
        };
        for i in 0..LANES {
            let ray = shot.ray(x as f32 + i as f32, y as f32);
            depth[i] = eye.y / (-ray.y).max(0.25 * lens.pixel);
            let stretch = ray.length_squared().sqrt();
            distance[i] = depth[i] * stretch;
            let to_eye = ray * (-1.0 / stretch);
            points.to_eye.set(i, to_eye);
            let position = eye + ray * depth[i];
            points.position.set(i, Vec3::new(position.x, 0.0, position.z));
            // A pixel is longer on the ground the flatter it is seen.
            detail[i] = depth[i] * lens.pixel / to_eye.y.max(0.02).sqrt();
        }
        for (i, x) in (x..width.min(x + LANES)).enumerate() {
            let shadow: u8 = [0, 1, 2 * width, 2 * width + 1]
                .iter()
                .map(|step| self.shadow[4 * y * width + 2 * x + step])
                .sum();
            points.open[i] = self.open[y * width + x];
            points.sunlit[i] = (1.0 - 0.25 * f32::from(shadow)) * (0.5 + 0.5 * points.open[i]);
        }
        let surface = &scene.ground;
        let mut paints = Paints {
            colour: Lanes3::ZERO,
            gloss: [surface.gloss; LANES],
            glow: [surface.glow; LANES],
        };
        let mut spots = Spots(&points.position, &detail, &mut paints.colour);
        pattern(&surface.pattern, surface.colour, &mut spots);
        let mut colour = shot.light.surfaces(&paints, &points);
        if scene.mirror > 0.0 {
            self.add_mirrored(shot, [x, y], &points, &mut colour);
        }
        for (i, distance) in distance.into_iter().enumerate() {
            colour.set(i, shot.light.fogged(colour.at(i), distance));
        }
        colour
    }

    /// Blends what a wet ground mirrors over it.
    #[inline(always)]
    fn add_mirrored(
        &self,
        shot: &Shot<'_>,
        [x, y]: [usize; 2],
        points: &Points,
        colour: &mut Lanes3,
    ) {
        let mut ripple: Lane = [0.0; LANES];
        for (i, ripple) in ripple.iter_mut().enumerate() {
            let at = points.position.at(i);
            *ripple = 2.0 * noise(Vec2::new(at.x * 2.0, at.z * 5.0)) - 1.0;
        }
        let mut mirrored = Lanes3::ZERO;
        for (i, ripple) in ripple.into_iter().enumerate() {
            let (x, y) = (x as f32 + i as f32 + ripple, y as f32 + 2.0 * ripple);
            mirrored.set(i, self.mirror_at(shot, x, y).into());
        }
        for i in 0..LANES {
            let grazing = 1.0 - points.to_eye.y[i];
            let share = shot.scene.mirror * (0.35 + 0.6 * grazing * grazing * grazing);
            colour.set(i, colour.at(i) * (1.0 - 0.5 * share) + mirrored.at(i) * share);
        }
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

impl Shot<'_> {
    /// Direction through the middle of a pixel.
    #[inline(always)]
    fn ray(&self, x: f32, y: f32) -> Vec3 {
        self.camera.ray(&self.lens, x + 0.5, y + 0.5)
    }

    /// The sky at a pixel of which so much is below the horizon, and how much of it blooms.
    #[inline(always)]
    fn sky(&self, x: usize, y: usize, below: f32) -> (Vec3A, f32) {
        let ray = Vec3A::from(self.ray(x as f32, y as f32));
        let direction = if below == 0.0 { ray * (1.0 / ray.length()) } else { ray.normalize() };
        self.light.sky(direction, self.lens.focal)
    }
}
