//! Stills (PNG, lossless WebP) and animated previews (GIF).

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, ImageFormat, RgbImage};

use crate::error::MediaError;
use crate::frame::Frame;
use crate::mp4::FrameRate;
use crate::provenance::{Provenance, png_with_text};
use crate::{atomic, mp4};

/// Writes a frame as PNG or lossless WebP, as the name ends; the file appears whole or not at all.
///
/// `provenance` is kept in PNG files only.
///
/// # Errors
/// [`MediaError::Format`] for another ending, [`MediaError::Write`] if the file cannot be written.
pub fn save_still(
    path: &Path,
    frame: &Frame,
    provenance: Option<&Provenance>,
) -> Result<(), MediaError> {
    let format = still_format(path)?;
    let mut bytes = Vec::new();
    image_from_frame(frame)?
        .write_to(&mut Cursor::new(&mut bytes), format)
        .map_err(MediaError::encode)?;
    match provenance {
        Some(made) if format == ImageFormat::Png => {
            atomic::write(path, &png_with_text(&bytes, &made.to_json()))
        }
        _ => atomic::write(path, &bytes),
    }
}

/// Reads a PNG or WebP file, as the name ends; transparency is dropped.
///
/// # Errors
/// [`MediaError::Read`], or [`MediaError::Malformed`] if the content is damaged.
pub fn load_still(path: &Path) -> Result<Frame, MediaError> {
    let format = still_format(path)?;
    let bytes = fs::read(path).map_err(|source| MediaError::read(path, source))?;
    let image = image::load_from_memory_with_format(&bytes, format)
        .map_err(|error| MediaError::malformed(path, error))?
        .into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Frame::new(width, height, image.into_raw())
}

/// Writes frames as an endless GIF; the file appears whole or not at all. Colours are reduced to 256 a frame.
///
/// # Errors
/// [`MediaError::NoFrames`], [`MediaError::MixedSizes`] or [`MediaError::Write`].
pub fn save_gif(path: &Path, frames: &[Frame], rate: FrameRate) -> Result<(), MediaError> {
    mp4::check_frames(frames)?;
    rate.check()?;
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 10);
    encoder.set_repeat(Repeat::Infinite).map_err(MediaError::encode)?;
    let delay = Delay::from_numer_denom_ms(1000 * rate.denominator, rate.numerator);
    for frame in frames {
        let image = image_from_frame(frame)?.into_rgba8();
        encoder
            .encode_frame(image::Frame::from_parts(image, 0, 0, delay))
            .map_err(MediaError::encode)?;
    }
    drop(encoder);
    atomic::write(path, &bytes)
}

fn image_from_frame(frame: &Frame) -> Result<DynamicImage, MediaError> {
    let misfit = || MediaError::FrameSize {
        width: frame.width,
        height: frame.height,
        bytes: frame.rgb.len(),
    };
    let width = u32::try_from(frame.width).map_err(|_| misfit())?;
    let height = u32::try_from(frame.height).map_err(|_| misfit())?;
    RgbImage::from_raw(width, height, frame.rgb.clone())
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(misfit)
}

fn still_format(path: &Path) -> Result<ImageFormat, MediaError> {
    match path
        .extension()
        .and_then(|ending| ending.to_str())
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("png") => Ok(ImageFormat::Png),
        Some("webp") => Ok(ImageFormat::WebP),
        _ => Err(MediaError::Format { path: path.to_owned() }),
    }
}
