//! Draws two test scenes, a neon street on a wet night and a park by day, as stills, and prints frames a second.
//!
//! `cargo run --release -p hibari-world --example scene -- OUT_DIR`

#![expect(clippy::print_stdout, reason = "an example reports to its user")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use glam::{Affine3A, Quat, Vec2, Vec3};
use hibari_media::save_still;
use hibari_world::render::{Disc, Instance, Lamp, Mesh, Pattern, Renderer, Scene, Surface, View};

/// The eleven colours of the vocabulary, linear.
const COLOURS: [Vec3; 11] = [
    Vec3::new(0.75, 0.03, 0.03),
    Vec3::new(0.90, 0.27, 0.02),
    Vec3::new(0.90, 0.66, 0.03),
    Vec3::new(0.06, 0.42, 0.07),
    Vec3::new(0.03, 0.15, 0.70),
    Vec3::new(0.26, 0.06, 0.50),
    Vec3::new(0.90, 0.28, 0.48),
    Vec3::new(0.19, 0.08, 0.03),
    Vec3::new(0.012, 0.012, 0.014),
    Vec3::new(0.85, 0.85, 0.85),
    Vec3::new(0.22, 0.22, 0.23),
];

/// Adds a shape.
fn put(scene: &mut Scene, mesh: &Arc<Mesh>, position: Vec3, surface: Surface, entity: u8) {
    let pose = Affine3A::from_translation(position);
    scene.instances.push(Instance {
        mesh: Arc::clone(mesh),
        pose,
        surface,
        casts_shadow: true,
        entity,
    });
}

/// A person of capsules, and a ball of each colour.
fn cast(scene: &mut Scene, gloss: f32) {
    let (torso, head) = (Arc::new(Mesh::capsule(0.22, 0.5, 16)), Arc::new(Mesh::sphere(0.34, 20)));
    let (leg, arm) =
        (Arc::new(Mesh::capsule(0.1, 0.4, 12)), Arc::new(Mesh::capsule(0.075, 0.45, 10)));
    let eye = Arc::new(Mesh::sphere(0.06, 10));
    let skin = Surface::matte(Vec3::new(0.80, 0.50, 0.36));
    put(scene, &torso, Vec3::new(0.0, 0.95, 0.0), Surface::matte(COLOURS[0]), 1);
    put(scene, &head, Vec3::new(0.0, 1.7, 0.0), skin, 1);
    for side in [-1.0, 1.0] {
        put(scene, &leg, Vec3::new(0.12 * side, 0.3, 0.0), Surface::matte(COLOURS[8]), 1);
        put(scene, &arm, Vec3::new(0.3 * side, 1.0, 0.0), Surface::matte(COLOURS[0]), 1);
        put(scene, &eye, Vec3::new(0.12 * side, 1.72, 0.31), Surface::glossy(COLOURS[8], 0.5), 1);
    }
    let ball = Arc::new(Mesh::sphere(0.26, 20));
    for (i, colour) in COLOURS.iter().enumerate() {
        let position = Vec3::new((i as f32 - 5.0) * 0.62, 0.26, if i % 2 == 0 { 1.1 } else { 1.4 });
        put(scene, &ball, position, Surface::glossy(*colour, gloss), 2 + i as u8);
    }
    let cube = Arc::new(Mesh::rounded_box(Vec3::splat(0.7), 0.06, 2));
    let checks = Pattern::Checks { size: 0.35, second: COLOURS[9] };
    put(
        scene,
        &cube,
        Vec3::new(-1.4, 0.35, -0.6),
        Surface::matte(COLOURS[4]).with_pattern(checks),
        20,
    );
    let ring = Arc::new(Mesh::torus(0.3, 0.1, 24, 10));
    put(scene, &ring, Vec3::new(1.4, 0.1, -0.2), Surface::glossy(COLOURS[2], 0.6), 21);
}

fn view() -> View {
    View {
        eye: Vec3::new(0.0, 1.9, 6.0),
        target: Vec3::new(0.0, 1.15, 0.0),
        up: Vec3::Y,
        fov_y: 0.75,
    }
}

