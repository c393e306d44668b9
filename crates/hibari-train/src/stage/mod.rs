//! What is trained: the autoencoder, the transformer, the judge. Each is a [`crate::Stage`].

pub mod ae;
pub mod dit;
pub mod judge;

use hibari_media::Frame;

use crate::Rule;

/// Matrices of hidden layers by orthogonalised momentum, all else by moments; no decay of vectors and tables.
fn muon_for_hidden(name: &str, shape: &[usize], is_hidden: bool) -> Rule {
    if is_hidden && shape.len() == 2 {
        return Rule::Muon { weight_decay: 0.01 };
    }
    Rule::AdamW { weight_decay: if shape.len() < 2 || name == "words" { 0.0 } else { 0.01 } }
}

/// A frame of bytes that are known to fill it.
fn frame((width, height): (usize, usize), rgb: Vec<u8>) -> Frame {
    Frame::new(width, height, rgb).expect("the bytes fill the frame")
}
