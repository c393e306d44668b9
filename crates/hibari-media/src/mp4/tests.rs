//! Videos written and read back.

use std::fs;
use std::path::Path;

use super::*;
use crate::provenance::{find_box, split_box};
use crate::{load_still, read_provenance, save_gif, save_still};

fn provenance() -> Provenance {
    Provenance {
        generator: "hibari".to_owned(),
        version: "0.0.0".to_owned(),
        prompt: "a \"red\" ball, ünïcode 🎈".to_owned(),
        seed: u64::MAX,
        model_sha256: "00ff".to_owned(),
    }
}

fn options() -> Mp4Options {
    Mp4Options { quantiser: 18, provenance: Some(provenance()) }
}

/// A smooth gradient that drifts.
fn smooth(width: usize, height: usize, count: usize) -> Vec<Frame> {
    let wave = |phase: f64| ((phase.sin() * 0.5 + 0.5) * 220.0 + 15.0) as u8;
    (0..count)
        .map(|t| {
            let mut rgb = Vec::new();
            for y in 0..height {
                for x in 0..width {
                    let (x, y, t) = (x as f64 / 40.0, y as f64 / 40.0, t as f64 / 12.0);
                    rgb.extend([wave(x + t), wave(y - t), wave(x + y + 2.0 * t)]);
                }
            }
            Frame::new(width, height, rgb).unwrap()
        })
        .collect()
}

/// In decibels.
fn psnr(a: &Frame, b: &Frame) -> f64 {
    let sum: u64 = a.rgb.iter().zip(&b.rgb).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.rgb.len() as f64 / (sum as f64).max(1e-9)).log10()
}

#[test]
fn smooth_frames_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    for (width, height, rate) in [
        (256, 144, FrameRate::from(12)),
        (144, 256, FrameRate { numerator: 30000, denominator: 1001 }),
        (192, 192, FrameRate::from(24)),
        (100, 58, FrameRate::from(8)),
    ] {
        let frames = smooth(width, height, 30);
        let mut seen = Vec::new();
        encode_mp4(&path, &frames, rate, &options(), &mut |done| seen.push(done)).unwrap();
        assert_eq!(seen, (1..=30).collect::<Vec<_>>());
        let video = decode_mp4(&path).unwrap();
        assert_eq!(
            (video.width, video.height, video.rate, video.frames.len()),
            (width, height, rate, 30)
        );
        for (index, (a, b)) in frames.iter().zip(&video.frames).enumerate() {
            let psnr = psnr(a, b);
            assert!(psnr > 35.0, "{width}x{height}, frame {index}: {psnr:.1} dB");
        }
    }
}

#[test]
fn pure_colours_survive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    for colour in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]] {
        encode_mp4(
            &path,
            &vec![Frame::filled(64, 48, colour); 5],
            FrameRate::from(12),
            &options(),
            &mut |_| {},
        )
        .unwrap();
        for frame in decode_mp4(&path).unwrap().frames {
            let error = frame
                .rgb
                .chunks_exact(3)
                .flat_map(|p| (0..3).map(|i| p[i].abs_diff(colour[i])))
                .max();
            assert!(error <= Some(4), "{colour:?}: off by {error:?}");
        }
    }
}

#[test]
fn the_index_comes_first_and_the_format_is_what_browsers_play() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    encode_mp4(&path, &smooth(256, 144, 14), FrameRate::from(12), &options(), &mut |_| {}).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (mut names, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((name, _, after)) = split_box(rest) {
        names.push(String::from_utf8_lossy(&name).into_owned());
        rest = after;
    }
    assert_eq!(
        (names, rest.len()),
        (["ftyp", "moov", "free", "mdat"].map(str::to_owned).to_vec(), 0)
    );
    let moov = find_box(&bytes, *b"moov").unwrap();
    let position = |needle: &[u8]| moov.windows(needle.len()).position(|window| window == needle);
    let avcc = position(b"avcC").unwrap() + 4;
    assert_eq!(moov[avcc + 1], 100, "High profile");
    assert!(position(b"colrnclx\0\x01\0\x01\0\x01\0").is_some(), "BT.709, limited range");
    // In the VUI: limited range (0), a colour description (1), then 1, 1, 1, at some bit of the sequence set.
    let bits: String = moov[avcc..avcc + 60].iter().map(|byte| format!("{byte:08b}")).collect();
    assert!(bits.contains("01000000010000000100000001"), "VUI");
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.mp4", "b.mp4"].map(|name| folder.path().join(name));
    for path in [&a, &b] {
        encode_mp4(path, &smooth(64, 64, 8), FrameRate::from(12), &options(), &mut |_| {}).unwrap();
    }
    assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
}

