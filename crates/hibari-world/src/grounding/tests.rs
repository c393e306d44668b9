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

fn read_whole(text: &str) -> Grounding {
    ground_in(Mix::Whole, text, &mut |_| None)
}

/// Grounding a caption recovers every slot that it states, and a script drawn from it agrees.
fn check_round_trip(mix: Mix) {
    for seed in 0..10_000 {
        let script = Script::sample_from(mix, seed, split_of(seed), FORM);
        for detail in [Detail::Dense, Detail::Medium, Detail::Short] {
            let caption = script.caption_in(mix, detail, seed);
            let text = caption.text();
            let grounding = ground_in(mix, &text, &mut |_| None);
            assert_eq!(grounding.slots, caption.slots, "{seed}: {text}");
            assert_eq!(
                (&grounding.unknown, &grounding.impossible),
                (&Vec::new(), &Vec::new()),
                "{text}"
            );
            let realised = grounding.realise(seed + 1, FORM);
            realised.validate().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(caption.slots.contradiction(&realised), None, "{text}");
        }
    }
}

#[test]
fn captions_ground_to_all_that_they_state() {
    check_round_trip(Mix::First);
}

#[test]
fn captions_of_the_whole_vocabulary_ground_to_all_that_they_state() {
    check_round_trip(Mix::Whole);
}

#[test]
fn stories_are_told_and_read_shot_by_shot() {
    for seed in 0..1_000 {
        let n_shots = 1 + usize::try_from(seed % 4).unwrap();
        let script = Script::sample_story(Mix::Whole, seed, Split::Train, FORM, n_shots);
        script.validate().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((script.shots.len(), script.held_out()), (n_shots, None));
        let caption = script.caption_in(Mix::Whole, Detail::Medium, seed);
        let mut start = 0.0;
        for (idx, shot) in script.shots.iter().enumerate() {
            let text = caption.shot_text(idx);
            assert_eq!(read_whole(&text).slots, caption.shots[idx], "{text}");
            let secs = shot.frames as f32 / 12.0;
            for sentence in caption.sentences.iter().filter(|sentence| sentence.shot == idx) {
                assert_eq!((sentence.start_secs, sentence.end_secs), (start, start + secs));
            }
            start += secs;
        }
    }
}

/// Reads a name in a Chinese sentence and looks for its meaning in the lexicon's answer.
fn check_chinese<T: Term>(found: impl Fn(&PartialScript) -> Option<T>, frame: &str) {
    for &term in T::ALL {
        assert!(!term.chinese().is_empty(), "{term:?} has no Chinese name");
        for name in term.chinese() {
            let text = frame.replace('*', name);
            let grounding = read_whole(&text);
            assert_eq!(found(&grounding.slots), Some(term), "{text}: {grounding:?}");
        }
    }
}

