//! A video in the making, in a file: hours of work survive whatever ends the process, and go on with the same bits.
//!
//! Before the last step it holds the latents as they are and what the solver remembers, after it the clean latents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use hibari_diffusion::{Latent, Position};
use hibari_media::Frame;
use hibari_weights::{Dtype, StoredTensor, WeightIndex, WeightsError, write_safetensors};
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::families::{Generator, ShotText};
use crate::memory::Gauge;
use crate::picture::Begun;
use crate::request::Request;

const LATENTS: &str = "latents";
const MEMORY: &str = "solver.";
const PICTURE: &str = "picture";
const SQUARE: &str = "picture.square";
const KEY: &str = "hibari.state";
/// What is wrong with a file that is no state.
const OTHER: &str = "it is of another kind";

/// What a video was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The text, as it was typed.
    pub prompt: String,
    /// The text that the model saw.
    pub caption: String,
    /// The seed.
    pub seed: u64,
    /// SHA-256 of the model's weights.
    pub model_sha256: String,
}

/// A video in the making.
#[derive(Clone, Debug)]
pub struct State {
    /// What is asked for, and how far the work is.
    pub(crate) job: Job,
    /// Latents `[1, C, f, h, w]`, and what the solver remembers.
    pub(crate) position: Position,
    /// What the model is shown while it denoises.
    pub(crate) picture: Option<Begun>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) request: Request,
    /// The texts that the model sees.
    pub(crate) shots: Vec<ShotText>,
    pub(crate) model_sha256: String,
    /// Steps done.
    pub(crate) done: usize,
}

impl State {
    /// What was asked for.
    pub fn request(&self) -> &Request {
        &self.job.request
    }

    /// Whether that model began it.
    pub fn is_of(&self, model: &dyn Generator) -> bool {
        self.job.model_sha256 == model.sha256()
    }

    /// What the video is made from.
    pub(crate) fn made(&self) -> Made {
        let Job { request, shots, model_sha256, .. } = &self.job;
        let texts: Vec<&str> = shots.iter().map(|shot| shot.text.as_str()).collect();
        Made {
            prompt: request.prompt.clone(),
            caption: texts.join(" "),
            seed: request.seed,
            model_sha256: model_sha256.clone(),
        }
    }

    /// Moves on.
    pub(crate) fn reach(&mut self, position: Position) {
        self.job.done = position.done;
        self.position = position;
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// if the disk refuses; then no partial file is left
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        let job = serde_json::to_string(&self.job).expect("plain data serialise");
        let metadata = BTreeMap::from([(KEY.to_owned(), job)]);
        let stored = |name: &str, tensor: &Tensor<5>| {
            StoredTensor::from_f32(name, &tensor.dims(), &values(tensor))
        };
        let mut tensors = vec![stored(LATENTS, &self.position.latent.video)];
        for (idx, tensor) in self.position.memory.iter().enumerate() {
            tensors.push(stored(&format!("{MEMORY}{idx}"), tensor));
        }
        if let Some(Begun { frame, square }) = &self.picture {
            tensors.push(stored_picture(PICTURE, frame));
            tensors.extend(square.as_ref().map(|frame| stored_picture(SQUARE, frame)));
        }
        Ok(write_safetensors(path, &tensors, &metadata)?)
    }

    /// Reads it from `path`.
    ///
    /// # Errors
    /// if the file is damaged, or holds something else
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        let wrong = |reason: String| PipelineError::State { path: path.to_path_buf(), reason };
        let index = WeightIndex::open(path).map_err(|error| match error {
            WeightsError::Header { .. } | WeightsError::Truncated { .. } if !has_header(path) => {
                wrong(OTHER.into())
            }
            WeightsError::Unhashed { .. } => wrong(OTHER.into()),
            error => error.into(),
        })?;
        let job = index.metadata(KEY).ok_or_else(|| wrong(OTHER.into()))?;
        let job: Job = serde_json::from_str(job).map_err(|error| wrong(error.to_string()))?;
        let tensor = |name: &str| {
            let shape: [usize; 5] = index
                .shape(name)
                .and_then(|shape| shape.try_into().ok())
                .ok_or_else(|| wrong(format!("its `{name}` have not five axes")))?;
            let values = index.tensor_f32(name)?;
            Ok::<_, PipelineError>(Tensor::from_data(
                TensorData::new(values, shape),
                &Device::flex(),
            ))
        };
        let latent = Latent { video: tensor(LATENTS)? };
        let names = (0..).map(|idx| format!("{MEMORY}{idx}"));
        let names = names.take_while(|name| index.contains(name));
        let memory = names.map(|name| tensor(&name)).collect::<Result<_, _>>()?;
        let picture = |name: &str| match index.shape(name) {
            Some(&[height, width, 3]) => Frame::new(width, height, index.bytes(name)?.to_vec())
                .map(Some)
                .map_err(|error| wrong(error.to_string())),
            Some(_) => Err(wrong(format!("its `{name}` is none"))),
            None => Ok(None),
        };
        let square = picture(SQUARE)?;
        let picture = picture(PICTURE)?.map(|frame| Begun { frame, square });
        let done = job.done;
        Ok(Self { job, position: Position { latent, done, memory }, picture })
    }
}