fn street() -> Scene {
    let mut scene = Scene::night(view());
    let street =
        Pattern::Street { along: Vec2::X, half_width: 2.2, pavement: Vec3::new(0.12, 0.12, 0.14) };
    scene.ground = Surface::matte(Vec3::splat(0.045)).with_pattern(street);
    scene.mirror = 0.7;
    cast(&mut scene, 0.3);
    let window = Arc::new(Mesh::rectangle(0.5, 0.7));
    let tube = Arc::new(Mesh::rounded_box(Vec3::new(1.4, 0.4, 0.1), 0.05, 1));
    for house in 0..5 {
        let x = (house as f32 - 2.0) * 3.0;
        let height = 4.0 + ((house * 7) % 3) as f32;
        let front = Arc::new(Mesh::cuboid(Vec3::new(2.9, height, 2.0)));
        put(
            &mut scene,
            &front,
            Vec3::new(x, 0.5 * height, -5.0),
            Surface::matte(Vec3::new(0.10, 0.09, 0.13)),
            0,
        );
        for place in 0..6 {
            let at =
                Vec3::new(x + ((place % 3) as f32 - 1.0) * 0.85, 2.6 + (place / 3) as f32, -3.99);
            let lit = if (house * 5 + place * 3) % 4 == 0 { 0.0 } else { 0.8 };
            put(&mut scene, &window, at, Surface::glowing(Vec3::new(1.0, 0.72, 0.35), lit), 0);
        }
        let colour = [
            COLOURS[6],
            Vec3::new(0.1, 0.8, 1.0),
            COLOURS[1],
            Vec3::new(0.3, 1.0, 0.3),
            COLOURS[0],
        ][house];
        let at = Vec3::new(x, 1.7, -3.9);
        put(&mut scene, &tube, at, Surface::glowing(colour, 1.4), 0);
        scene.lamps.push(Lamp {
            position: at + Vec3::new(0.0, 0.0, 0.6),
            colour: colour * 0.9,
            reach: 4.5,
        });
    }
    scene
}

fn park() -> Scene {
    let mut scene = Scene::day(view());
    scene.sky.disc = Some(Disc {
        direction: Vec3::new(0.35, 0.25, -0.9).normalize(),
        colour: Vec3::splat(3.0),
        radius: 0.035,
    });
    let path = Pattern::Path {
        along: Vec2::X,
        offset: 0.4,
        half_width: 1.3,
        second: Vec3::new(0.55, 0.42, 0.27),
    };
    scene.ground = Surface::matte(Vec3::new(0.13, 0.36, 0.08)).with_pattern(path);
    cast(&mut scene, 0.6);
    let trunk = Arc::new(Mesh::frustum(0.22, 0.14, 1.6, 10));
    let crown = Arc::new(Mesh::sphere(1.0, 20));
    for (i, x) in [-5.0_f32, -2.6, 2.4, 5.2].into_iter().enumerate() {
        let z = -3.0 - (i % 2) as f32 * 1.5;
        put(
            &mut scene,
            &trunk,
            Vec3::new(x, 0.8, z),
            Surface::matte(Vec3::new(0.22, 0.11, 0.05)),
            0,
        );
        put(
            &mut scene,
            &crown,
            Vec3::new(x, 2.3, z),
            Surface::matte(Vec3::new(0.08, 0.33, 0.07)),
            0,
        );
        put(
            &mut scene,
            &crown,
            Vec3::new(x + 0.5, 2.9, z),
            Surface::matte(Vec3::new(0.11, 0.40, 0.09)),
            0,
        );
    }
    let plank = Arc::new(Mesh::rounded_box(Vec3::new(1.6, 0.08, 0.5), 0.03, 1));
    let pose =
        Affine3A::from_rotation_translation(Quat::from_rotation_y(0.3), Vec3::new(3.2, 0.45, -0.8));
    let surface = Surface::matte(Vec3::new(0.35, 0.17, 0.07));
    scene.instances.push(Instance { mesh: plank, pose, surface, casts_shadow: true, entity: 0 });
    scene
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: scene OUT_DIR")?);
    let mut renderer = Renderer::new();
    for (name, scene) in [("street", street()), ("park", park())] {
        let n_triangles: usize =
            scene.instances.iter().map(|instance| instance.mesh.triangles.len()).sum();
        save_still(&folder.join(format!("{name}.png")), &renderer.render(&scene, 256, 144), None)?;
        save_still(
            &folder.join(format!("{name}-large.png")),
            &renderer.render(&scene, 768, 432),
            None,
        )?;
        let mut best = f64::INFINITY;
        for _ in 0..60 {
            let start = Instant::now();
            renderer.render(&scene, 256, 144);
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{name}: {} instances, {n_triangles} triangles, {:.0} frames/s",
            scene.instances.len(),
            1.0 / best
        );
    }
    Ok(())
}
