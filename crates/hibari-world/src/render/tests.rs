//! What a frame must show, whatever its beauty.

use std::sync::Arc;

use glam::{Affine3A, Vec2, Vec3};
use rayon::prelude::*;

use super::*;

const SIZE: (usize, usize) = (96, 54);

fn level(eye: Vec3) -> View {
    View { eye, target: Vec3::new(0.0, eye.y, 0.0), up: Vec3::Y, fov_y: 0.8 }
}

fn ball(scene: &mut Scene, position: Vec3, surface: Surface, entity: u8) {
    let pose = Affine3A::from_translation(position);
    let mesh = Arc::new(Mesh::sphere(0.5, 16));
    scene.instances.push(Instance { mesh, pose, surface, casts_shadow: true, entity });
}

/// Every feature at once.
fn rich() -> Scene {
    let mut scene = Scene::night(level(Vec3::new(0.3, 1.2, 4.0)));
    let street = Pattern::Street { along: Vec2::X, half_width: 1.5, pavement: Vec3::splat(0.3) };
    scene.ground = scene.ground.with_pattern(street);
    scene.mirror = 0.6;
    scene.lamps.push(Lamp { position: Vec3::new(1.0, 1.0, 0.0), colour: Vec3::X, reach: 3.0 });
    ball(&mut scene, Vec3::new(-0.7, 0.5, 0.0), Surface::glossy(Vec3::new(0.1, 0.2, 0.7), 0.5), 1);
    ball(&mut scene, Vec3::new(0.7, 1.0, 0.5), Surface::glowing(Vec3::new(1.0, 0.2, 0.4), 1.3), 2);
    // Reaches behind the camera.
    let pose = Affine3A::from_translation(Vec3::new(0.0, -0.2, 3.0));
    let mesh = Arc::new(Mesh::cuboid(Vec3::new(0.3, 0.5, 6.0)));
    let surface =
        Surface::matte(Vec3::ONE).with_pattern(Pattern::Checks { size: 0.2, second: Vec3::X });
    scene.instances.push(Instance { mesh, pose, surface, casts_shadow: true, entity: 3 });
    scene
}

fn pixel(frame: &Frame, x: usize, y: usize) -> [i32; 3] {
    let at = 3 * (y * frame.width + x);
    [0, 1, 2].map(|i| i32::from(frame.rgb[at + i]))
}

#[test]
fn same_scene_same_bytes_on_any_thread_and_after_any_frame() {
    let scene = rich();
    let expected = Renderer::new().render(&scene, SIZE.0, SIZE.1);
    let mut used = Renderer::new();
    used.render(&Scene::day(scene.view), 61, 33);
    assert!(used.render(&scene, SIZE.0, SIZE.1) == expected, "a used renderer draws otherwise");
    let frames: Vec<Frame> = (0..4)
        .into_par_iter()
        .map_init(Renderer::new, |own, _| own.render(&scene, SIZE.0, SIZE.1))
        .collect();
    assert!(frames.iter().all(|frame| *frame == expected), "a thread draws otherwise");
}

#[test]
fn nearer_things_hide_farther_ones_in_any_order() {
    let mut scene = Scene::day(level(Vec3::new(0.0, 1.0, 5.0)));
    ball(&mut scene, Vec3::new(0.0, 1.0, 2.0), Surface::matte(Vec3::new(0.8, 0.0, 0.0)), 1);
    ball(&mut scene, Vec3::new(0.1, 1.0, 0.0), Surface::matte(Vec3::new(0.0, 0.0, 0.8)), 2);
    let mut renderer = Renderer::new();
    let first = renderer.render(&scene, SIZE.0, SIZE.1);
    let [red, _, blue] = pixel(&first, 48, 27);
    assert!(red > 2 * blue, "the middle shows red {red}, blue {blue}");
    assert_eq!(renderer.entities()[27 * SIZE.0 + 48], 1);
    assert!(renderer.visible_fraction(1) > 0.05 && renderer.visible_fraction(2) < 0.02);
    scene.instances.reverse();
    assert!(renderer.render(&scene, SIZE.0, SIZE.1) == first, "the order of instances shows");
}

