//! The table of families, and where a family's type is erased.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::Tensor;
use hibari_diffusion::solver::DpmPp2M;
use hibari_diffusion::{Branch, Guidance, Latent, NoisePlan, Step};
use hibari_media::Frame;
use hibari_models::lark::{self, Lark};
use hibari_models::text::{MiniLm, Names};
use hibari_models::{ModelError, ModelSpec, TimedText, VideoModel, Window};
use hibari_weights::WeightIndex;
use hibari_world::NearestWord;
use hibari_world::grounding::known_names;

use crate::error::PipelineError;
use crate::pixels::{frame_from_pixels, pixels_from_frames};

/// Makes a model of its weights and the text encoder.
pub type Load = fn(&WeightIndex, MiniLm) -> Result<Box<dyn Generator>, ModelError>;

/// A published architecture.
pub struct Family {
    /// Its name.
    pub id: &'static str,
    /// Whether these weights are of this family.
    pub matches: fn(&WeightIndex) -> bool,
    /// Loads them.
    pub load: Load,
}

/// All families.
pub static FAMILIES: &[Family] = &[Family {
    id: "lark",
    matches: lark::matches,
    load: |index, text| {
        let model = Lark::new(lark::load(index)?, Arc::new(text));
        Ok(erase(model, Lark::text_encoder, index))
    },
}];

/// Loads `weights` by the family that knows them; `text` holds the text encoder.
///
/// # Errors
/// if no family knows the weights, or they are damaged
pub fn load(
    weights: &WeightIndex,
    text: &WeightIndex,
) -> Result<Box<dyn Generator>, PipelineError> {
    let family = FAMILIES.iter().find(|family| (family.matches)(weights));
    let family =
        family.ok_or_else(|| PipelineError::Family { path: weights.path().to_path_buf() })?;
    tracing::debug!(family = family.id, weights = %weights.path().display(), "loading");
    Ok((family.load)(weights, MiniLm::load(text)?)?)
}

/// A loaded model of any family.
pub trait Generator: Send {
    /// What it can make.
    fn spec(&self) -> &ModelSpec;

    /// The SHA-256 of its weights, in hexadecimal.
    fn sha256(&self) -> &str;

    /// The vocabulary's name that is nearest to `word`, if any is near.
    fn nearest(&mut self, word: &str) -> Option<NearestWord>;

    /// Denoises `start` along `plan`, as `text` says.
    ///
    /// # Shapes
    /// `[1, C, f, h, w]` in and out, `f` the length of the window
    /// # Errors
    /// if the text does not fit the model, or [`PipelineError::Canceled`] if `progress` breaks
    fn denoise(
        &mut self,
        text: &TimedText,
        window: &Window,
        start: Latent,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError>;

    /// Frames, a whole number of latent frames of them, to latents and back: what the autoencoder loses.
    ///
    /// # Errors
    /// if the model returns nonsense
    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError>;

    /// Latents `[1, C, f, h, w]` to frames `[1, 3, H, W]` in [-1, 1], in order; stops when `frame` breaks.
    fn decode(&self, latents: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>);
}

/// Hides the type of `model`, which was loaded from `index` and whose text encoder `encoder` names.
pub fn erase<M: VideoModel + 'static>(
    model: M,
    encoder: fn(&M) -> &MiniLm,
    index: &WeightIndex,
) -> Box<dyn Generator> {
    Box::new(Loaded { model, encoder, names: None, sha256: index.hash().to_owned() })
}

struct Loaded<M> {
    model: M,
    encoder: fn(&M) -> &MiniLm,
    /// The vocabulary, encoded when the first unknown word asks for it.
    names: Option<Names>,
    sha256: String,
}

impl<M: VideoModel> Generator for Loaded<M> {
    fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn nearest(&mut self, word: &str) -> Option<NearestWord> {
        let encoder = (self.encoder)(&self.model);
        let names = self.names.get_or_insert_with(|| {
            let names: Vec<&str> = known_names().into_iter().map(|(name, _slot)| name).collect();
            Names::new(encoder, &names)
        });
        let (name, similarity) = names.nearest(encoder, word)?;
        Some(NearestWord { name: name.to_owned(), similarity })
    }

    fn denoise(
        &mut self,
        text: &TimedText,
        window: &Window,
        start: Latent,
        plan: &NoisePlan,
        guidance: &Guidance,
        progress: &mut dyn FnMut(Step) -> ControlFlow<()>,
    ) -> Result<Latent, PipelineError> {
        let positive = self.model.condition(text, window)?;
        let negative = self.model.condition(&TimedText::default(), window)?;
        let mut predict = |noisy, sigma, branch| {
            let cond = match branch {
                Branch::Positive => &positive,
                Branch::Negative => &negative,
            };
            self.model.predict(noisy, sigma, cond)
        };
        let mut solver = DpmPp2M::default();
        hibari_diffusion::denoise(start, plan, &mut solver, guidance, &mut predict, progress)
            .map_err(|_canceled| PipelineError::Canceled)
    }

    fn round_trip(&self, frames: &[Frame]) -> Result<Vec<Frame>, PipelineError> {
        let latents = self.model.encode(pixels_from_frames(frames));
        let mut back = Vec::with_capacity(frames.len());
        let mut failed = None;
        self.model.decode(latents, &mut |pixels| {
            match frame_from_pixels(pixels) {
                Ok(frame) => back.push(frame),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        failed.map_or(Ok(back), Err)
    }

    fn decode(&self, latents: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>) {
        self.model.decode(latents, frame);
    }
}
