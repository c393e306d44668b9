//! Draws the contact sheets of the world: one for each place, one of all subjects, one of faces, one of the scripts.
//!
//! `cargo run --release -p hibari-world --example sheets -- OUT_DIR [name ...]`

#![expect(clippy::print_stdout, reason = "an example reports to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use hibari_media::{Filter, Frame, contact_sheet, resized, save_still};
use hibari_world::vocabulary::{
    Action, Angle, CameraMove, Colour, Expression, Facing, Framing, Light, Place, Relation,
    Subject, Term, Weather,
};
use hibari_world::{ClipForm, ClipRenderer, Mix, Script, Split, ground_in};

const FORM: ClipForm = ClipForm { width: 384, height: 216, fps: 12, frames: 36 };
const SMALL: (usize, usize) = (192, 108);

/// Stills of a place: what is said, and the frame to show.
const STILLS: [&str; 12] = [
    "a woman in a red coat walks, by day, clear sky, no people",
    "a red dog runs, at sunset, clear sky, no people",
    "a yellow car drives, at night, clear sky, no people",
    "a blue robot waves, overcast, no people, close-up",
    "a brown horse runs, by day, fog, no people",
    "a white astronaut jumps, by day, clear sky, wet ground, no people",
    "a child in a yellow dress dances, snow falls, no people",
    "a black cat sits, rain falls, three animals in the background",
    "a purple hot-air balloon floats, by day, clear sky, wide shot, no people",
    "a green bird flies, at sunset, clear sky, no people",
    "a man in a blue jacket holds a red ball, by day, toward the camera, no people",
    "a brown mammoth walks, by day, clear sky, no people, low angle",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: sheets OUT_DIR [name ...]")?);
    let wanted: Vec<String> = args.collect();
    let mut sheets: BTreeMap<String, Vec<(Frame, String)>> = BTreeMap::new();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
    for place in Place::ALL {
        let name = place.name().replace(' ', "-");
        if is_wanted(&name) {
            let stills = STILLS.iter().enumerate().map(|(i, text)| {
                let text = if place.is_open() {
                    (*text).to_owned()
                } else {
                    text.replace("snow falls, ", "")
                        .replace("rain falls, ", "")
                        .replace("fog, ", "")
                };
                still(&text, Some(*place), i as u64, 20)
            });
            sheets.insert(name, stills.collect());
        }
    }
    if is_wanted("subjects") {
        let stills = Subject::ALL.iter().enumerate().map(|(i, subject)| {
            let colour = Colour::ALL[(i * 3) % Colour::ALL.len()];
            still(&format!("{} {subject}, dry ground, clear sky, eye level, static, medium, by day, no people", article(colour.name())), None, i as u64, 18)
        });
        sheets.insert("subjects".into(), stills.collect());
    }
    if is_wanted("faces") {
        let mut stills = Vec::new();
        for subject in ["woman", "man", "child", "astronaut", "robot"] {
            for (i, face) in Expression::ALL.iter().enumerate() {
                let text = format!(
                    "{} {subject} stands, facing the camera, by day, clear sky, close-up, no people",
                    article(face.name())
                );
                stills.push(still(&text, Some(Place::Park), i as u64, 12));
            }
        }
        sheets.insert("faces".into(), stills);
    }
    for (name, action_of) in [("actions", false), ("things", true)] {
        if !is_wanted(name) {
            continue;
        }
        let mut stills = Vec::new();
        let subjects: &[Subject] = if action_of {
            &[Subject::Ball, Subject::Box, Subject::Glass]
        } else {
            &[Subject::Woman, Subject::Cat, Subject::Horse, Subject::Mammoth, Subject::Bird]
        };
        for subject in subjects {
            for action in subject.actions(Mix::Whole) {
                let place = if action_of { Place::Tabletop } else { Place::Park };
                let mut stated = ground_in(
                    Mix::Whole,
                    &format!(
                        "a red {subject}, by day, clear sky, no people, to the right, static, wide"
                    ),
                    &mut |_| None,
                );
                stated.slots.cast[0].action = Some(*action);
                stated.slots.place = Some(place);
                let script = stated.realise(3, FORM);
                for frame in if action_of { vec![4, 16, 30] } else { vec![8, 14] } {
                    stills.push(shown(&script, frame, format!("{subject} {action} {frame}")));
                }
            }
        }
        sheets.insert(name.into(), stills);
    }
    if is_wanted("cameras") {
        let mut stills = Vec::new();
        for camera in CameraMove::ALL {
            for frame in [0, 17, 35] {
                let mut stated = ground_in(
                    Mix::Whole,
                    "a woman in a red dress walks to the right, clear sky, by day, no people",
                    &mut |_| None,
                );
                stated.slots.camera = Some(*camera);
                stated.slots.place = Some(Place::Beach);
                let script = stated.realise(5, FORM);
                stills.push(shown(&script, frame, format!("{camera} {frame}")));
            }
        }
        for (framing, angle) in
            Framing::ALL.iter().flat_map(|f| Angle::ALL.iter().map(move |a| (*f, *a)))
        {
            let mut stated = ground_in(
                Mix::Whole,
                "a man in a red coat stands, clear sky, by day, no people, static",
                &mut |_| None,
            );
            stated.slots.framing = Some(framing);
            stated.slots.angle = Some(angle);
            stated.slots.place = Some(Place::Desert);
            stills.push(shown(&stated.realise(5, FORM), 17, format!("{framing}, {angle}")));
        }
        sheets.insert("cameras".into(), stills);
    }
    if is_wanted("lights") {
        let mut stills = Vec::new();
        for light in Light::ALL {
            for weather in Weather::ALL {
                let mut stated = ground_in(
                    Mix::Whole,
                    "a woman in a blue dress walks to the left, no people, medium",
                    &mut |_| None,
                );
                (stated.slots.light, stated.slots.weather) = (Some(*light), Some(*weather));
                stated.slots.place = Some(Place::NeonStreet);
                stills.push(shown(&stated.realise(2, FORM), 17, format!("{light}, {weather}")));
            }
        }
        sheets.insert("lights".into(), stills);
    }
    if is_wanted("relations") {
        let mut stills = Vec::new();
        for relation in Relation::ALL {
            for facing in [Facing::Right, Facing::Toward] {
                let mut stated = ground_in(
                    Mix::Whole,
                    "a woman in a yellow dress, a brown dog, by day, clear sky, no people, static",
                    &mut |_| None,
                );
                stated.slots.cast[0].facing = Some(facing);
                stated.slots.cast[0].action = Some(Action::Walk);
                stated.slots.cast[1].relation = Some(*relation);
                if *relation == Relation::Holds {
                    stated.slots.cast[1].subject = Some(Subject::Box);
                    stated.slots.cast[1].relation = None;
                    stated.slots.cast[0].relation = Some(Relation::Holds);
                }
                stated.slots.place = Some(Place::Park);
                for frame in [6, 20] {
                    stills.push(shown(
                        &stated.realise(2, FORM),
                        frame,
                        format!("{relation} {facing} {frame}"),
                    ));
                }
            }
        }
        sheets.insert("relations".into(), stills);
    }
    if is_wanted("sampled") {
        let stills = (0..24).map(|seed| {
            let script = Script::sample_from(Mix::Whole, seed, Split::Train, FORM);
            let caption = script.caption(hibari_world::Detail::Short, seed).text();
            shown(&script, 18, caption)
        });
        sheets.insert("sampled".into(), stills.collect());
    }
    if is_wanted("scripts") {
        sheets.insert("scripts".into(), scripts()?);
    }
    for (name, stills) in sheets {
        let columns = if name == "faces" { 5 } else { 4 };
        let columns =
            if matches!(name.as_str(), "actions" | "things" | "cameras") { 6 } else { columns };
        let path = folder.join(format!("{name}.png"));
        save_still(&path, &contact_sheet(&stills, columns)?, None)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Frames of the scripts beside this crate.
fn scripts() -> Result<Vec<(Frame, String)>, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut stills = Vec::new();
    for path in paths {
        let script = Script::from_json(&std::fs::read_to_string(&path)?)?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        for part in 0..4 {
            let frame = part * (script.frames() - 1) / 3;
            stills.push(shown(&script, frame, format!("{name}, frame {frame}")));
        }
    }
    Ok(stills)
}

/// A still of a prompt, which is also its caption.
fn still(text: &str, place: Option<Place>, seed: u64, frame: u32) -> (Frame, String) {
    let mut read = ground_in(Mix::Whole, text, &mut |_| None);
    read.slots.place = place.or(read.slots.place);
    let script = read.realise(seed, FORM);
    let said = text.split(", no people").next().unwrap_or(text);
    let said = said.split(", three animals").next().unwrap_or(said);
    let name = said.split(", dry ground").next().unwrap_or(said).to_owned();
    shown(&script, frame, name)
}

fn shown(script: &Script, frame: u32, caption: String) -> (Frame, String) {
    let large = ClipRenderer::new().still(script, frame);
    let small = resized(&large, SMALL.0, SMALL.1, Filter::Lanczos).unwrap_or(large);
    (small, caption)
}

/// "an orange"
fn article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}
