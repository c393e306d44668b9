//! A Wan as the generation loop sees it: transformer, autoencoder and, where the files have one, text encoder.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};
use hibari_diffusion::{Latent, Method, Sigma};

use super::config::{FRAMES, ImageInput, Preset, TEXT_ROWS};
use super::dit::{Context, Dit};
use super::vae::Vae;
use crate::text::clean::clean;
use crate::text::umt5::{TensorSource, Umt5};
use crate::text::unigram::Unigram;
use crate::{ModelError, ModelSpec, TimedText, VideoModel, Window};

/// Longest video, in latent frames: 1,021 frames, more than the authors tried.
const MAX_WINDOW: usize = 256;

/// A text encoder whose layers are read anew for each prompt.
pub struct TextEncoder {
    /// Its sizes.
    pub sizes: Umt5,
    /// Its weights.
    pub weights: Box<dyn TensorSource + Send>,
    /// What cuts texts into its tokens.
    pub tokenizer: Unigram,
}

/// What a [`Wan`] is made of.
pub struct Parts {
    /// Name and settings.
    pub preset: Preset,
    /// The transformer.
    pub dit: Dit,
    /// The autoencoder.
    pub vae: Vae,
    /// Without it, prompts come as token states.
    pub text: Option<TextEncoder>,
    /// Solver and schedule, and how that is shifted.
    pub method: Method,
    /// Shift of the schedule.
    pub shift: f64,
    /// What videos should not show.
    pub negative: String,
    /// What tells these weights from others, see [`hibari_weights::fingerprint`].
    pub fingerprint: String,
}

/// A model, ready to generate.
pub struct Wan {
    spec: ModelSpec,
    parts: Parts,
    device: Device,
}

impl Wan {
    /// A model of its parts, all on `device`.
    ///
    /// # Errors
    /// if it is one of those that are not run yet: with an image, or with two experts
    pub fn new(parts: Parts, device: &Device) -> Result<Self, ModelError> {
        let Preset { name, experts, cell_px, frames, fps, steps, guidance, image, .. } =
            parts.preset;
        let channels = parts.vae.config().channels();
        if parts.dit.config().in_channels != channels || experts.is_some() {
            return Err(ModelError::Request {
                message: format!(
                    "`{name}` takes images as channels or has two experts, which is not run yet"
                ),
                hint: "text-to-video models with one transformer are, and Wan 2.2 TI2V-5B".into(),
            });
        }
        let sizes = match cell_px {
            16 => vec![(1280, 704), (704, 1280)],
            _ => vec![(832, 480), (480, 832)],
        };
        let spec = ModelSpec {
            family: "wan",
            preset: name.into(),
            sizes,
            side_step: Some(parts.preset.side_step_px()),
            fps,
            channels,
            cell_px,
            first_frames: 1,
            frames_per_latent: FRAMES,
            usual_window: (frames - 1) / FRAMES + 1,
            max_window: MAX_WINDOW,
            steps,
            guidance,
            guided: (0.0, 1.0),
            negative: parts.negative.clone(),
            shift: parts.shift,
            method: parts.method,
            takes_first_frame: image == ImageInput::FirstFrame,
            is_grounded: false,
        };
        Ok(Self { spec, parts, device: device.clone() })
    }

    /// What tells its weights from others.
    pub fn fingerprint(&self) -> &str {
        &self.parts.fingerprint
    }
}

impl VideoModel for Wan {
    type Cond = Context;

    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn condition(&mut self, text: &TimedText, window: &Window) -> Result<Context, ModelError> {
        let encoder = self.parts.text.as_ref().ok_or_else(|| ModelError::Request {
            message: "the model's folder has no text encoder".into(),
            hint: "add `text_encoder` and `tokenizer` to it, or give token states with `--prompt-embeds`"
                .into(),
        })?;
        let ids = encoder.tokenizer.ids(&clean(&text.joined()), TEXT_ROWS)?;
        let states = encoder.sizes.encode(&[&ids], encoder.weights.as_ref(), &self.device)?;
        let states = states.into_iter().next().expect("one text, one answer");
        let [len, width] = states.dims();
        // The models were trained on texts of one length, with zeros behind the tokens.
        let rest = Tensor::zeros([TEXT_ROWS - len, width], &self.device);
        self.condition_on_states(Tensor::cat(vec![states, rest], 0).unsqueeze(), window)
    }

    fn condition_on_states(
        &mut self,
        states: Tensor<3>,
        _window: &Window,
    ) -> Result<Context, ModelError> {
        let (found, wanted) = (states.dims()[2], self.parts.dit.config().text_width);
        if found != wanted {
            return Err(ModelError::Request {
                message: format!("the token states are {found} wide, the model takes {wanted}"),
                hint: "encode the prompt with the text encoder of this model".into(),
            });
        }
        Ok(self.parts.dit.context(states.to_device(&self.device), None))
    }

    fn predict(&self, noisy: Latent, sigma: Sigma, cond: &Context) -> Latent {
        let home = noisy.video.device();
        let times = sigma.time.clone().into_data().convert::<f32>().try_into_vec::<f32>();
        let times: Vec<f64> = times.expect("converted to f32").into_iter().map(f64::from).collect();
        let latent = noisy.video.clone().to_device(&self.device);
        let velocity = self.parts.dit.velocity(latent, &times, cond).to_device(&home);
        Latent { video: sigma.clean_from_velocity(noisy.video, velocity) }
    }

    fn encode(&self, pixels: Tensor<5>) -> Tensor<5> {
        self.parts.vae.encode(pixels.to_device(&self.device), None)
    }

    fn decode(&self, latent: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>) {
        self.parts.vae.decode(latent.to_device(&self.device), None, frame);
    }
}