/// Whether a file begins as those of tensors do: the length of its header in eight bytes, then the header. Others are no
/// damaged states.
fn has_header(path: &Path) -> bool {
    let mut start = [0; 9];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start[8] == b'{'
}

fn stored_picture(name: &str, frame: &Frame) -> StoredTensor {
    StoredTensor {
        name: name.to_owned(),
        dtype: Dtype::U8,
        shape: vec![frame.height, frame.width, 3],
        bytes: frame.rgb.clone(),
    }
}

/// Row-major.
pub(crate) fn values(tensor: &Tensor<5>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

/// What the machine gives to the work.
#[derive(Clone, Debug)]
pub struct Means {
    /// Where the state is kept: the first of these files that can be written.
    pub paths: Vec<PathBuf>,
    /// How often it is written while the model denoises; it always is before the latents are decoded.
    pub every: std::time::Duration,
    /// Memory that may be used.
    pub memory: Gauge,
}

impl Means {
    /// For work that need not survive.
    pub fn none() -> Self {
        Self { paths: Vec::new(), every: std::time::Duration::MAX, memory: Gauge::new(|| None) }
    }

    /// Writes the state, and returns where.
    pub(crate) fn keep(&self, state: &State) -> Option<&Path> {
        if self.paths.is_empty() {
            return None;
        }
        for path in &self.paths {
            match state.save(path) {
                Ok(()) => return Some(path),
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "the state is not kept there");
                }
            }
        }
        tracing::warn!("the state is not kept: a failure from here on loses the work");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let video = |scale: f32| {
            let values: Vec<f32> = (0..2 * 3 * 4).map(|i| i as f32 * scale).collect();
            Tensor::from_data(TensorData::new(values, [1, 2, 3, 4, 1]), &Device::flex())
        };
        let request = Request {
            prompt: "a \"dog\"\n狗".into(),
            seed: u64::MAX,
            guidance: Some(1.0 / 3.0),
            ..Request::default()
        };
        let shots = vec![ShotText { latents: 3, text: "A dog.".into() }];
        let job = Job { request, shots, model_sha256: "ab".into(), done: 3 };
        let position = Position {
            latent: Latent { video: video(0.1) },
            done: 3,
            memory: vec![video(1.0), video(2.0)],
        };
        let square = Some(Frame::filled(2, 2, [1, 2, 3]));
        let picture = Some(Begun { frame: Frame::filled(5, 4, [7, 8, 9]), square });
        State { job, position, picture }
    }

    #[test]
    fn a_file_holds_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        state().save(&path).unwrap();
        let back = State::open(&path).unwrap();
        assert_eq!((&back.job, &back.picture), (&state().job, &state().picture));
        let all = |state: &State| {
            let mut all = vec![values(&state.position.latent.video)];
            all.extend(state.position.memory.iter().map(values));
            all
        };
        assert_eq!(all(&back), all(&state()));
        assert_eq!(back.position.latent.video.dims(), [1, 2, 3, 4, 1]);
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let tensor = StoredTensor::from_f32(LATENTS, &[2], &[0.0, 1.0]);
        write_safetensors(&path, &[tensor], &BTreeMap::new()).unwrap();
        let error = State::open(&path).unwrap_err();
        assert!(matches!(error, PipelineError::State { .. }), "{error}");
        assert!(!error.hint().is_empty());

        let pictures = hibari_media::Frame::filled(90, 90, [9, 9, 9]);
        let picture = folder.path().join("a.png");
        hibari_media::save_still(&picture, &pictures, None).unwrap();
        for bytes in [std::fs::read(picture).unwrap(), b"text".to_vec(), Vec::new()] {
            std::fs::write(&path, bytes).unwrap();
            let error = State::open(&path).unwrap_err();
            assert!(error.to_string().contains("does not hold a video in the making"), "{error}");
        }
        state().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = State::open(&path).unwrap_err();
        assert!(matches!(error, PipelineError::Weights(WeightsError::Truncated { .. })), "{error}");
    }
}
