//! Frames to files and back: H.264 in MP4, stills, previews, contact sheets. Knows nothing of models or worlds.

mod atomic;
mod colour;
mod error;
mod frame;
mod mp4;
mod provenance;
mod resize;
mod sheet;
mod still;

pub use error::MediaError;
pub use frame::Frame;
pub use mp4::{FrameRate, Mp4Options, Video, decode_mp4, encode_mp4};
pub use provenance::{Provenance, read_provenance};
pub use resize::{Filter, centre, resized};
pub use sheet::{contact_sheet, video_sheet};
pub use still::{load_still, save_gif, save_still};