#[test]
fn every_entry_is_read_by_its_chinese_names() {
    fn main(slots: &PartialScript) -> Option<&PartialMember> {
        slots.cast.first()
    }
    check_chinese(|slots| main(slots)?.subject, "一个*");
    check_chinese(|slots| main(slots)?.colour, "一个*的球");
    check_chinese(|slots| Some(main(slots)?.top?.0), "一个女人穿着*");
    check_chinese(|slots| Some(main(slots)?.bottom?.0), "一个女人穿着*");
    check_chinese(|slots| Some(main(slots)?.footwear?.0), "一个女人穿着*");
    check_chinese(|slots| Some(main(slots)?.items.first()?.0), "一个女人戴着*");
    check_chinese(|slots| main(slots)?.hair, "一个女人，*发");
    check_chinese(|slots| main(slots)?.size, "一个*的球");
    check_chinese(|slots| main(slots)?.material, "一个*的球");
    check_chinese(|slots| main(slots)?.expression, "一个*的女人");
    check_chinese(|slots| slots.place, "*");
    check_chinese(|slots| slots.light, "*");
    check_chinese(|slots| slots.weather, "*");
    check_chinese(|slots| slots.ground, "地面*");
    check_chinese(|slots| slots.camera, "*");
    check_chinese(|slots| slots.framing, "*");
    check_chinese(|slots| slots.angle, "*");
    for name in Crowd::Animals.chinese() {
        let slots = read_whole(&format!("一个女人走路，背景有三只{name}")).slots;
        assert_eq!((slots.crowd, slots.extras), (Some(Crowd::Animals), Some(3)), "{name}");
    }
    check_chinese(|slots| main(slots)?.facing, "一个女人*");
    check_chinese(|slots| main(slots)?.lane, "一个女人在*");
    for &action in Action::ALL {
        let subject = Subject::ALL
            .iter()
            .find(|subject| subject.actions(Mix::Whole).contains(&action))
            .expect("somebody does it");
        for name in action.chinese() {
            let text = format!("一个{}{name}", subject.chinese()[0]);
            let grounding = read_whole(&text);
            assert_eq!(grounding.slots.cast[0].action, Some(action), "{text}");
        }
    }
    for &relation in Relation::ALL {
        let frames: &[&str] = match relation {
            Relation::Alone => &["一个女人*走路", "一只狗*在海滩上"],
            Relation::Beside => &["一个女人走路，她*有一只狗", "一只猫坐在一个女人*"],
            Relation::Behind => &["一个女人走，她*一只狗", "一个女人走路，她*有一只狗"],
            Relation::Follows | Relation::Chases => &["一只狗*一个女人", "一个女人*一只狗"],
            Relation::Meets => &["一只狗*一个女人"],
            Relation::Holds => &["一个女人*一个球"],
        };
        for (name, frame) in
            relation.chinese().iter().flat_map(|name| frames.iter().map(move |frame| (name, frame)))
        {
            let text = frame.replace('*', name);
            let slots = read_whole(&text).slots;
            let found: Vec<_> = slots.cast.iter().filter_map(|member| member.relation).collect();
            assert_eq!(found, [relation], "{text}");
        }
    }
}

/// Prompts of the whole vocabulary, and what they state.
const WHOLE_PROMPTS: [(&str, &str); 15] = [
    (
        "several giant woolly mammoths walk through the snow, snow-covered mountains in the distance",
        "{impossible:[a mammoth has no size to choose: `large`],slots:{cast:[{action:walk,subject:mammoth},{action:walk,subject:mammoth},{action:walk,subject:mammoth}],place:snowfield}}",
    ),
    (
        "an astronaut jumps on the moon",
        "{slots:{cast:[{action:jump,subject:astronaut}],place:moon}}",
    ),
    (
        "a brown dog runs along a beach at sunset, camera follows it",
        "{slots:{camera:follow,cast:[{action:run,colour:brown,subject:dog}],light:sunset,place:beach}}",
    ),
    (
        "a red car drives along a desert road, tracking shot",
        "{slots:{camera:follow,cast:[{action:drive,colour:red,subject:car}],place:desert}}",
    ),
    (
        "a glass falls from a table and shatters",
        "{slots:{cast:[{action:shatter,subject:glass}],place:tabletop}}",
    ),
    (
        "a happy child in a yellow raincoat dances in the rain",
        "{slots:{cast:[{action:dance,expression:happy,subject:child,top:[coat,yellow]}],weather:rain}}",
    ),
    (
        "a white dog chases a black cat through the forest",
        "{slots:{cast:[{colour:white,relation:chases,subject:dog},{colour:black,subject:cat}],place:forest}}",
    ),
    (
        "close-up of a sad robot, foggy night",
        "{slots:{cast:[{expression:sad,subject:robot}],framing:close_up,light:night,weather:fog}}",
    ),
    (
        "a red ball collides with a blue box on a table",
        "{slots:{cast:[{action:collide,colour:red,subject:ball},{action:collide,colour:blue,relation:meets,subject:box}],place:tabletop}}",
    ),
    (
        "a boat sails on the sea under an overcast sky, aerial view",
        "{slots:{angle:high,cast:[{action:sail,subject:boat}],light:overcast,place:beach}}",
    ),
    (
        "a woman holds a small red ball in a park",
        "{slots:{cast:[{relation:holds,subject:woman},{colour:red,size:small,subject:ball}],place:park}}",
    ),
    (
        "a purple hot-air balloon floats over the desert, the camera orbits around it",
        "{slots:{camera:orbit,cast:[{action:float,colour:purple,subject:balloon}],place:desert}}",
    ),
    (
        "a man walks through a forest, three animals pass in the background",
        "{slots:{cast:[{action:walk,subject:man}],crowd:animals,extras:3,place:forest}}",
    ),
    (
        "一头棕色的猛犸象在雪地里行走，特写",
        "{slots:{cast:[{action:walk,colour:brown,subject:mammoth}],framing:close_up,place:snowfield}}",
    ),
    (
        "一个开心的宇航员在月球上跳舞，手持镜头",
        "{slots:{camera:handheld,cast:[{action:dance,expression:happy,subject:astronaut}],place:moon}}",
    ),
];

