//! Motions against closed forms, feet that stand, and the main subject in the frame.

use glam::{Mat4, Vec3};

use super::motion::{GRAVITY, RESTITUTION, bounce};
use super::*;
use crate::sample::{ClipForm, Split};
use crate::vocabulary::CameraMove;

fn sample(seed: u64, width: u32, height: u32) -> Script {
    Script::sample(seed, Split::Train, ClipForm { width, height, fps: 12, frames: 36 })
}

#[test]
fn a_bouncing_ball_falls_freely_between_its_bounces() {
    // The closed form against small steps of time.
    let (drop, step) = (1.1_f32, 1e-4_f32);
    let (mut height, mut speed) = (f64::from(drop), 0.0_f64);
    for n in 0..30_000_u16 {
        let secs = f32::from(n) * step;
        let (expected, _) = bounce(drop, RESTITUTION, secs);
        assert!(
            (f64::from(expected) - height).abs() < 0.005,
            "at {secs} s: {expected}, in small steps {height}"
        );
        let (g, dt) = (f64::from(GRAVITY), f64::from(step));
        height += speed * dt - 0.5 * g * dt * dt;
        speed -= g * dt;
        if height < 0.0 {
            height = -height * f64::from(RESTITUTION);
            speed = -speed * f64::from(RESTITUTION);
        }
    }
    assert_eq!(bounce(drop, RESTITUTION, 60.0), (0.0, 0.0), "a ball comes to rest");
}

#[test]
fn standing_feet_do_not_slide() {
    let mut n_stands = 0;
    for seed in 0..150 {
        let timeline = Timeline::new(&sample(seed, 256, 144));
        for frame in 1..timeline.n_frames() {
            for (before, after) in timeline.state(frame - 1).iter().zip(timeline.state(frame)) {
                if !matches!(after.action, Action::Walk | Action::Run) {
                    continue;
                }
                for (from, to) in before.contacts.iter().zip(&after.contacts) {
                    if let (Some(from), Some(to)) = (from, to) {
                        let way = from.distance(*to);
                        // A foot that was lifted in between has come a whole step forward.
                        assert!(!(0.02..=0.25).contains(&way), "seed {seed}, frame {frame}: {way}");
                        n_stands += usize::from(way < 0.02);
                    }
                }
            }
        }
    }
    assert!(n_stands > 1_000, "only {n_stands} feet stood");
}

/// Where a point of the world is in the frame: x to the right and y up, -1..1.
fn project(scene: &Scene, point: Vec3, aspect: f32) -> Vec3 {
    let view = Mat4::look_at_rh(scene.view.eye, scene.view.target, scene.view.up);
    let lens = Mat4::perspective_rh(scene.view.fov_y, aspect, 0.1, 100.0);
    (lens * view).project_point3(point)
}

#[test]
fn the_main_subject_is_in_the_frame_and_big() {
    let mut failures = Vec::new();
    for (width, height) in [(256, 144), (144, 256), (192, 192)] {
        let aspect = width as f32 / height as f32;
        for seed in 0..200 {
            let script = sample(seed, width, height);
            let timeline = Timeline::new(&script);
            let member = &script.cast[script.shots[0].roles[0].member];
            for frame in (0..timeline.n_frames()).step_by(12).chain([timeline.n_frames() - 1]) {
                let scene = timeline.scene(frame);
                let mut low = Vec3::MAX;
                let mut high = Vec3::MIN;
                for instance in scene.instances.iter().filter(|instance| instance.entity == 1) {
                    for position in &instance.mesh.positions {
                        let point =
                            project(&scene, instance.pose.transform_point3(*position), aspect);
                        (low, high) = (low.min(point), high.max(point));
                    }
                }
                let what = format!(
                    "{width}x{height}, seed {seed}, frame {frame}: {} {:?}, {:?} {:?}, {low} to {high}",
                    member.subject,
                    script.shots[0].roles[0],
                    script.shots[0].camera,
                    script.shots[0].framing
                );
                let size = 0.5 * (high - low).max_element();
                let inside = low.x.min(low.y) > -1.0 && high.x < 1.0 && high.y < 1.0;
                if !inside || size < 0.22 {
                    failures.push(what);
                }
            }
        }
    }
    let n = failures.len();
    assert!(n == 0, "{n} frames cut or small:\n{}", failures[..n.min(12)].join("\n"));
}

#[test]
fn cameras_do_what_they_are_called() {
    for seed in 0..200 {
        let script = sample(seed, 256, 144);
        let timeline = Timeline::new(&script);
        let (first, last) = (timeline.scene(0).view, timeline.scene(timeline.n_frames() - 1).view);
        let turn = |view: crate::render::View| (view.target - view.eye).normalize().x;
        let (turned, moved) = (turn(last) - turn(first), last.eye - first.eye);
        let ok = match script.shots[0].camera {
            CameraMove::Static => turned == 0.0 && moved == Vec3::ZERO,
            CameraMove::PanLeft => turned < -0.05 && moved == Vec3::ZERO,
            CameraMove::PanRight => turned > 0.05 && moved == Vec3::ZERO,
            CameraMove::DollyIn => turned == 0.0 && moved.z < -0.5,
            CameraMove::DollyOut => turned == 0.0 && moved.z > 0.5,
            CameraMove::Follow => turned.abs() < 1e-6 && moved.length() > 0.5,
            CameraMove::Orbit => turned < -0.4 && moved.x > 1.0,
            CameraMove::CraneUp => moved.y > 0.8 && moved.x == 0.0,
            CameraMove::Handheld => moved.length() < 0.5,
        };
        assert!(ok, "seed {seed}: {:?} turned {turned}, moved {moved}", script.shots[0].camera);
    }
}
