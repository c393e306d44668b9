//! Tests of grounding: the round trip from captions, free prompts, negation, Chinese, the fallback.

use super::*;
use crate::grammar::Detail;

const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

fn read(text: &str) -> Grounding {
    ground(text, &mut |_| None)
}

fn split_of(seed: u64) -> Split {
    match seed % 3 {
        0 => Split::Combinatorial,
        1 => Split::Outside,
        _ => Split::Train,
    }
}

#[test]
fn captions_ground_to_all_that_they_state() {
    for seed in 0..10_000 {
        let script = Script::sample(seed, split_of(seed), FORM);
        for detail in [Detail::Dense, Detail::Medium, Detail::Short] {
            let caption = script.caption(detail, seed);
            let text = caption.text();
            let grounding = read(&text);
            assert_eq!(grounding.slots, caption.slots, "{text}");
            assert_eq!(
                (&grounding.unknown, &grounding.impossible),
                (&Vec::new(), &Vec::new()),
                "{text}"
            );
            let realised = grounding.realise(seed + 1, FORM);
            realised.validate().unwrap();
            assert_eq!(caption.slots.contradiction(&realised), None, "{text}");
        }
    }
}

#[test]
fn free_prompts_ground() {
    for (text, want) in PROMPTS {
        let grounding = read(text);
        let got = shown(&grounding);
        for split in 0..20 {
            let script = grounding.realise(split, FORM);
            script.validate().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(grounding.slots.contradiction(&script), None, "{text}");
        }
        assert_eq!(got, *want, "{text}");
    }
}

/// The stated slots on one line: members in order, then the surroundings, then what is not known or cannot be.
fn shown(grounding: &Grounding) -> String {
    let mut value = serde_json::to_value(grounding).unwrap();
    prune(&mut value);
    value.to_string().replace('"', "")
}