#[test]
fn the_mirror_shows_things_upside_down() {
    let mut scene = Scene::day(level(Vec3::new(0.0, 1.0, 6.0)));
    scene.ground = Surface::matte(Vec3::splat(0.02));
    scene.view.target.y = 0.0;
    ball(&mut scene, Vec3::new(0.0, 0.5, 0.0), Surface::matte(Vec3::new(0.0, 0.8, 0.0)), 1);
    ball(&mut scene, Vec3::new(0.0, 1.5, 0.0), Surface::matte(Vec3::new(0.9, 0.0, 0.0)), 1);
    scene.mirror = 1.0;
    let frame = Renderer::new().render(&scene, 192, 108);
    let lens = Camera::new(&scene.view).lens(192, 108);
    let mirrored = |height: f32| {
        let at =
            Camera::new(&scene.view).to_view().transform_point3a(Vec3A::new(0.0, -height, 0.0));
        let at = lens.project(at);
        pixel(&frame, at.x as usize, at.y as usize)
    };
    let (low, high) = (mirrored(0.5), mirrored(1.5));
    assert!(low[1] > low[0] + 30, "below its foot the green ball is mirrored, found {low:?}");
    assert!(high[0] > high[1] + 30, "further down the red ball is mirrored, found {high:?}");
}

#[test]
fn glow_brightens_what_is_beside_it() {
    let lit = |glow: f32| {
        let mut scene = Scene::night(level(Vec3::new(0.0, 2.0, 6.0)));
        scene.sky.stars = false;
        ball(
            &mut scene,
            Vec3::new(0.0, 2.0, 0.0),
            Surface::glowing(Vec3::new(1.0, 0.2, 0.2), glow),
            1,
        );
        let frame = Renderer::new().render(&scene, SIZE.0, SIZE.1);
        // The ball's edge is 5 to 6 pixels from the middle.
        pixel(&frame, 48, 18)
    };
    let (dark, bright) = (lit(0.0), lit(1.5));
    assert!(bright[0] > dark[0] + 15, "beside the glow {bright:?}, without {dark:?}");
}

#[test]
fn a_shadow_falls_on_the_side_away_from_the_sun() {
    let mut scene = Scene::day(level(Vec3::new(0.0, 3.0, 6.0)));
    scene.view.target.y = 0.0;
    scene.sun = Vec3::new(-0.7, 0.714, 0.0);
    ball(&mut scene, Vec3::new(0.0, 1.0, 0.0), Surface::matte(Vec3::ONE), 1);
    let frame = Renderer::new().render(&scene, SIZE.0, SIZE.1);
    let lens = Camera::new(&scene.view).lens(SIZE.0, SIZE.1);
    let at = |x: f32| {
        let at = lens
            .project(Camera::new(&scene.view).to_view().transform_point3a(Vec3A::new(x, 0.0, 0.0)));
        pixel(&frame, at.x as usize, at.y as usize)[1]
    };
    assert!(at(1.0) + 40 < at(-1.0), "in the shadow {}, opposite {}", at(1.0), at(-1.0));
}

#[test]
fn an_empty_scene_is_sky_over_ground() {
    let mut scene = Scene::day(level(Vec3::new(0.0, 1.0, 5.0)));
    scene.ground = Surface::matte(Vec3::new(0.3, 0.1, 0.1));
    let mut renderer = Renderer::new();
    let frame = renderer.render(&scene, SIZE.0, SIZE.1);
    let (sky, ground) = (pixel(&frame, 48, 2), pixel(&frame, 48, 51));
    assert!(sky[2] > sky[0] + 20, "sky {sky:?}");
    assert!(ground[0] > ground[2] + 20, "ground {ground:?}");
    assert!(renderer.entities().iter().all(|&entity| entity == 0));
}

#[test]
fn the_eleven_colours_are_told_apart_by_day_and_by_night() {
    let colours = [
        ("red", [0.75, 0.03, 0.03]),
        ("orange", [0.90, 0.27, 0.02]),
        ("yellow", [0.90, 0.66, 0.03]),
        ("green", [0.06, 0.42, 0.07]),
        ("blue", [0.03, 0.15, 0.70]),
        ("purple", [0.26, 0.06, 0.50]),
        ("pink", [0.90, 0.28, 0.48]),
        ("brown", [0.19, 0.08, 0.03]),
        ("black", [0.012, 0.012, 0.014]),
        ("white", [0.85, 0.85, 0.85]),
        ("grey", [0.22, 0.22, 0.23]),
    ];
    let view = level(Vec3::new(0.0, 1.0, 4.0));
    for (light, scene) in [("day", Scene::day(view)), ("night", Scene::night(view))] {
        let shown = colours.map(|(name, colour)| {
            let mut scene = scene.clone();
            ball(&mut scene, Vec3::new(0.0, 1.0, 0.0), Surface::matte(Vec3::from(colour)), 1);
            (name, pixel(&Renderer::new().render(&scene, SIZE.0, SIZE.1), 48, 27))
        });
        for (i, (name, one)) in shown.iter().enumerate() {
            for (other_name, other) in &shown[..i] {
                let square: i32 = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                assert!(square > 45 * 45, "by {light} {name} is {one:?}, {other_name} {other:?}");
            }
        }
    }
}
