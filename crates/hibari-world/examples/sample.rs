//! Draws sampled scripts: a contact sheet of stills with their captions, and the speed at which clips are drawn.
//!
//! `cargo run --release -p hibari-world --example sample -- sheet.png [first seed] [width] [height]`

#![expect(clippy::print_stdout, reason = "an example reports to its reader")]

use std::path::Path;
use std::time::Instant;

use hibari_media::{Frame, MediaError, contact_sheet, save_still};
use hibari_world::render::Renderer;
use hibari_world::{ClipForm, ClipRenderer, Detail, Script, Split, Timeline};

const N_STILLS: u64 = 24;

fn main() -> Result<(), MediaError> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |idx: usize, usual: u32| args.get(idx).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (first, width, height) = (u64::from(number(2, 0)), number(3, 256), number(4, 144));
    let form = ClipForm { width, height, fps: 12, frames: 24 };
    let mut renderer = ClipRenderer::new();
    let stills: Vec<(Frame, String)> = (first..first + N_STILLS)
        .map(|seed| {
            let script = Script::sample(seed, Split::Train, form);
            let caption = script.caption(Detail::Short, seed);
            (renderer.still(&script, 12), format!("{seed}: {}", caption.text()))
        })
        .collect();
    let sheet = contact_sheet(&stills, if width > height { 4 } else { 6 })?;
    save_still(Path::new(args.get(1).map_or("sheet.png", String::as_str)), &sheet, None)?;

    let (mut n_frames, mut n_triangles, mut n_instances) = (0_usize, 0, 0);
    let (mut build, mut draw, mut fastest) = (0.0, 0.0, f64::INFINITY);
    let mut pictures = Renderer::new();
    for seed in first..first + N_STILLS {
        let script = Script::sample(seed, Split::Train, form);
        let start = Instant::now();
        let timeline = Timeline::new(&script);
        build += start.elapsed().as_secs_f64();
        for index in 0..timeline.n_frames() {
            let start = Instant::now();
            let scene = timeline.scene(index);
            pictures.render(&scene, form.width as usize, form.height as usize);
            let secs = start.elapsed().as_secs_f64();
            draw += secs;
            fastest = fastest.min(secs);
            n_frames += 1;
            n_instances += scene.instances.len();
            n_triangles +=
                scene.instances.iter().map(|part| part.mesh.triangles.len()).sum::<usize>();
        }
    }
    println!(
        "{n_frames} frames: {:.0} a second with building, {:.2} ms building a clip, {:.2} ms the fastest frame",
        n_frames as f64 / (build + draw),
        1e3 * build / N_STILLS as f64,
        1e3 * fastest
    );
    println!("{} instances, {} triangles a frame", n_instances / n_frames, n_triangles / n_frames);
    Ok(())
}
