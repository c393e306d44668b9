//! Runs that end well.

use std::fs;

use hibari_media::{decode_mp4, load_still, read_provenance};
use hibari_weights::WeightIndex;
use hibari_world::Mix;
use serde_json::Value;

use crate::{PROMPT, Place, model, names, write_model};

#[test]
fn a_video_is_made_and_reported() {
    let place = Place::new();
    let outcome = place.run(&[
        "generate",
        PROMPT,
        "--seed",
        "7",
        "--size",
        "144x256",
        "--seconds",
        "0.67",
        "--steps",
        "2",
        "--out",
        "a.mp4",
        "--sheet",
        "a.png",
        "--gif",
        "a.gif",
        "--save-latents",
        "a.safetensors",
        "--json",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("understood: "), "{outcome:?}");
    assert!(outcome.stderr.lines().last().unwrap().starts_with("wrote a.mp4 (144x256, 8 frames"));
    assert_eq!(place.files(), ["a.gif", "a.mp4", "a.png", "a.safetensors"]);
    assert!(names(place.temporary.path()).is_empty(), "the latents are removed");

    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let expected = [
        ("path", Value::from("a.mp4")),
        ("prompt", PROMPT.into()),
        ("seed", 7.into()),
        ("width", 144.into()),
        ("height", 256.into()),
        ("frames", 8.into()),
        ("fps", 12.into()),
        ("model", "lark-tiny".into()),
        ("model_sha256", WeightIndex::open(model()).unwrap().hash().into()),
        ("unknown_words", Value::Array(Vec::new())),
    ];
    for (key, value) in expected {
        assert_eq!(report[key], value, "{key}");
    }
    let caption = report["caption"].as_str().unwrap();
    assert!(["car", "red", "neon", "night"].iter().all(|word| caption.contains(word)), "{caption}");
    assert!(report["seconds"]["total"].as_f64().unwrap() > 0.0);

    let video = decode_mp4(&place.path("a.mp4")).unwrap();
    assert_eq!((video.width, video.height, video.frames.len()), (144, 256, 8));
    assert_eq!((video.rate.numerator, video.rate.denominator), (12, 1));
    let made = read_provenance(&place.path("a.mp4")).unwrap().unwrap();
    assert_eq!((made.prompt.as_str(), made.seed), (PROMPT, 7));
    assert!(load_still(&place.path("a.png")).unwrap().width > 4 * 144);

    let outcome = place.run(&["resume", "a.safetensors", "--out", "again.mp4"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let [first, again] = ["a.mp4", "again.mp4"].map(|name| fs::read(place.path(name)).unwrap());
    assert!(first == again, "the kept latents give the same video");
}

#[test]
fn the_seed_alone_decides_and_names_are_free() {
    let place = Place::new();
    for (seed, threads) in [("1", "1"), ("1", "2"), ("2", "2")] {
        let args =
            ["--seed", seed, "--threads", threads, "--seconds", "1", "--steps", "3", "--quiet"];
        let outcome = place.run(&[&["generate", PROMPT], &args[..]].concat());
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!((outcome.stdout, outcome.stderr), (String::new(), String::new()));
    }
    let stem = "a-red-car-drives-down-a-neon-street-at-night";
    let files = ["", "-2", "-3"].map(|number| format!("{stem}{number}.mp4"));
    let [first, second, third] = files.map(|name| fs::read(place.path(&name)).unwrap());
    assert!(first == second, "1 and 2 threads");
    assert!(second != third, "seeds 1 and 2");
}

#[test]
fn unknown_words_are_named() {
    let place = Place::new();
    let args = ["--seconds", "0.33", "--steps", "1", "--out", "a.mp4", "--json"];
    let outcome = place.run(&[&["generate", "a dog and a qqzxv"], &args[..]].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("note: not known to the world: `qqzxv`"), "{outcome:?}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["unknown_words"], serde_json::json!(["qqzxv"]));
}

#[test]
fn a_story_in_the_words_of_the_whole_world_is_told_shot_by_shot() {
    let place = Place::new();
    write_model(&place.path("whole.safetensors"), 2, Mix::Whole);
    let prompt =
        "a mammoth walks through the snow. Then an astronaut jumps on the moon, it is night.";
    let outcome = place.run(&[
        "generate",
        prompt,
        "--model",
        "whole.safetensors",
        "--seconds",
        "1.33",
        "--steps",
        "2",
        "--out",
        "a.mp4",
        "--save-latents",
        "a.safetensors",
        "--json",
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for shot in ["understood (shot 1 of 2): ", "understood (shot 2 of 2): "] {
        assert!(outcome.stderr.contains(shot), "{outcome:?}");
    }
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let caption = report["caption"].as_str().unwrap();
    assert!(
        ["mammoth", "astronaut", "moon"].iter().all(|word| caption.contains(word)),
        "{caption}"
    );
    assert_eq!((&report["unknown_words"], &report["frames"]), (&Value::Array(vec![]), &16.into()));

    let args = ["--model", "whole.safetensors", "--out", "b.mp4"];
    let outcome = place.run(&[&["resume", "a.safetensors"], &args[..]].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let [first, again] = ["a.mp4", "b.mp4"].map(|name| fs::read(place.path(name)).unwrap());
    assert!(first == again, "the kept latents give the same video");

    let outcome = place.run(&["eval", "--model", "whole.safetensors", "--prompts", "1"]);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("--judge"), "{outcome:?}");
}

#[test]
fn the_world_draws_what_words_say() {
    let place = Place::new();
    let prompt = "a red ball rolls on a table and a qqzxv. Then it falls.";
    let render =
        |args: &[&str]| place.run(&[&["world", "render", "--out", "a.mp4"], args].concat());
    let outcome = render(&["--prompt", prompt, "--seed", "3", "--json"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("note: not known to the world: `qqzxv`"), "{outcome:?}");
    let script: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let shots = script["shots"].as_array().unwrap();
    assert_eq!((shots.len(), &script["cast"][0]["colour"]), (2, &"red".into()));
    assert!(shots.iter().all(|shot| shot["place"] == "tabletop"), "{script}");
    assert_eq!(decode_mp4(&place.path("a.mp4")).unwrap().frames.len(), 96);
    for args in
        [&[][..], &["--prompt", "a dog", "--mix", "first"], &["a.json", "--prompt", "a dog"]]
    {
        assert_eq!(render(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn clips_of_any_form_are_exported_as_files() {
    let place = Place::new();
    let export = |args: &[&str]| {
        place.run(&[&["world", "export", "--n", "1", "--files", "--out", "set"], args].concat())
    };
    let form = ["--seconds", "1.33", "--fps", "24", "--size", "96x54", "--shots", "2"];
    let outcome = export(&form);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(names(&place.path("set")), ["000000000.json", "000000000.mp4"]);
    let video = decode_mp4(&place.path("set/000000000.mp4")).unwrap();
    assert_eq!((video.width, video.height, video.frames.len()), (96, 54, 32));
    let facts: Value =
        serde_json::from_slice(&fs::read(place.path("set/000000000.json")).unwrap()).unwrap();
    assert_eq!(facts["frames"].as_array().unwrap().len(), 32);
    for (wrong, nearest) in [
        (["--seconds", "65"], "64.00 seconds"),
        (["--seconds", "1.5"], "1.67 seconds"),
        (["--seconds", "nan"], "0.33 seconds"),
        (["--fps", "30"], "24 a second"),
        (["--size", "7x54"], "32"),
    ] {
        let outcome = export(&wrong);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(nearest), "{outcome:?}");
    }
}

/// How many instruction sets a machine has.
fn doctor_sets(doctor: &Value) -> usize {
    doctor["instructions_available"].as_array().unwrap().len()
}

#[test]
fn doctor_bench_and_vocabulary_speak_json() {
    let place = Place::new();
    let json = |args: &[&str]| -> Vec<Value> {
        let outcome = place.run(args);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let doctor = &json(&["doctor", "--json", "--threads", "2", "--isa", "scalar"])[0];
    assert_eq!(doctor["threads"], 2);
    assert_eq!(doctor["instructions"], "Scalar");
    assert_eq!(doctor["devices"][1]["name"], "cuda");
    assert_eq!(doctor["models"][0]["name"], "minilm");
    assert_eq!(doctor["models"][1]["problem"], Value::Null);

    let rows = json(&["bench", "attention", "--json", "--runs", "1"]);
    let sets = doctor_sets(&json(&["doctor", "--json"])[0]);
    assert_eq!(rows.len(), 2 * 5 * sets, "shapes, kernels, instruction sets");
    assert_eq!(rows.iter().filter(|row| row["is_chosen"] == true).count(), 10);
    assert!(rows.iter().all(|row| row["gflops"].as_f64().unwrap() > 0.0));
    let unknown = place.run(&["bench", "nothing"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("begin with linear"), "{unknown:?}");
    let rows = json(&["bench", "linear_dx", "--json", "--runs", "1", "--isa", "scalar"]);
    assert!(rows.iter().all(|row| row["op"] == "linear_dx" && row["instructions"] == "Scalar"));
    assert_eq!(rows.len(), 3);

    let speeds = json(&["world", "bench", "--clips", "3", "--json"]);
    let all = speeds.last().unwrap();
    assert_eq!((&all["place"], &all["clips"]), (&Value::from("all"), &Value::from(3)));
    assert!(speeds.iter().all(|speed| speed["frames_per_s"].as_f64().unwrap() > 0.0));

    let tables = &json(&["world", "vocabulary", "--json"])[0];
    assert_eq!(tables[0]["slot"], "subject");
    assert_eq!(tables[0]["entries"][0]["name"], "woman");
    assert_eq!(tables[0]["entries"].as_array().unwrap().len(), 6, "what the model learned");
    let whole = &json(&["world", "vocabulary", "--mix", "whole", "--json"])[0];
    assert_eq!(whole[0]["entries"].as_array().unwrap().len(), 16);
}

#[test]
fn the_world_is_drawn() {
    let place = Place::new();
    let sample = place.run(&["world", "sample", "--n", "5", "--sheet", "s.png"]);
    assert_eq!(sample.code, Some(0), "{sample:?}");
    assert!(load_still(&place.path("s.png")).unwrap().width > 3 * 256);

    let drawn = place.run(&["world", "render", "--seed", "3", "--out", "a.mp4", "--json"]);
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    assert_eq!(decode_mp4(&place.path("a.mp4")).unwrap().frames.len(), 48);
    fs::write(place.path("script.json"), &drawn.stdout).unwrap();
    let again = place.run(&["world", "render", "script.json", "--out", "b.mp4"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("a.mp4") == bytes("b.mp4"), "the script says it all");

    let export = ["world", "export", "--n", "2", "--per-shard", "1", "--out", "set"];
    let exported = place.run(&export);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    for name in ["set/clips-000000.tar", "set/clips-000001.tar", "set/clips.parquet"] {
        assert!(!bytes(name).is_empty(), "{name}");
    }
}
