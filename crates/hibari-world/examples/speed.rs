//! Measures how fast one core draws clips of the whole vocabulary, by place and by weather.
//!
//! `cargo run --release -p hibari-world --example speed -- [clips]`

#![expect(clippy::print_stdout, reason = "an example reports to its reader")]

use std::hint::black_box;
use std::time::Instant;

use hibari_world::vocabulary::{Place, Term, Weather};
use hibari_world::{ClipForm, ClipRenderer, Mix, Script, Split};

const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 24 };

fn main() {
    let clips = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(96);
    for mix in [Mix::First, Mix::Whole] {
        let mut renderer = ClipRenderer::new();
        let mut times: Vec<(Place, Weather, f64)> = Vec::new();
        for seed in 0..clips {
            let script = Script::sample_from(mix, seed, Split::Train, FORM);
            let start = Instant::now();
            renderer.render(&script, &mut |frame| drop(black_box(frame)));
            let shot = &script.shots[0];
            times.push((shot.place, shot.weather, start.elapsed().as_secs_f64()));
        }
        let row = |name: &str, is_counted: &dyn Fn(Place, Weather) -> bool| {
            let counted = times.iter().filter(|(place, weather, _)| is_counted(*place, *weather));
            let (n, secs) = counted.fold((0, 0.0), |(n, sum), (_, _, secs)| (n + 1, sum + secs));
            if n > 0 {
                let speed = f64::from(n * FORM.frames) / secs;
                println!("{mix:?} {name:<12} {n:>4} clips {speed:>6.0} frames/s");
            }
        };
        for place in Place::of(mix) {
            row(place.name(), &|other, _| other == *place);
        }
        for weather in Weather::of(mix) {
            row(weather.name(), &|_, other| other == *weather);
        }
        row("all", &|_, _| true);
    }
}
