//! The weights that are part of the binary.

use std::path::Path;

use hibari_models::source::Settings;
use hibari_pipeline::{Generator, Source};
use hibari_weights::{WeightIndex, WeightsError};

use crate::commands::model;
use crate::failure::Failure;

static MINILM: &[u8] = include_bytes!("../../../weights/minilm.safetensors");
static JUDGE: &[u8] = include_bytes!("../../../weights/judge.safetensors");
static LARK: &[u8] = include_bytes!("../../../weights/lark.safetensors");

/// The judge of the evaluation.
pub(crate) fn judge() -> Result<WeightIndex, WeightsError> {
    WeightIndex::from_bytes("judge (embedded)", JUDGE)
}

/// The text encoder.
pub(crate) fn minilm() -> Result<WeightIndex, WeightsError> {
    WeightIndex::from_bytes("minilm (embedded)", MINILM)
}

/// The video model.
pub(crate) fn lark() -> Result<WeightIndex, WeightsError> {
    WeightIndex::from_bytes("lark (embedded)", LARK)
}

/// Loads the model at `path`, or else the embedded one.
pub(crate) fn load(path: Option<&Path>, settings: Settings) -> Result<Box<dyn Generator>, Failure> {
    let source = match path {
        Some(path) => Source::open(&model::located(path)?, settings)?,
        None => Source::Own(lark()?),
    };
    Ok(hibari_pipeline::load(&source, &minilm()?)?)
}
