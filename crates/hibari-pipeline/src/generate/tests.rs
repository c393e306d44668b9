//! The loop on a model of a few lines, so that what it returns is known in closed form.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use std::time::Duration;

use hibari_diffusion::{Guidance, Method, NoisePlan, Sigma, Step};
use hibari_models::Window;
use hibari_weights::{StoredTensor, write_safetensors};
use hibari_world::NearestWord;

use super::*;

/// Its clean latents are `value` everywhere; it decodes each latent frame to four frames of that brightness.
struct Flat {
    spec: ModelSpec,
    value: f32,
    decode_bytes_a_pixel: Option<u64>,
}

impl Flat {
    fn new(value: f32) -> Self {
        let spec = ModelSpec {
            family: "flat",
            preset: "flat".into(),
            sizes: vec![(64, 32), (32, 64)],
            side_step: None,
            fps: 12,
            channels: 2,
            cell_px: 16,
            first_frames: 4,
            frames_per_latent: 4,
            usual_window: 3,
            max_window: 3,
            steps: 5,
            guidance: 2.0,
            low_noise: None,
            guided: (0.1, 0.8),
            negative: String::new(),
            shift: 1.0,
            method: Method::DpmPp2M,
            first_picture: FirstPicture::None,
            words: vec!["dog".into()],
        };
        Self { spec, value, decode_bytes_a_pixel: None }
    }
}

impl Generator for Flat {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn sha256(&self) -> &str {
        "f1a7"
    }

    fn nearest(&mut self, _word: &str) -> Option<NearestWord> {
        None
    }

