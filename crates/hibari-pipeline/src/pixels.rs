//! Between the pictures of files, 8 bits, and those of networks, -1 to 1.

use burn::tensor::{Device, Tensor, TensorData};
use hibari_media::Frame;

use crate::error::PipelineError;

/// Frames of one size to `[1, 3, F, H, W]` in [-1, 1].
pub(crate) fn pixels_from_frames(frames: &[Frame]) -> Tensor<5> {
    let (height, width) = (frames[0].height, frames[0].width);
    let rgb = frames.iter().flat_map(|frame| &frame.rgb);
    let values: Vec<f32> = rgb.map(|&level| f32::from(level) / 127.5 - 1.0).collect();
    let data = TensorData::new(values, [1, frames.len(), height, width, 3]);
    Tensor::<5>::from_data(data, &Device::flex()).permute([0, 4, 1, 2, 3])
}

/// `[1, 3, H, W]` in [-1, 1] to 8 bits.
pub(crate) fn frame_from_pixels(pixels: Tensor<4>) -> Result<Frame, PipelineError> {
    let [_, _, height, width] = pixels.dims();
    let values: Vec<f32> =
        pixels.permute([0, 2, 3, 1]).into_data().try_into_vec().expect("pixels are 32-bit floats");
    if values.iter().any(|value| !value.is_finite()) {
        return Err(PipelineError::NotFinite);
    }
    let rgb = values.iter().map(|value| (value * 127.5 + 127.5).round() as u8).collect(); // saturates
    Ok(Frame::new(width, height, rgb).expect("three bytes a pixel"))
}
