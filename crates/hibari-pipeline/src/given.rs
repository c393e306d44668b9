//! What another program made, in place of what hibari would make: noise, and token states. So a run here can be compared
//! with a run there, number by number.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_weights::Checkpoint;

use crate::error::PipelineError;
use crate::families::Told;

/// The noise in a file: `latents` of these dims.
///
/// # Errors
/// if the file is damaged, or lacks them
pub(crate) fn noise(path: &Path, dims: [usize; 5]) -> Result<Tensor<5>, PipelineError> {
    let file = Checkpoint::open(path)?;
    let values = file.tensor_f32_shaped("latents", &dims)?;
    Ok(Tensor::from_data(TensorData::new(values, dims), &Device::flex()))
}

/// The token states in a file: `prompt_embeds` and `negative_prompt_embeds`, `[1, L, D]`.
///
/// # Errors
/// if the file is damaged, or lacks them
pub(crate) fn states(path: &Path) -> Result<Told, PipelineError> {
    let file = Checkpoint::open(path)?;
    let states = |name: &str| {
        let values = file.tensor_f32(name)?;
        let wrong = || PipelineError::States { path: path.to_path_buf(), name: name.to_owned() };
        let shape = file.shape(name).unwrap_or_default();
        let dims: [usize; 3] = shape.try_into().map_err(|_not_three| wrong())?;
        if dims[0] != 1 || dims[1] == 0 {
            return Err(wrong());
        }
        Ok(Tensor::from_data(TensorData::new(values, dims), &Device::flex()))
    };
    Ok(Told::States {
        positive: states("prompt_embeds")?,
        negative: states("negative_prompt_embeds")?,
    })
}