    fn denoise(
        &mut self,
        told: &Told,
        _shown: Option<&Shown>,
        window: &Window,
        start: Position,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError> {
        let Told::Text { positive, negative } = told else { panic!("{told:?}") };
        assert!(positive[0].text.contains("dog") && negative.joined().is_empty());
        assert_eq!((positive.len(), positive[0].latents), (1, 2));
        assert_eq!(guidance.weight, 2.0);
        assert_eq!((plan.n_frames(), plan.at(0)[0], plan.at(plan.n_steps())[0]), (2, 1.0, 0.0));
        assert_eq!((window.size, window.times.as_slice()), ((32, 64), &[0.0, 1.0][..]));
        assert_eq!(start.latent.video.dims(), [1, 2, 2, 4, 2]);
        let mut predict =
            |noisy: Latent, _: Sigma, _| Latent { video: noisy.video * 0.0 + self.value };
        let mut solver = self.spec.method.solver();
        hibari_diffusion::denoise(start, plan, solver.as_mut(), guidance, &mut predict, progress)
            .map_err(|_canceled| PipelineError::Canceled)
    }

    fn encode(&self, _frames: &[Frame]) -> Tensor<5> {
        unreachable!("it takes no picture")
    }

    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError> {
        Ok(frames.to_vec())
    }

    fn estimate(&self, window: &Window) -> Option<Estimate> {
        let pixels = (window.size.0 * window.size.1) as u64;
        let whole = Decoding::default();
        self.decode_bytes_a_pixel.map(|bytes| Estimate {
            denoise_bytes: 1 << 30,
            decodings: vec![
                Decoding { bytes: bytes * pixels, piece_bytes: 1 << 20, ..whole },
                Decoding { tile_px: Some(32), bytes: 1 << 30, piece_bytes: 1 << 29, ..whole },
                Decoding { tile_px: Some(16), bytes: 1 << 28, piece_bytes: 1 << 27, ..whole },
            ],
            call_flop: 0,
            decode_flop: 0,
            encode_flop: 0,
        })
    }

    fn decode(
        &self,
        latents: Tensor<5>,
        tile_px: Option<usize>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    ) {
        let n_pieces = tile_px.map_or(1, |px| 64 / px);
        if (0..n_pieces).any(|done| piece(done, n_pieces).is_break()) {
            return;
        }
        let [_, _, f, h, w] = latents.dims();
        let value: f32 = latents.mean().into_scalar();
        for _ in 0..4 * f {
            let pixels = Tensor::full([1, 3, 16 * h, 16 * w], value, &Device::flex());
            if frame(pixels).is_break() {
                return;
            }
        }
    }
}

fn request() -> Request {
    Request {
        prompt: "a dog walks in the park".into(),
        seed: 4,
        size: Some((32, 64)),
        seconds: Some(0.67),
        ..Request::default()
    }
}

fn means(path: &Path, every_secs: u64) -> Means {
    let every = Duration::from_secs(every_secs);
    Means { paths: vec![path.to_path_buf()], every, memory: Gauge::new(|| Some(4 << 30)) }
}

/// What was told, and the result; stops at the `stop`-th telling.
fn run(value: f32, aside: &Path, stop: usize) -> (Vec<&'static str>, Result<Clip, PipelineError>) {
    let mut told = Vec::new();
    let mut pixels = Pixels::default();
    let model = &mut Flat::new(value);
    let clip = generate(&request(), model, &means(aside, 60), Some(&mut pixels), &mut |progress| {
        told.push(match progress {
            Progress::Understood(_) => "understood",
            Progress::Planned { .. } => "planned",
            Progress::Denoised { .. } => "denoised",
            Progress::Saved(_) => "saved",
            Progress::Tiled { .. } => "tiled",
            Progress::Short(_) => "short",
            Progress::Decoded { .. } => "decoded",
        });
        if told.len() == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if clip.is_ok() {
        let (dims, values) = pixels.by_channel();
        assert_eq!(dims, [1, 3, 8, 64, 32]);
        assert!(values.len() == 3 * 8 * 64 * 32 && values.iter().all(|&v| v == values[0]));
    }
    (told, clip)
}

#[test]
fn frames_come_out_and_again_from_the_state_aside() {
    let folder = tempfile::tempdir().unwrap();
    let aside = folder.path().join("state");
    let (told, clip) = run(0.5, &aside, 0);
    let clip = clip.unwrap();
    assert_eq!(told.len(), 1 + 5 + 1 + 8);
    assert_eq!(clip.frames, vec![Frame::filled(32, 64, [191; 3]); 8]);
    assert_eq!((clip.fps, clip.made.seed, clip.made.model_sha256.as_str()), (12, 4, "f1a7"));

    let again = taken_up(&aside);
    assert_eq!((again.frames, again.made), (clip.frames, clip.made));
}

fn taken_up(aside: &Path) -> Clip {
    let state = State::open(aside).unwrap();
    let model = &mut Flat::new(0.5);
    assert!(state.is_of(model));
    resume(state, model, &means(aside, 0), None, &mut |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    let aside = folder.path().join("state");
    let (_, whole) = run(0.5, &aside, 0);
    for stop in 1..5 {
        std::fs::remove_file(&aside).unwrap();
        let stopped =
            generate(&request(), &mut Flat::new(0.5), &means(&aside, 0), None, &mut |progress| {
                match progress {
                    Progress::Denoised { done, .. } if done == stop => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            });
        assert!(matches!(stopped, Err(PipelineError::Canceled)));
        assert_eq!(State::open(&aside).unwrap().job.done, stop);
        assert_eq!(taken_up(&aside).frames, whole.as_ref().unwrap().frames, "after step {stop}");
    }
}

#[test]
fn it_stops_wherever_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    for stop in 1..=15 {
        let (told, clip) = run(0.5, &folder.path().join("state"), stop);
        assert!(matches!(clip, Err(PipelineError::Canceled)), "at telling {stop}");
        assert_eq!(told.len(), stop);
    }
}

#[test]
fn nonsense_is_not_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let aside = folder.path().join("state");
    for value in [f32::NAN, f32::INFINITY] {
        let (_, clip) = run(value, &aside, 0);
        assert!(matches!(clip, Err(PipelineError::NotFinite)));
        assert!(!aside.exists());
    }
    let (_, clip) = run(1e6, &aside, 0);
    assert_eq!(clip.unwrap().frames[0].pixel(0, 0), [255; 3], "out of range is clipped");
}

#[test]
fn a_state_that_cannot_be_kept_does_not_stop_the_work() {
    let (told, clip) = run(0.5, Path::new("/no/such/folder/state"), 0);
    assert!(clip.is_ok() && !told.contains(&"saved"));
}

#[test]
fn noise_depends_on_the_seed_alone() {
    let plan = request().plan(&Flat::new(0.0).spec).unwrap();
    let values = |seed| -> Vec<f32> {
        let request = Request { seed, ..request() };
        let latent = noise(&request, &Flat::new(0.0).spec, &plan).unwrap();
        latent.video.into_data().try_into_vec().unwrap()
    };
    assert_eq!(values(1), values(1));
    assert_ne!(values(1), values(2));

    // Or it comes from a file, if that has the right shape.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.safetensors");
    let write = |shape: &[usize]| {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
        let tensor = StoredTensor::from_f32("latents", shape, &values);
        write_safetensors(&path, &[tensor], &BTreeMap::new()).unwrap();
        let request = Request { noise: Some(path.clone()), ..request() };
        noise(&request, &Flat::new(0.0).spec, &plan)
    };
    let given = write(&[1, 2, 2, 4, 2]).unwrap().video.into_data().try_into_vec::<f32>().unwrap();
    assert_eq!(given[31], 31.0);
    assert!(write(&[1, 2, 2, 2, 4]).is_err());
}

#[test]
fn what_does_not_fit_is_decoded_in_tiles_or_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let run = |bytes_a_pixel: u64, memory_bytes: u64| {
        let mut model = Flat { decode_bytes_a_pixel: Some(bytes_a_pixel), ..Flat::new(0.5) };
        model.spec.side_step = Some(16);
        let memory = Gauge::new(move || Some(memory_bytes));
        let means = Means { memory, ..means(&folder.path().join("a"), 60) };
        let mut told = Vec::new();
        let clip = generate(&request(), &mut model, &means, None, &mut |progress| {
            told.push(match progress {
                Progress::Planned { memory, .. } => memory.tile_px().is_some().to_string(),
                _ => "else".into(),
            });
            ControlFlow::Continue(())
        });
        (clip.map(|clip| clip.frames.len()), told)
    };
    let (clip, told) = run(1 << 10, 2 << 30);
    assert!(clip.is_ok() && told.contains(&"false".into()), "{told:?}");
    let (clip, told) = run(2 << 20, 2 << 30);
    assert!(clip.is_ok() && told.contains(&"true".into()), "{told:?}");
    let (clip, told) = run(2 << 20, 1 << 30);
    let error = clip.unwrap_err();
    assert!(matches!(error, PipelineError::Memory { have_mb: 1024, .. }), "{error}");
    assert!(error.hint().contains("--stream-weights") && told == ["else"], "{told:?}");
}

/// What is available is read again before each piece of the work: what grows short is begun again in smaller tiles, and the
/// state stays where even those are too large.
#[test]
fn decoding_that_runs_out_of_memory_begins_again_in_smaller_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let aside = folder.path().join("a");
    // The first two answers plan the work; then the whole, tiles of 32 (two pieces) and of 16 (four) ask.
    let run = |answers: &'static [u64]| {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let memory = Gauge::new(move || {
            let idx = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(answers[idx.min(answers.len() - 1)] << 20)
        });
        let model = &mut Flat { decode_bytes_a_pixel: Some(1 << 10), ..Flat::new(0.5) };
        let means = Means { memory, ..means(&aside, 60) };
        let (mut sides, mut tiles) = (Vec::new(), 0);
        let mut pixels = Pixels::default();
        let clip = generate(&request(), model, &means, Some(&mut pixels), &mut |progress| {
            match progress {
                Progress::Short(side) => sides.push(side),
                Progress::Tiled { .. } => tiles += 1,
                _ => {}
            }
            ControlFlow::Continue(())
        });
        (clip.map(|clip| (clip.frames, pixels.dims)), sides, tiles)
    };
    let whole = (vec![Frame::filled(32, 64, [191; 3]); 8], [8, 64, 32]);
    let (clip, sides, tiles) = run(&[4096, 4096, 4096]);
    assert!(clip.unwrap() == whole && sides.is_empty() && tiles == 0);
    // Not enough for the whole, enough for a tile of 32 but not for its second piece, enough for tiles of 16.
    let (clip, sides, tiles) = run(&[4096, 4096, 1, 1100, 500, 300]);
    assert!(clip.unwrap() == whole && sides == [32, 16] && tiles == 1 + 4, "{sides:?} {tiles}");
    let (clip, sides, _) = run(&[4096, 4096, 1, 200]);
    let error = clip.unwrap_err();
    assert!(matches!(error, PipelineError::Decoding { need_mb: 256, have_mb: 200 }), "{error}");
    assert!(sides == [32, 16] && !error.hint().is_empty());
    assert_eq!(taken_up(&aside).frames, whole.0, "the state stays");
}
