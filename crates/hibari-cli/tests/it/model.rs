//! Published models on this machine, without a hub: what is there, what it holds, what it lacks.

use std::fs;

use serde_json::Value;

use crate::Place;
use crate::wan::place_with_wan;

/// Lays the tiny model out as a pull leaves it, and returns the folder for `HF_HUB_CACHE`.
fn held(place: &Place) {
    let commit = "snapshots/0123456789abcdef0123456789abcdef01234567";
    let repo = place.path("hub/models--owner--tiny");
    fs::create_dir_all(repo.join("snapshots")).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::create_dir_all(repo.join("blobs")).unwrap();
    fs::write(repo.join("refs/main"), &commit[10..]).unwrap();
    fs::rename(place.path("wan"), repo.join(commit)).unwrap();
}

#[test]
fn a_model_that_is_here_is_listed_inspected_used_and_removed() {
    let place = place_with_wan();
    held(&place);
    let run = |args: &[&str]| {
        let output = place.hibari(args).env("HF_HUB_CACHE", place.path("hub")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, listed, _) = run(&["model", "list"]);
    assert!(code == Some(0) && listed.starts_with("owner/tiny"), "{listed}");

    let (code, told, _) = run(&["model", "inspect", "owner/tiny", "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["family"], &told["preset"]), (&"wan".into(), &"wan".into()));
    assert_eq!(told["missing"], serde_json::json!(["text encoder", "tokenizer.json"]));
    let part = &told["parts"][0];
    assert_eq!((&part["name"], &part["parameters"]), (&"transformer".into(), &59_688.into()));
    assert_eq!((&part["encodings"]["F32"], &part["problem"]), (&part["tensors"], &Value::Null));

    let video = ["--size", "48x32", "--frames", "5", "--steps", "1", "--out", "a.mp4"];
    let given =
        ["generate", "a cat", "--model", "owner/tiny", "--prompt-embeds", "text.safetensors"];
    let (code, _, error) = run(&[&given[..], &video].concat());
    assert!(code == Some(0) && place.path("a.mp4").exists(), "{error}");

    assert_eq!(run(&["model", "rm", "owner/tiny"]).0, Some(0));
    let (code, _, error) = run(&["model", "rm", "owner/tiny"]);
    assert!(code == Some(2) && error.contains("`owner/tiny` is not on this machine"), "{error}");
    let (code, _, error) = run(&["generate", "a cat", "--model", "wan2.1-t2v-1.3b"]);
    assert!(code == Some(2) && error.contains("hibari model pull"), "{error}");
    let (code, _, error) = run(&["generate", "a cat", "--model", "Wan-AI/none"]);
    assert!(code == Some(2) && error.contains("`hibari model pull Wan-AI/none`"), "{error}");
    let (code, _, error) = run(&["generate", "a cat", "--model", "no/such.safetensors"]);
    assert!(code == Some(2) && error.contains("cannot read weights"), "{error}");
    fs::write(place.path("sheet.png"), "no state").unwrap();
    let (code, _, error) = run(&["resume", "sheet.png"]);
    assert!(code == Some(2) && error.contains("does not hold a video in the making"), "{error}");
}
