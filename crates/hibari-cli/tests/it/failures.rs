//! Runs that do not: one sentence, one hint, an exit code, and nothing left behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use hibari_media::decode_mp4;
use hibari_world::Mix;

use crate::{Outcome, PROMPT, Place, model, names, write_model};

/// Settings that make a video soon.
const SOON: [&str; 5] = ["--quiet", "--seconds", "0.33", "--steps", "1"];

/// Asserts that stderr is one sentence with `sentence` in it, and one hint with `hint` in it.
#[track_caller]
fn check(outcome: &Outcome, code: i32, sentence: &str, hint: &str) {
    assert_eq!(outcome.code, Some(code), "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let [error, advice] = lines[..] else { panic!("not two lines: {outcome:?}") };
    assert!(error.starts_with("error: ") && error.contains(sentence), "{error}");
    assert!(advice.starts_with("hint: ") && advice.contains(hint), "{advice}");
}

/// Runs `generate` with these arguments, and asserts how it fails and that no file is left.
#[track_caller]
fn refused(prompt: &str, args: &[&str], code: i32, sentence: &str, hint: &str) {
    let place = Place::new();
    let outcome = place.run(&[&["generate", prompt, "--quiet"], args].concat());
    check(&outcome, code, sentence, hint);
    assert!(place.files().is_empty() && names(place.temporary.path()).is_empty());
}

#[test]
fn requests_that_cannot_be_met() {
    refused("", &[], 2, "the prompt is empty", "describe a scene");
    refused(" \t\n", &[], 2, "the prompt is empty", "describe a scene");
    let long = "dog ".repeat(8_001);
    refused(&long, &[], 2, "32004 characters", "a few sentences");
    refused(PROMPT, &["--size", "1920x1080"], 2, "size `1920x1080`", "the nearest is `256x144`");
    refused(PROMPT, &["--size", "0x0"], 2, "size `0x0`", "256x144, 144x256, 192x192");
    refused(PROMPT, &["--seconds", "0"], 2, "seconds `0`", "the nearest is `0.33`");
    refused(PROMPT, &["--seconds", "-3"], 2, "seconds `-3`", "the nearest is `0.33`");
    refused(PROMPT, &["--seconds", "10000"], 2, "seconds `10000`", "the nearest is `4`");
    refused(PROMPT, &["--fps", "60"], 2, "fps `60`", "the nearest is `12`");
    refused(PROMPT, &["--steps", "0"], 2, "steps `0`", "the nearest is `1`");
    refused(PROMPT, &["--guidance", "nan"], 2, "guidance `NaN`", "the nearest is `1`");
    if !cfg!(feature = "cuda") {
        refused(PROMPT, &["--device", "cuda"], 2, "cannot compute on `cuda`", "`--features cuda`");
    }
    refused(PROMPT, &["--model", "no.safetensors"], 2, "no.safetensors", "the file exists");
}

#[test]
fn paths_that_cannot_be_written() {
    refused(PROMPT, &["--out", "no/such/a.mp4"], 2, "no/such/a.mp4", "create the folder");
    let latents = ["--save-latents", "no/such/a.safetensors"];
    refused(PROMPT, &latents, 2, "no/such/a.safetensors", "create the folder");
    refused(PROMPT, &["--out", "."], 2, "cannot write `.`", "the folder");
    refused(PROMPT, &["--out", "a.avi"], 2, "`a.avi` has an ending", ".mp4");
    refused(PROMPT, &["--sheet", "a.gif"], 2, "`a.gif` has an ending", ".png or .webp");

    let place = Place::new();
    fs::write(place.path("a.mp4"), "old").unwrap();
    let args = [&["generate", PROMPT, "--out", "a.mp4"], &SOON[..]].concat();
    check(&place.run(&args), 2, "`a.mp4` exists", "--force");
    assert_eq!(fs::read(place.path("a.mp4")).unwrap(), b"old");
    let forced = place.run(&[&args[..], &["--force"]].concat());
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert_eq!(decode_mp4(&place.path("a.mp4")).unwrap().frames.len(), 4);
}

#[test]
fn one_flipped_bit_in_the_weights() {
    let whole = fs::read(model()).unwrap();
    for at in [whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        refused(PROMPT, &["--model", path], 2, "are damaged", "copy or download it again");
    }
}

/// The device whose every write finds the disk full: what was denoised is kept, and finished elsewhere.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_latents() {
    let place = Place::new();
    let outcome = place.run(&[&["generate", PROMPT, "--out", "/dev/full"], &SOON[..]].concat());
    check(&outcome, 1, "cannot write `/dev/full`: No space left", "hibari resume ");
    assert!(outcome.stderr.contains("free some space"), "{outcome:?}");
    assert!(place.files().is_empty());

    let kept = names(place.temporary.path());
    let [latents] = &kept[..] else { panic!("{kept:?}") };
    let latents = place.temporary.path().join(latents);
    assert!(outcome.stderr.contains(latents.to_str().unwrap()), "{outcome:?}");
    let decode = ["resume", latents.to_str().unwrap(), "--out", "a.mp4", "--quiet"];
    let outcome = place.run(&decode);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(names(place.temporary.path()).is_empty(), "the state is removed");
    let whole = place.run(&[&["generate", PROMPT, "--out", "b.mp4"], &SOON[..]].concat());
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("a.mp4") == bytes("b.mp4"), "the finished video is the one that was asked for");

    let kept = place.run(
        &[&["generate", PROMPT, "--out", "c.mp4", "--save-latents", "c.safetensors"], &SOON[..]]
            .concat(),
    );
    assert_eq!(kept.code, Some(0), "{kept:?}");
    let other = place.path("other.safetensors");
    write_model(&other, 2, Mix::First);
    let again = ["resume", "c.safetensors", "--model", "other.safetensors", "--out", "d.mp4"];
    check(&place.run(&again), 2, "was begun by another model", "name the model that began it");
}

