//! What can go wrong between frames and files, and what to do about it.

use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The bytes of a frame do not fit its size, or it has no area.
    #[error("{bytes} bytes are not a frame of {width}x{height} pixels")]
    FrameSize {
        /// Columns, in pixels.
        width: usize,
        /// Rows, in pixels.
        height: usize,
        /// Bytes that were given.
        bytes: usize,
    },
    /// A video, preview or sheet needs at least one frame.
    #[error("there are no frames to write")]
    NoFrames,
    /// The frames of one video have different sizes.
    #[error("frame {index} is {width}x{height}, the first one is {first_width}x{first_height}")]
    MixedSizes {
        /// Position of the frame that differs.
        index: usize,
        /// Its columns.
        width: usize,
        /// Its rows.
        height: usize,
        /// Columns of the first frame.
        first_width: usize,
        /// Rows of the first frame.
        first_height: usize,
    },
    /// The encoder cannot make a video of this size.
    #[error("a video of {width}x{height} pixels cannot be encoded")]
    VideoSize {
        /// Columns, in pixels.
        width: usize,
        /// Rows, in pixels.
        height: usize,
    },
    /// A frame rate that is zero or too high.
    #[error("{numerator}/{denominator} frames a second is not a frame rate")]
    FrameRate {
        /// Frames ...
        numerator: u32,
        /// ... in so many seconds.
        denominator: u32,
    },
    /// The file name's ending is of no format that is written or read here.
    #[error("`{}` has an ending that is not supported", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is damaged or holds something else than what its name says.
    #[error("`{}` is not a file that can be decoded: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The H.264 encoder or the container writer refused.
    #[error("the video could not be encoded: {reason}")]
    Encode {
        /// What it said.
        reason: String,
    },
}

impl MediaError {
    /// One sentence on what to try next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::FrameSize { .. } | Self::MixedSizes { .. } => {
                "give frames of one size, three bytes a pixel"
            }
            Self::NoFrames => "ask for at least one frame",
            Self::VideoSize { .. } => "use even sides between 16 and 2160 pixels",
            Self::FrameRate { .. } => "use between 1 and 240 frames a second",
            Self::Format { .. } => "use a name that ends in .mp4, .png, .webp or .gif",
            Self::Write { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => {
                    "free some space on that disk, or write somewhere else"
                }
                std::io::ErrorKind::NotFound => "create the folder first, or write somewhere else",
                _ => "check that the folder exists and may be written to",
            },
            Self::Read { .. } => "check the path, and that the file may be read",
            Self::Malformed { .. } => "check that the file is complete, or make it again",
            Self::Encode { .. } => "try another size or frame rate",
        }
    }

    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn encode(reason: impl std::fmt::Display) -> Self {
        Self::Encode { reason: reason.to_string() }
    }
}