#[test]
fn provenance_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let [video, still, bare] = ["a.mp4", "a.png", "b.png"].map(|name| folder.path().join(name));
    let frames = smooth(32, 32, 2);
    encode_mp4(&video, &frames, FrameRate::from(12), &options(), &mut |_| {}).unwrap();
    save_still(&still, &frames[0], Some(&provenance())).unwrap();
    save_still(&bare, &frames[0], None).unwrap();
    assert_eq!(read_provenance(&video).unwrap(), Some(provenance()));
    assert_eq!(read_provenance(&still).unwrap(), Some(provenance()));
    assert_eq!(read_provenance(&bare).unwrap(), None);
    assert_eq!(load_still(&still).unwrap(), frames[0]);
}

#[test]
fn stills_and_previews() {
    let folder = tempfile::tempdir().unwrap();
    let frames = smooth(48, 27, 3);
    let still = folder.path().join("a.webp");
    save_still(&still, &frames[1], None).unwrap();
    assert_eq!(load_still(&still).unwrap(), frames[1]);
    let preview = folder.path().join("a.gif");
    save_gif(&preview, &frames, FrameRate::from(12)).unwrap();
    assert!(fs::read(&preview).unwrap().starts_with(b"GIF89a"));
    assert!(matches!(
        save_still(&folder.path().join("a.bmp"), &frames[0], None),
        Err(MediaError::Format { .. })
    ));
}

#[test]
fn bad_input_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    let refused = |frames: &[Frame], rate: u32, path: &Path| {
        let error =
            encode_mp4(path, frames, FrameRate::from(rate), &options(), &mut |_| {}).unwrap_err();
        assert!(!error.hint().is_empty());
        error
    };
    let good = vec![Frame::filled(32, 32, [9; 3]); 2];
    let mixed = [Frame::filled(32, 32, [0; 3]), Frame::filled(32, 34, [0; 3])];
    assert!(matches!(refused(&[], 12, &path), MediaError::NoFrames));
    assert!(matches!(refused(&good, 0, &path), MediaError::FrameRate { .. }));
    assert!(matches!(refused(&good, 1000, &path), MediaError::FrameRate { .. }));
    assert!(matches!(refused(&mixed, 12, &path), MediaError::MixedSizes { index: 1, .. }));
    assert!(matches!(
        refused(&[Frame::filled(33, 32, [0; 3])], 12, &path),
        MediaError::VideoSize { .. }
    ));
    assert!(matches!(
        refused(&[Frame::filled(8, 8, [0; 3])], 12, &path),
        MediaError::VideoSize { .. }
    ));
    assert!(matches!(
        refused(&good, 12, &folder.path().join("no/a.mp4")),
        MediaError::Write { .. }
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    if cfg!(target_os = "linux") {
        assert!(refused(&good, 12, Path::new("/dev/full")).hint().contains("space"));
    }
}

#[test]
fn damaged_videos_are_named_not_fatal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    encode_mp4(&path, &smooth(64, 64, 6), FrameRate::from(12), &options(), &mut |_| {}).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in [0, 7, 40, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(decode_mp4(&path), Err(MediaError::Malformed { .. })), "{length} bytes");
    }
    assert!(matches!(decode_mp4(&folder.path().join("none.mp4")), Err(MediaError::Read { .. })));
}
