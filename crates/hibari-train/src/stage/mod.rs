//! What is trained: the autoencoder, the transformer, the judge. Each is a [`crate::Stage`].

pub mod ae;
pub mod dit;
pub mod judge;

use hibari_media::Frame;

/// A frame of bytes that are known to fill it.
fn frame((width, height): (usize, usize), rgb: Vec<u8>) -> Frame {
    Frame::new(width, height, rgb).expect("the bytes fill the frame")
}
