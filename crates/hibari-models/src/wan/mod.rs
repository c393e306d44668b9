//! Wan 2.1 and 2.2: open text-to-video transformers with flow matching.
//!
//! Reading list: [`config`] has the sizes and settings of the published models, [`dit`] is the network, `rope` its
//! positions, `layers` its parts. Tensors are named as the `diffusers` library names them.
//!
//! Source: Wan team, "Wan: open and advanced large-scale video generative models" (arXiv:2503.20314)

pub mod config;
pub mod dit;
mod layers;
mod rope;

pub use config::{DitConfig, Preset};
pub use dit::{Context, Dit};
pub use layers::TensorSource;

#[cfg(test)]
mod tests;