/// A file system whose one page is taken, in a mount namespace of its own; where the system allows none, the device
/// stands in.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_no_part_of_the_video() {
    let place = Place::new();
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let script = "mount -t tmpfs -o size=4k none disk || exit 99
        head -c 4096 /dev/zero > disk/full
        \"$@\"
        code=$?
        rm disk/full
        ls -A disk
        exit $code";
    let args = [&["generate", PROMPT, "--out", "disk/a.mp4"], &SOON[..]].concat();
    let hibari = place.hibari(&args);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(hibari.get_program()).args(hibari.get_args()).current_dir(place.work.path());
    command.envs(hibari.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = command.output();
    let outcome = match output {
        Ok(output)
            if output.status.code() != Some(99) && !output.stderr.starts_with(b"unshare:") =>
        {
            Outcome::from(output)
        }
        _ => place.run(&[&["generate", PROMPT, "--out", "/dev/full"], &SOON[..]].concat()),
    };
    check(&outcome, 1, "No space left", "free some space");
    assert_eq!(place.files(), ["disk"]);
    assert!(names(&disk).is_empty());
}

/// Starts a run, interrupts it once stderr shows `sign`, and returns how it ended, without what `-v` adds.
#[cfg(unix)]
fn interrupted(place: &Place, args: &[&str], sign: &str) -> Outcome {
    let mut child = place
        .hibari(&[&["generate", PROMPT, "-v"], args].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(sign) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended without `{sign}`");
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let told: Vec<String> = lines.lines().map(|line| line.unwrap()).collect();
    let told: Vec<String> = told.into_iter().filter(|line| !line.contains("DEBUG")).collect();
    let output = child.wait_with_output().unwrap();
    Outcome::from(Output { stderr: told.join("\n").into_bytes(), ..output })
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_denoising() {
    let place = Place::new();
    let outcome = interrupted(&place, &["--steps", "1000", "--out", "a.mp4"], "denoising");
    check(&outcome, 130, "canceled", "again");
    assert!(place.files().is_empty() && names(place.temporary.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_decoding() {
    let place = Place::new();
    let args = ["--steps", "1", "--out", "a.mp4", "--sheet", "a.png", "--gif", "a.gif"];
    let outcome = interrupted(&place, &args, "decoding");
    check(&outcome, 130, "canceled", "again");
    assert!(place.files().is_empty() && names(place.temporary.path()).is_empty());
}
