//! The `wan` family: open weights of Wan 2.1 and 2.2.

pub mod vae;
