//! Frames to files and back: H.264 in MP4, stills, previews, contact sheets. Knows nothing of models or worlds.

mod error;
mod frame;

pub use error::MediaError;
pub use frame::Frame;