#[test]
fn prompts_of_the_whole_vocabulary_ground() {
    let mut wrong = Vec::new();
    for (text, want) in WHOLE_PROMPTS {
        let grounding = read_whole(text);
        for seed in 0..20 {
            let script = grounding.realise(seed, FORM);
            script.validate().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(grounding.slots.contradiction(&script), None, "{text}");
        }
        if shown(&grounding) != want {
            wrong.push(format!("{text}: {}", shown(&grounding)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    for mix in [Mix::First, Mix::Whole] {
        for (name, slot) in known_names_of(mix) {
            assert!(Lexicon::of(mix).meaning(name).is_some(), "{name} ({slot})");
        }
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

fn story(text: &str) -> Story {
    ground_story(Mix::Whole, text, &mut |_| None)
}

/// Texts of several shots, and what each shot states.
const STORIES: &[(&str, &[&str])] = &[
    (
        "A woman in a long red dress walks down a neon street at night. Then she sits in a park. Finally, close-up of her \
         face, she is happy.",
        &[
            "{cast:[{action:walk,bottom:[dress,red],subject:woman}],light:night,place:neon_street}",
            "{cast:[{action:sit,bottom:[dress,red],subject:woman}],place:park}",
            "{cast:[{bottom:[dress,red],expression:happy,subject:woman}],framing:close_up}",
        ],
    ),
    (
        "Shot 1: a brown dog runs along a beach at sunset. Shot 2: the dog chases a white cat through a forest. Shot 3: the \
         cat sits in the snow.",
        &[
            "{cast:[{action:run,colour:brown,subject:dog}],light:sunset,place:beach}",
            "{cast:[{colour:brown,relation:chases,subject:dog},{colour:white,subject:cat}],place:forest}",
            "{cast:[{action:sit,colour:white,subject:cat}],place:snowfield}",
        ],
    ),
    (
        "首先，一只狗在海滩上跑。然后，它坐在雪地里。最后，夜晚。",
        &[
            "{cast:[{action:run,subject:dog}],place:beach}",
            "{cast:[{action:sit,subject:dog}],place:snowfield}",
            "{cast:[{subject:dog}],light:night}",
        ],
    ),
    (
        "镜头一：一个穿红色连衣裙的女人在霓虹街上走路。镜头二：她在公园里跳舞，特写。",
        &[
            "{cast:[{action:walk,bottom:[dress,red],subject:woman}],place:neon_street}",
            "{cast:[{action:dance,bottom:[dress,red],subject:woman}],framing:close_up,place:park}",
        ],
    ),
    (
        "a red car drives along a desert road, cut to an astronaut on the moon",
        &[
            "{cast:[{action:drive,colour:red,subject:car}],place:desert}",
            "{cast:[{subject:astronaut}],place:moon}",
        ],
    ),
    (
        "An astronaut walks on the moon, then waves, then she dances in a forest.",
        &[
            "{cast:[{action:walk,subject:astronaut}],place:moon}",
            "{cast:[{action:dance,subject:astronaut}],place:forest}",
        ],
    ),
    (
        "In a park by day. First, a man and a woman walk. Then a blue car drives. Then the man waves. Then they dance.",
        &[
            "{cast:[{action:walk,subject:man},{action:walk,subject:woman}],light:day,place:park}",
            "{cast:[{action:drive,colour:blue,subject:car}]}",
            "{cast:[{action:wave,subject:man}]}",
            "{cast:[{action:dance,subject:man},{action:dance,subject:woman}]}",
        ],
    ),
];

#[test]
fn stories_are_cut_into_shots_that_share_their_cast() {
    let mut wrong = Vec::new();
    for (text, want) in STORIES {
        let story = story(text);
        let got: Vec<String> = story
            .shots
            .iter()
            .map(|shot| {
                shown(shot).trim_start_matches("{slots:").trim_end_matches('}').to_owned() + "}"
            })
            .collect();
        if got != *want {
            wrong.push(format!("{text}\n{}", got.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_story_is_drawn_with_one_cast_and_stays_where_it_was() {
    for (text, shots) in STORIES {
        let story = story(text);
        for seed in 0..30 {
            let script = story.realise(seed, FORM);
            script.validate().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((script.shots.len(), script.frames()), (shots.len(), FORM.frames), "{text}");
            for (idx, (shot, said)) in script.shots.iter().zip(&story.shots).enumerate() {
                // The shot alone agrees with what is said of it.
                let cast = shot.roles.iter().map(|role| script.cast[role.member].clone()).collect();
                let mut alone = Script { cast, shots: vec![shot.clone()], ..script.clone() };
                for (idx, role) in alone.shots[0].roles.iter_mut().enumerate() {
                    role.member = idx;
                }
                assert_eq!(said.slots.contradiction(&alone), None, "{text}: shot {idx}");
                let stays = said.slots.place.is_none() && idx > 0;
                assert!(!stays || shot.place == script.shots[idx - 1].place, "{text}: shot {idx}");
            }
        }
    }
    // The same looks are the same member, other looks are another one.
    let cast = |text| story(text).realise(1, FORM).cast.len();
    assert_eq!(cast("A red car drives. Then a blue car drives. Then the red car drives."), 2);
    assert_eq!(cast("A red car drives. Then a car drives in a desert."), 1);
    let noted = story("A woman in a red dress walks. Then her dress is blue.");
    assert_eq!(noted.shots[1].impossible, ["the woman looks the same in all shots"]);
}

#[test]
fn texts_of_one_shot_are_not_cut() {
    for text in [
        "a ball falls, then bounces",
        "First, a dog runs on a beach.",
        "A man walks next to a tree. Next to him, a dog sits.",
        "a wide shot of a car at one end of a street",
        "一个女人走路，然后挥手",
    ] {
        assert_eq!(count_shots(Mix::Whole, text), 1, "{text}");
        assert_eq!(story(text).shots, [read_whole(text)], "{text}");
    }
    let many = story(&"Then a dog runs. ".repeat(7));
    assert_eq!((many.shots.len(), many.realise(1, FORM).cast.len()), (4, 1));
    assert_eq!(many.shots[3].impossible, ["at most 4 shots can be shown, 3 are left out"]);
    assert_eq!(many.realise(1, ClipForm { frames: 8, ..FORM }).shots.len(), 2);
    let crowd = story("Six dogs run. Then three cats sit.");
    assert_eq!(crowd.realise(1, FORM).cast.len(), MAX_CAST);
}
