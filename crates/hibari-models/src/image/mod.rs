//! Frozen image encoders: a picture to rows that condition a video model.

pub mod clip;
