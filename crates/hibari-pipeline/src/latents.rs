//! Clean latents in a file, kept aside while they are decoded: hours of denoising survive a failure after it.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_weights::{StoredTensor, WeightIndex, write_safetensors};
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

const TENSOR: &str = "latents";
const MADE_KEY: &str = "hibari.made";

/// What a video was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Clean latents, and what they were made from.
#[derive(Clone, Debug)]
pub struct Latents {
    /// `[1, C, f, h, w]`.
    pub video: Tensor<5>,
    /// What they were made from.
    pub made: Made,
}

impl Latents {
    /// Writes them to `path`.
    ///
    /// # Errors
    /// if the disk refuses; then no partial file is left
    pub fn save(&self, path: &Path) -> Result<(), PipelineError> {
        let shape = self.video.dims();
        let made = serde_json::to_string(&self.made).expect("strings and a number serialise");
        let metadata = BTreeMap::from([(MADE_KEY.to_owned(), made)]);
        let tensor = StoredTensor::from_f32(TENSOR, &shape, &self.values());
        Ok(write_safetensors(path, &[tensor], &metadata)?)
    }

    /// Reads them from `path`.
    ///
    /// # Errors
    /// if the file is damaged, or holds something else
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        let wrong = |reason: String| PipelineError::Latents { path: path.to_path_buf(), reason };
        let index = WeightIndex::open(path)?;
        let made = index.metadata(MADE_KEY).ok_or_else(|| wrong("it is of another kind".into()))?;
        let made = serde_json::from_str(made).map_err(|error| wrong(error.to_string()))?;
        let shape: [usize; 5] = index
            .shape(TENSOR)
            .and_then(|shape| shape.try_into().ok())
            .ok_or_else(|| wrong("it has no tensor of five axes".into()))?;
        let values = index.tensor_f32(TENSOR)?;
        let video = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        Ok(Self { video, made })
    }

    /// Row-major.
    pub(crate) fn values(&self) -> Vec<f32> {
        self.video.to_data().try_into_vec().expect("latents are 32-bit floats")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latents() -> Latents {
        let values: Vec<f32> = (0..2 * 3 * 4).map(|i| i as f32 / 7.0).collect();
        let video = Tensor::from_data(TensorData::new(values, [1, 2, 3, 4, 1]), &Device::flex());
        let made = Made {
            prompt: "a \"dog\"\n狗".into(),
            caption: "A dog.".into(),
            seed: u64::MAX,
            model_sha256: "ab".into(),
        };
        Latents { video, made }
    }

    #[test]
    fn a_file_holds_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        latents().save(&path).unwrap();
        let back = Latents::open(&path).unwrap();
        assert_eq!(back.made, latents().made);
        assert_eq!((back.video.dims(), back.values()), ([1, 2, 3, 4, 1], latents().values()));
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let tensor = StoredTensor::from_f32(TENSOR, &[2], &[0.0, 1.0]);
        write_safetensors(&path, &[tensor], &BTreeMap::new()).unwrap();
        let error = Latents::open(&path).unwrap_err();
        assert!(matches!(error, PipelineError::Latents { .. }), "{error}");
        assert!(!error.hint().is_empty());
    }
}
