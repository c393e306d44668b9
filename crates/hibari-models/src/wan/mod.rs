//! Wan 2.1 and 2.2: open text-to-video transformers with flow matching.
//!
//! Reading list: [`config`] has the sizes and settings of the published models, [`dit`] is the network, `rope` its
//! positions, `layers` its parts; [`vae`] is the autoencoder; [`keymap`] turns names of other layouts into the `diffusers`
//! names that all of them use; [`model`] joins them to a [`crate::VideoModel`], and a folder of files becomes one by
//! [`load`].
//!
//! Source: Wan team, "Wan: open and advanced large-scale video generative models" (arXiv:2503.20314)

pub mod config;
pub mod dit;
mod folder;
pub mod keymap;
mod layers;
pub mod model;
mod rope;
pub mod vae;

pub use config::{DitConfig, Preset};
pub use dit::{Context, Dit};
pub use folder::{load, matches};
pub use layers::TensorSource;
pub use model::Wan;

#[cfg(test)]
mod tests;
