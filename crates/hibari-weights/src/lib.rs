//! Reads and writes checkpoints: safetensors, GGUF, hashes, quantised tensors, and the bridge to Burn modules.
//!
//! What it is not: it knows no family and renames nothing. A file that this crate wrote carries the SHA-256 of all
//! its other bytes, and is refused when a single one of them has changed.
//!
//! Reading list: [`WeightIndex`] reads what hibari wrote, [`Checkpoint`] what others did; [`write_safetensors`] writes,
//! [`quantize`] stores less than 32 bits, [`module`] moves parameters in and out of a Burn module.

pub mod blocks;
pub mod checkpoint;
pub mod error;
mod fingerprint;
mod gguf;
pub mod index;
pub mod lora;
pub mod module;
pub mod quantize;
pub mod write;

pub use checkpoint::{Checkpoint, Encoding, MetaValue};
pub use error::WeightsError;
pub use fingerprint::fingerprint;
pub use index::WeightIndex;
pub use lora::Lora;
pub use module::NamedTensor;
pub use write::{Dtype, StoredTensor, write_safetensors};
