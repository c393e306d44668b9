//! A published model in a folder, tiny and with random weights: run as anyone would to compare it with another program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use burn::tensor::Device;
use hibari_media::{Frame, save_still};
use hibari_models::wan::DitConfig;
use hibari_models::wan::vae::{Vae, VaeConfig};
use hibari_weights::{Checkpoint, StoredTensor, write_safetensors};
use hibari_world::random::Random;

use crate::{Outcome, Place};

const TEXTS: [(&str, &str); 4] = [
    ("model_index.json", r#"{"_class_name": "WanPipeline"}"#),
    (
        "transformer/config.json",
        r#"{"num_attention_heads": 2, "attention_head_dim": 20, "in_channels": 16, "out_channels": 16, "text_dim": 24,
            "freq_dim": 32, "ffn_dim": 72, "num_layers": 2}"#,
    ),
    ("vae/config.json", r#"{"base_dim": 4, "z_dim": 16}"#),
    (
        "scheduler/scheduler_config.json",
        r#"{"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0}"#,
    ),
];

fn write_tensors(path: &Path, layout: &[(String, Vec<usize>)]) {
    let stored: Vec<StoredTensor> = layout
        .iter()
        .map(|(name, shape)| {
            let mut random = Random::new(1, name);
            let values: Vec<f32> =
                (0..shape.iter().product()).map(|_| random.range(-0.2, 0.2)).collect();
            StoredTensor::from_f32(name, shape, &values)
        })
        .collect();
    write_safetensors(path, &stored, &BTreeMap::new()).unwrap();
}

fn tiny() -> DitConfig {
    DitConfig {
        heads: 2,
        d_head: 20,
        ffn: 72,
        layers: 2,
        text_width: 24,
        time_features: 32,
        ..DitConfig::t2v_1_3b()
    }
}

/// Writes the model's folder `wan`, and `noise.safetensors` and `text.safetensors` beside it.
pub(crate) fn place_with_wan() -> Place {
    let place = Place::new();
    let folder = place.path("wan");
    for (name, text) in TEXTS {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let dit = tiny();
    let vae = VaeConfig { encoder_base: 4, decoder_base: 4, ..VaeConfig::wan21() };
    write_tensors(&folder.join("transformer/model.safetensors"), &dit.tensors());
    let layout = Vae::new(vae, &Device::flex()).layout();
    write_tensors(&folder.join("vae/model.safetensors"), &layout);
    let named = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec());
    write_tensors(&place.path("noise.safetensors"), &[named("latents", &[1, 16, 3, 4, 6])]);
    let states = ["prompt_embeds", "negative_prompt_embeds"].map(|name| named(name, &[1, 7, 24]));
    write_tensors(&place.path("text.safetensors"), &states);
    place
}

fn generate(place: &Place, size: &str, args: &[&str]) -> Outcome {
    let usual = ["generate", "a cat", "--model", "wan", "--size", size, "--steps", "2", "--quiet"];
    place.run(&[&usual, args].concat())
}

#[test]
fn latents_and_frames_can_be_compared_with_other_programs() {
    let place = place_with_wan();
    let given = ["--noise", "noise.safetensors", "--prompt-embeds", "text.safetensors"];
    let keep = ["--save-latents", "latents.safetensors", "--save-frames", "frames.safetensors"];
    let rest = ["--frames", "9", "--guidance", "3", "--dtype", "f32", "--out", "a.mp4", "--force"];
    let run = |threads: &str| {
        let args = [&given[..], &keep, &rest, &["--threads", threads]].concat();
        let outcome = generate(&place, "48x32", &args);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        ["latents.safetensors", "frames.safetensors", "a.mp4"]
            .map(|name| fs::read(place.path(name)).unwrap())
    };
    assert!(run("1") == run("2"), "the number of threads changes no bit");

    let open = |name: &str| Checkpoint::open(&place.path(name)).unwrap();
    let latents = open("latents.safetensors");
    assert_eq!(latents.shape("latents"), Some(&[1, 16, 3, 4, 6][..]));
    let frames = open("frames.safetensors");
    assert_eq!(frames.shape("frames"), Some(&[1, 3, 9, 32, 48][..]));
    let values = frames.tensor_f32("frames").unwrap();
    assert!(values.iter().all(|value| (-1.0..=1.0).contains(value)));

    let again = ["resume", "latents.safetensors", "--out", "again.mp4"];
    assert_eq!(place.run(&again).code, Some(0));
    let [first, again] = ["a.mp4", "again.mp4"].map(|name| fs::read(place.path(name)).unwrap());
    assert!(first == again, "kept latents give the same video");
}

/// The model's folder as that of one that is shown pictures, and `a.png`.
fn place_with_shown_wan() -> Place {
    let place = place_with_wan();
    let config = place.path("wan/transformer/config.json");
    let sizes = fs::read_to_string(&config).unwrap();
    fs::write(config, sizes.replace("\"in_channels\": 16", "\"in_channels\": 36")).unwrap();
    let dit = DitConfig { in_channels: 36, ..tiny() };
    write_tensors(&place.path("wan/transformer/model.safetensors"), &dit.tensors());
    let mut picture = Frame::filled(20, 30, [200, 120, 40]);
    picture.rgb[..600].fill(30);
    save_still(&place.path("a.png"), &picture, None).unwrap();
    place
}

/// What a model is shown matters, is needed, and is kept with the state: taken up without the file, the bits are the same.
#[cfg(unix)]
#[test]
fn a_picture_is_needed_seen_and_kept() {
    let place = place_with_shown_wan();
    let text = ["--prompt-embeds", "text.safetensors", "--frames", "9"];
    let outcome = generate(&place, "48x32", &text);
    assert!(outcome.code == Some(2) && outcome.stderr.contains("none is given"), "{outcome:?}");
    assert!(outcome.stderr.contains("--image"), "{outcome:?}");

    let long = ["generate", "a cat", "--model", "wan", "--size", "96x96", "--steps", "40"];
    let run = |image: &'static str, out: &'static str| {
        [&long[..], &text, &["--image", image, "--out", out, "--checkpoint-secs", "0"]].concat()
    };
    let whole = place.run(&run("a.png", "whole.mp4"));
    assert_eq!(whole.code, Some(0), "{whole:?}");
    save_still(&place.path("b.png"), &Frame::filled(20, 30, [0, 0, 255]), None).unwrap();
    assert_eq!(place.run(&run("b.png", "other.mp4")).code, Some(0));
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("whole.mp4") != bytes("other.mp4"));

    let mut child = place
        .hibari(&run("a.png", "killed.mp4"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = place.path("killed.mp4.state");
    while !Checkpoint::open(&path).is_ok_and(|file| file.contains("picture")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(place.path("a.png")).unwrap();
    let resumed = place.run(&["resume", "killed.mp4.state"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert!(bytes("killed.mp4") == bytes("whole.mp4"));
}

/// Killed with no chance to clean up, while it denoises and while it decodes: taken up, the video has the same bits.
#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_with_the_same_bits() {
    let place = place_with_wan();
    let run = |out: &str| {
        let args = ["generate", "a cat", "--model", "wan", "--size", "96x96", "--frames", "17"];
        let rest = [
            "--prompt-embeds",
            "text.safetensors",
            "--steps",
            "40",
            "--checkpoint-secs",
            "0",
            "-v",
        ];
        [&args[..], &rest, &["--out", out]]
            .concat()
            .iter()
            .map(|a| (*a).to_owned())
            .collect::<Vec<_>>()
    };
    let whole = run("whole.mp4");
    let whole = place.run(&whole.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    for (out, state_has_memory) in [("denoising.mp4", true), ("decoding.mp4", false)] {
        let args = run(out);
        let state = format!("{out}.state");
        let mut child = place
            .hibari(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let path = place.path(&state);
        let is_there = || {
            Checkpoint::open(&path).is_ok_and(|file| file.contains("solver.0") == state_has_memory)
        };
        while !is_there() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path(out).exists());
        let begun = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(begun.code == Some(2) && begun.stderr.contains("hibari resume"), "{begun:?}");

        let resumed = place.run(&["resume", &state]);
        assert_eq!(resumed.code, Some(0), "{resumed:?}");
        assert!(bytes(out) == bytes("whole.mp4"), "{out}");
        assert!(!path.exists(), "the state is removed");
    }
}

#[test]
fn what_does_not_fit_is_told_in_a_sentence() {
    let place = place_with_wan();
    let sized = |size: &str, args: &[&str], sentence: &str, hint: &str| {
        let outcome = generate(&place, size, args);
        let said = outcome.stderr.contains(sentence) && outcome.stderr.contains(hint);
        assert!(outcome.code == Some(2) && said, "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 2, "{outcome:?}");
        assert_eq!(place.files(), ["noise.safetensors", "text.safetensors", "wan"]);
    };
    let refused = |args: &[&str], sentence: &str, hint: &str| sized("48x32", args, sentence, hint);
    let text = ["--prompt-embeds", "text.safetensors"];
    let with_text = |args: &[&'static str]| [&text, args].concat();
    refused(&[], "no text encoder", "--prompt-embeds");
    refused(&with_text(&["--frames", "8"]), "frames `8`", "`9`");
    sized("50x32", &text, "size `50x32`", "`48x32`");
    refused(&with_text(&["--noise", "text.safetensors"]), "latents", "");
    let longer = ["--noise", "noise.safetensors", "--frames", "13"];
    refused(&with_text(&longer), "latents", "");

    let weights = place.path("wan/transformer/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 5]).unwrap();
    refused(&text, "wan/transformer/model.safetensors", "");
    fs::rename(&weights, place.path("wan/transformer/model.bin")).unwrap();
    refused(&text, "wan/transformer/model.bin", "pickle_to_safetensors.py");
}
