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
