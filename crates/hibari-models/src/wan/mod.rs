//! Wan 2.1 and 2.2: open text-to-video transformers with flow matching.
//!
//! Reading list: [`config`] has the sizes and settings of the published models, [`dit`] is the network, `rope` its
//! positions, `layers` its parts; [`vae`] is the autoencoder; [`keymap`] turns names of other layouts into the `diffusers`
//! names that all of them use; `files` finds the parts of a model, [`load`] makes one of them, and [`model`] is that
//! [`crate::VideoModel`].
//!
//! Source: Wan team, "Wan: open and advanced large-scale video generative models" (arXiv:2503.20314)

pub mod config;
pub mod dit;
mod estimate;
mod files;
pub mod keymap;
mod layers;
mod load;
pub mod model;
mod rope;
pub mod vae;

pub use config::{DitConfig, Preset};
pub use dit::{Context, Dit};
pub use files::{inspect, matches};
pub use load::load;
pub use model::Wan;

#[cfg(test)]
mod tests;
