//! Tests of validation: every error names field, value, reason and the nearest valid value.

use super::*;
use crate::sample::{ClipForm, Split};

const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

/// A script with a person as main subject and a second member.
fn person_and_thing() -> Script {
    (0..10_000)
        .map(|seed| Script::sample(seed, Split::Train, FORM))
        .find(|script| {
            script.cast.len() == 2
                && script.cast[0].subject == Subject::Man
                && script.cast[1].subject.kind() == Kind::Thing
                && script.shots[0].place == Place::Tabletop
        })
        .unwrap()
}

fn check_error(spoil: impl Fn(&mut Script), field: &str, nearest: &str) {
    let mut script = person_and_thing();
    spoil(&mut script);
    match script.validate() {
        Err(ScriptError::Invalid { field: found, reason, nearest: offered, .. }) => {
            assert_eq!((found.as_str(), offered.as_str()), (field, nearest));
            assert!(!reason.is_empty());
        }
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn errors_name_the_field_and_the_nearest_valid_value() {
    check_error(|s| s.version = 9, "version", "1");
    check_error(|s| s.width = 257, "width", "256");
    check_error(|s| s.height = 5_000, "height", "2048");
    check_error(|s| s.fps = 30, "fps", "24");
    check_error(|s| s.cast.clear(), "cast", "1 entries");
    check_error(|s| s.shots = vec![s.shots[0].clone(); 5], "shots", "4 entries");
    check_error(|s| s.cast[0].material = Material::Metal, "cast[0].material", "matte");
    check_error(|s| s.cast[0].size = Size::Large, "cast[0].size", "medium");
    check_error(|s| s.cast[0].outfit = None, "cast[0].outfit", "trousers and a t-shirt");
    check_error(|s| s.cast[1].outfit = s.cast[0].outfit.clone(), "cast[1].outfit", "none");
    check_error(|s| outfit(s).bottom.0 = Bottom::Dress, "cast[0].outfit.bottom", "trousers");
    check_error(|s| outfit(s).top = None, "cast[0].outfit.top", "t-shirt");
    check_error(
        |s| {
            outfit(s).items = vec![
                (Item::Hat, Colour::Red),
                (Item::Sunglasses, Colour::Red),
                (Item::Hat, Colour::Red),
            ]
        },
        "cast[0].outfit.items",
        "sunglasses, hat",
    );
    check_error(|s| s.shots[0].frames = 50, "shots[0].frames", "52");
    check_error(|s| s.shots[0].frames = 0, "shots[0].frames", "4");
    check_error(|s| s.shots[0].extras = 2, "shots[0].extras", "0");
    check_error(|s| s.shots[0].roles.clear(), "shots[0].roles", "1 entries");
    check_error(|s| s.shots[0].roles[1].member = 0, "shots[0].roles[1].member", "1");
    check_error(|s| s.shots[0].roles[0].action = Action::Drive, "shots[0].roles[0].action", "walk");
    check_error(|s| s.shots[0].roles[1].partner = None, "shots[0].roles[1].partner", "0");
    check_error(|s| s.shots[0].roles[0].partner = Some(1), "shots[0].roles[0].partner", "none");
    check_error(|s| s.shots[0].roles[0].speed = 9.0, "shots[0].roles[0].speed", "4");
    check_error(|s| s.shots[0].roles[0].speed = f32::NAN, "shots[0].roles[0].speed", "1");
}

#[test]
fn the_main_colour_of_a_person_is_that_of_the_clothes() {
    let mut script = person_and_thing();
    let worn = script.cast[0].colour;
    script.cast[0].colour = if worn == Colour::Red { Colour::Blue } else { Colour::Red };
    let error = script.validate().unwrap_err().to_string();
    assert!(error.starts_with("`cast[0].colour` is `"), "{error}");
    assert!(error.ends_with(&format!("the nearest valid value is `{worn}`")), "{error}");
}

fn outfit(script: &mut Script) -> &mut Outfit {
    script.cast[0].outfit.as_mut().unwrap()
}

#[test]
fn unknown_fields_and_values_are_refused() {
    let good = person_and_thing().to_json();
    assert!(matches!(Script::from_json("{}"), Err(ScriptError::Json { .. })));
    let extra = good.replacen('{', "{\"weather\": 1,", 1);
    assert!(matches!(Script::from_json(&extra), Err(ScriptError::Json { .. })));
    assert!(matches!(
        Script::from_json(&good.replace("tabletop", "volcano")),
        Err(ScriptError::Json { .. })
    ));
    assert!(matches!(
        Script::from_json(&good.replace("\"fps\": 12", "\"fps\": 13")),
        Err(ScriptError::Invalid { .. })
    ));
}

#[test]
fn labels_are_below_their_class_counts() {
    let attributes = person_and_thing().attributes();
    for (label, (class, n)) in attributes.labels().into_iter().zip(Attributes::CLASSES).enumerate()
    {
        assert!(class < n);
        assert!(Attributes::class_name(label, class).is_some());
        assert!(Attributes::class_name(label, n).is_none());
    }
}

#[test]
fn errors_of_a_text_name_the_line_and_the_nearest_name() {
    let good = include_str!("../../scripts/tokyo.json");
    Script::from_json(good).unwrap();
    for (from, to, line, says) in [
        (
            "\"neon_street\"",
            "\"neonstreet\"",
            "neonstreet",
            "the nearest valid value is `neon_street`",
        ),
        ("\"framing\"", "\"framming\"", "framming", "the nearest valid value is `framing`"),
        ("\"jacket\"", "\"jaket\"", "jaket", "the nearest valid value is `jacket`"),
        (
            "\"action\": \"walk\"",
            "\"action\": \"drive\"",
            "drive",
            "the nearest valid value is `walk`",
        ),
        ("\"frames\": 72", "\"frames\": 70", "\"frames\": 70", "the nearest valid value is `72`"),
        ("\"extras\": 6", "\"extras\": 60", "\"extras\": 60", "the nearest valid value is `6`"),
        ("\"fps\": 12", "\"fps\": 13", "\"fps\": 13", "the nearest valid value is `12`"),
        ("\"seed\": 11,", "\"seed\": ,", "\"seed\": ,", "expected value"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let wanted = 1 + bad.lines().position(|text| text.contains(line)).unwrap();
        let error = Script::from_json(&bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line {wanted}: ")), "{to}: {error}, line {wanted}");
        assert!(error.contains(says), "{to}: {error}");
    }
}

#[test]
fn the_scripts_beside_the_crate_are_valid_and_of_the_whole_vocabulary() {
    for text in [
        include_str!("../../scripts/astronaut.json"),
        include_str!("../../scripts/desert-road.json"),
        include_str!("../../scripts/dog-on-the-beach.json"),
        include_str!("../../scripts/mammoths.json"),
        include_str!("../../scripts/shattering-glass.json"),
        include_str!("../../scripts/tokyo.json"),
    ] {
        let script = Script::from_json(text).unwrap();
        let mut renderer = crate::ClipRenderer::new();
        for frame in [0, script.frames() - 1] {
            renderer.still(&Script { width: 64, height: 36, ..script.clone() }, frame);
        }
    }
}

#[test]
fn relations_and_weather_are_checked() {
    let mut script = Script::from_json(include_str!("../../scripts/mammoths.json")).unwrap();
    let check = |script: &Script, field: &str, nearest: &str| match script.validate() {
        Err(ScriptError::Invalid { field: found, nearest: offered, .. }) => {
            assert_eq!((found.as_str(), offered.as_str()), (field, nearest));
        }
        other => panic!("{field}: {other:?}"),
    };
    script.shots[0].weather = Weather::Rain;
    check(&script, "shots[0].ground", "wet");
    script.shots[0].place = Place::Moon;
    check(&script, "shots[0].weather", "clear");
    script.shots[0].weather = Weather::Clear;
    script.shots[0].roles[1].facing = Facing::Right;
    check(&script, "shots[0].roles[1].facing", "left");
    script.shots[0].roles[1].action = Action::Stand;
    check(&script, "shots[0].roles[1].relation", "behind");
    script.shots[0].roles[1].relation = Relation::Holds;
    check(&script, "shots[0].roles[1].relation", "beside");
    script.cast[0].subject = Subject::Boat;
    script.shots[0].roles[0].action = Action::Sail;
    check(&script, "shots[0].place", "beach");
    script.cast[0].subject = Subject::Ball;
    script.shots[0].roles[0].action = Action::Collide;
    script.shots[0].roles[1].relation = Relation::Beside;
    check(&script, "shots[0].roles[0].action", "collide, by 2");
}

#[test]
fn negative_times_and_counts_get_the_nearest_that_is_valid() {
    let text = Script::sample(1, Split::Train, FORM).to_json();
    for (field, nearest) in [("frames", "4"), ("extras", "0"), ("fps", "12"), ("width", "32")] {
        let at = text.find(&format!("\"{field}\": ")).unwrap() + field.len() + 4;
        let end = at + text[at..].find([',', '\n']).unwrap();
        let wrong = format!("{}-7{}", &text[..at], &text[end..]);
        let error = Script::from_json(&wrong).unwrap_err().to_string();
        let line = 1 + text[..at].matches('\n').count();
        assert_eq!(
            error,
            format!(
                "line {line}: `{field}` is `-7`: it cannot be negative; the nearest valid value is `{nearest}`"
            )
        );
    }
}