/// Drops what states nothing.
fn prune(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| {
                !matches!(value, Value::Null) && *value != Value::Array(Vec::new())
            });
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const PROMPTS: &[(&str, &str)] = &[
    (
        "a woman in a long red dress walks down a neon street at night, the ground is wet",
        "{slots:{cast:[{action:walk,bottom:[dress,red],subject:woman}],ground:wet,light:night,place:neon_street}}",
    ),
    (
        "A white dog and a red ball",
        "{slots:{cast:[{colour:white,subject:dog},{colour:red,subject:ball}]}}",
    ),
    (
        "a white dog and a red ball bounce in a park",
        "{impossible:[a dog cannot bounce],slots:{cast:[{colour:white,subject:dog},{action:bounce,colour:red,subject:ball}],place:park}}",
    ),
    (
        "running man, black jacket, sunglasses, no hat",
        "{slots:{cast:[{action:run,items:[[sunglasses,null]],subject:man,top:[jacket,black],without:[hat]}]}}",
    ),
    (
        "a man without sunglasses waves; camera pans left",
        "{slots:{camera:pan_left,cast:[{action:wave,subject:man,without:[sunglasses]}]}}",
    ),
    (
        "no people, a blue car drives at night on a wet street",
        "{slots:{cast:[{action:drive,colour:blue,subject:car}],extras:0,ground:wet,light:night,place:neon_street}}",
    ),
    (
        "a stylish woman walks down a Tokyo street filled with warm glowing neon and animated city signage; black leather jacket, long red dress, black boots, black bag, sunglasses; the street is damp and reflective; many pedestrians walk about.",
        "{slots:{cast:[{action:walk,bottom:[dress,red],footwear:[boots,black],items:[[sunglasses,null],[bag,black]],subject:woman,top:[jacket,black]}],extras:3,ground:wet,place:neon_street},unknown:[stylish,warm,animated]}",
    ),
    (
        "a shiny green ball rolls on a wooden table in daylight, static camera, wide shot",
        "{slots:{camera:static,cast:[{action:roll,colour:green,material:metal,subject:ball}],framing:wide,light:day,place:tabletop}}",
    ),
    (
        "a blonde girl in pink jumping in the park, camera follows her",
        "{slots:{camera:follow,cast:[{action:jump,colour:pink,hair:blond,subject:woman}],place:park}}",
    ),
    (
        "two people walking in a park by day",
        "{slots:{cast:[{action:walk,kind:person}],extras:1,light:day,place:park}}",
    ),
    (
        "a dog that's brown sits next to a man in a blue coat",
        "{slots:{cast:[{action:sit,colour:brown,subject:dog},{relation:beside,subject:man,top:[coat,blue]}]}}",
    ),
    (
        "The camera slowly zooms in on a black dog sitting in the park",
        "{slots:{camera:dolly_in,cast:[{action:sit,colour:black,subject:dog}],place:park}}",
    ),
    (
        "a big yellow box falls on the table",
        "{slots:{cast:[{action:fall,colour:yellow,size:large,subject:box}],place:tabletop}}",
    ),
    (
        "a purple elephant dances in the snow",
        "{slots:{cast:[{colour:purple}]},unknown:[elephant,dances,snow]}",
    ),
    (
        "a woman wearing a green jacket and white trousers, red hair, at night",
        "{impossible:[hair cannot be red],slots:{cast:[{bottom:[trousers,white],subject:woman,top:[jacket,green]}],light:night}}",
    ),
    ("a car jumps", "{impossible:[a car cannot jump],slots:{cast:[{subject:car}]}}"),
    (
        "a dog runs to the left in a green park, not wet",
        "{impossible:[the colour of a place cannot be chosen: `green`],slots:{cast:[{action:run,facing:left,subject:dog}],ground:dry,place:park}}",
    ),
    (
        "In a red dress, a woman stands on the left of the frame.",
        "{slots:{cast:[{action:stand,bottom:[dress,red],lane:left,subject:woman}]}}",
    ),
    (
        "a tracking shot of a red car driving along a road",
        "{slots:{camera:follow,cast:[{action:drive,colour:red,subject:car}],place:neon_street}}",
    ),
    (
        "一个穿红色连衣裙的女人在霓虹街上走路，夜晚，地面潮湿",
        "{slots:{cast:[{action:walk,bottom:[dress,red],subject:woman}],ground:wet,light:night,place:neon_street}}",
    ),
    (
        "公园里一只白色的小狗和一个红球",
        "{slots:{cast:[{colour:white,subject:dog},{colour:red,subject:ball}],place:park}}",
    ),
    (
        "一个穿蓝色T恤的男人没有戴帽子",
        "{slots:{cast:[{subject:man,top:[t_shirt,blue],without:[hat]}]}}",
    ),
    ("", "{slots:{}}"),
    ("red", "{slots:{cast:[{colour:red}]}}"),
    ("a woman's black bag", "{slots:{cast:[{items:[[bag,black]],subject:woman}]}}"),
    ("Her hair is grey. A man walks.", "{slots:{cast:[{action:walk,hair:grey,subject:man}]}}"),
    (
        "a white dog chases a red ball across the grass",
        "{impossible:[who follows whom cannot be shown],slots:{cast:[{colour:white,subject:dog},{colour:red,subject:ball}],place:park}}",
    ),
    (
        "a woman and a man walk in a park, she wears a yellow coat, he wears a blue shirt",
        "{slots:{cast:[{action:walk,subject:woman,top:[coat,yellow]},{action:walk,subject:man,top:[t_shirt,blue]}],place:park}}",
    ),
];

#[test]
fn the_fallback_is_asked_for_unknown_words_only() {
    let mut asked = Vec::new();
    let grounding = ground("a woman saunters with her mastiff", &mut |word| {
        asked.push(word.to_owned());
        (word == "mastiff").then(|| NearestWord { name: "dog".to_owned(), similarity: 0.7 })
    });
    assert_eq!(asked, ["saunters", "mastiff"]);
    assert_eq!(grounding.unknown, ["saunters"]);
    assert_eq!(
        grounding.guessed,
        [Guess { word: "mastiff".to_owned(), name: "dog".to_owned(), similarity: 0.7 }]
    );
    assert_eq!(grounding.slots.cast[1].subject, Some(Subject::Dog));
}

#[test]
fn every_known_name_is_in_the_lexicon() {
    for (name, slot) in known_names() {
        assert!(Lexicon::of(Mix::First).meaning(name).is_some(), "{name} ({slot})");
    }
}

#[test]
fn long_and_odd_texts_are_read_in_bounded_form() {
    let long = "a red dog and ".repeat(2_300);
    let grounding = read(&long);
    assert_eq!(grounding.slots.cast.len(), MAX_CAST);
    grounding.realise(1, FORM).validate().unwrap();
    for text in [
        "- - '",
        "\u{0}",
        "🐕🐕",
        "a a a the of and",
        "12345678901234567890 dogs",
        "not not no",
        "beside beside her",
    ] {
        read(text).realise(1, FORM).validate().unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}
