//! Videos: H.264 High profile, BT.709 limited range, in MP4 with the index first, so that browsers start at once.
//!
//! The container is built in memory (clips are short), and the file is written in one go. Reading is for videos of
//! the same kind: one H.264 track, 8 bits, 4:2:0, a constant frame rate.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::decode_mp4;
pub use encode::encode_mp4;

use crate::error::MediaError;
use crate::frame::Frame;
use crate::provenance::Provenance;

/// Frames a second, as a fraction: 30000/1001 is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames ...
    pub numerator: u32,
    /// ... in so many seconds.
    pub denominator: u32,
}

impl FrameRate {
    /// When frame `index` begins, in seconds.
    #[must_use]
    pub fn seconds(self, index: usize) -> f64 {
        index as f64 * f64::from(self.denominator) / f64::from(self.numerator)
    }

    /// From 1/10 to 240 frames a second, with terms that no computation here overflows.
    pub(crate) fn check(self) -> Result<(), MediaError> {
        let Self { numerator, denominator } = self;
        let fits = (1..=1_000_000).contains(&numerator)
            && (1..=1_000_000).contains(&denominator)
            && numerator <= denominator * 240
            && denominator <= numerator * 10;
        if fits { Ok(()) } else { Err(MediaError::FrameRate { numerator, denominator }) }
    }
}

impl From<u32> for FrameRate {
    fn from(frames_per_second: u32) -> Self {
        Self { numerator: frames_per_second, denominator: 1 }
    }
}

/// How a video is encoded.
#[derive(Clone, Debug)]
pub struct Mp4Options {
    /// H.264 quantiser of every frame, 12 (best) to 40 (smallest); other values are moved into this range. 18 is
    /// visually lossless for most pictures.
    pub quantiser: u8,
    /// What made the video, kept in the file.
    pub provenance: Option<Provenance>,
}

/// A decoded video.
#[derive(Clone, Debug)]
pub struct Video {
    /// The pictures, all of one size.
    pub frames: Vec<Frame>,
    /// Frames a second.
    pub rate: FrameRate,
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
}

/// The size of all frames.
pub(crate) fn check_frames(frames: &[Frame]) -> Result<(usize, usize), MediaError> {
    let first = frames.first().ok_or(MediaError::NoFrames)?;
    for (index, frame) in frames.iter().enumerate() {
        let Frame { width, height, rgb } = frame;
        if (*width, *height) != (first.width, first.height) {
            return Err(MediaError::MixedSizes {
                index,
                width: *width,
                height: *height,
                first_width: first.width,
                first_height: first.height,
            });
        }
        if rgb.len() != width * height * 3 {
            return Err(MediaError::FrameSize { width: *width, height: *height, bytes: rgb.len() });
        }
    }
    Ok((first.width, first.height))
}
