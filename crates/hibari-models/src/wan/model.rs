//! A Wan as the generation loop sees it: transformer, autoencoder and, where the files have one, text encoder.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use hibari_diffusion::{Latent, Method, Sigma};
use hibari_weights::Checkpoint;

use super::config::{DitConfig, FRAMES, ImageInput, Preset, TEXT_ROWS};
use super::dit::{Context, Dit};
use super::vae::{NamedTensor, Products, Tiling, Vae, VaeConfig};
use crate::image::clip::ClipVision;
use crate::source::{Residency, TensorSource};
use crate::text::clean::clean;
use crate::text::umt5::Umt5;
use crate::text::unigram::Unigram;
use crate::{
    Estimate, FirstPicture, LowNoise, ModelError, ModelSpec, Picture, Square, TimedText,
    VideoModel, Window,
};

/// Longest video, in latent frames: 1,021 frames, more than the authors tried.
const MAX_WINDOW: usize = 256;

/// The time of pure noise.
const MAX_TIME: f64 = 1000.0;

/// A text encoder whose layers are read anew for each prompt.
pub struct TextEncoder {
    /// Its sizes.
    pub sizes: Umt5,
    /// Its weights.
    pub weights: Box<dyn TensorSource>,
    /// What cuts texts into its tokens.
    pub tokenizer: Unigram,
}

impl TextEncoder {
    /// The states of a text, `[1, TEXT_ROWS, D]`.
    ///
    /// # Errors
    /// if the text cannot be cut, or the weights cannot be read
    pub fn states(&self, text: &str, device: &Device) -> Result<Tensor<3>, ModelError> {
        let ids = self.tokenizer.ids(&clean(text), TEXT_ROWS)?;
        let states = self.sizes.encode(&[&ids], self.weights.as_ref(), device)?;
        let states = states.into_iter().next().expect("one text, one answer");
        let [len, width] = states.dims();
        // The models were trained on texts of one length, with zeros behind the tokens.
        let rest = Tensor::zeros([TEXT_ROWS - len, width], device);
        Ok(if len < TEXT_ROWS { Tensor::cat(vec![states, rest], 0) } else { states }.unsqueeze())
    }
}

/// An image encoder whose layers are read anew for each picture.
pub struct ImageEncoder {
    /// Its sizes.
    pub sizes: ClipVision,
    /// Its weights.
    pub weights: Box<dyn TensorSource>,
    /// Whether it sees the middle of a picture; else all of it, squeezed into a square.
    pub is_middle_seen: bool,
}

/// The transformers of a model, of which one is in memory: that which was asked last.
pub struct Transformers {
    config: DitConfig,
    /// One, or the experts of high and of low noise.
    sources: Vec<Arc<dyn TensorSource>>,
    residency: Residency,
    device: Device,
    resident: Mutex<Option<(usize, Arc<Dit>)>>,
}

impl Transformers {
    /// Loads none of them yet.
    ///
    /// # Panics
    /// if there is none
    pub fn new(
        config: DitConfig,
        sources: Vec<Arc<dyn TensorSource>>,
        residency: Residency,
        device: &Device,
    ) -> Self {
        assert!(!sources.is_empty(), "a model has a transformer");
        let resident = Mutex::new(None);
        Self { config, sources, residency, device: device.clone(), resident }
    }

    /// One of them; another one leaves the memory for it.
    fn get(&self, idx: usize) -> Arc<Dit> {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, dit)) = resident.as_ref().filter(|(of, _)| *of == idx) {
            return dit.clone();
        }
        tracing::debug!(transformer = idx, "loading");
        *resident = None; // it must leave before the new one comes
        let dit = Dit::load(&self.config, &self.device, &self.sources[idx], self.residency);
        let dit = Arc::new(dit.expect("its names, shapes and types were checked"));
        *resident = Some((idx, dit.clone()));
        dit
    }

    /// Frees their memory; the next use loads one again.
    fn leave(&self) {
        *self.resident.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An autoencoder that is read from its file when it is used.
pub struct LazyVae {
    pub(super) file: Checkpoint,
    pub(super) config: VaeConfig,
    pub(super) products: Products,
    pub(super) device: Device,
    pub(super) loaded: Mutex<Option<Arc<Vae>>>,
}

impl LazyVae {
    fn get(&self) -> Arc<Vae> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let vae = loaded.get_or_insert_with(|| {
            let tensor = |(name, shape): (String, Vec<usize>)| NamedTensor {
                values: self.file.tensor_f32(&name).expect("its names and types were checked"),
                name,
                shape,
            };
            let layout = Vae::new(self.config.clone(), &self.device).layout();
            let tensors = layout.into_iter().map(tensor).collect();
            let vae = Vae::load(self.config.clone(), tensors, self.products, &self.device);
            Arc::new(vae.expect("its names and shapes were checked"))
        });
        vae.clone()
    }

    /// Frees its memory; the next use loads it again.
    fn leave(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A prompt, and what the transformer that was asked last takes from it.
pub struct Conditioning {
    /// Token states, `[1, L, text_width]`.
    states: Tensor<3>,
    /// Rows of the picture, `[1, M, image_width]`.
    rows: Option<Tensor<3>>,
    /// Which frames are given, and the latents of the video so far, `[1, 4 + C, f, h, w]`.
    channels: Option<Tensor<5>>,
    known: Mutex<Option<(usize, Arc<Context>)>>,
}

impl Conditioning {
    fn of(&self, idx: usize, dit: &Dit) -> Arc<Context> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_ref() {
            Some((of, context)) if *of == idx => context.clone(),
            _ => {
                let context = Arc::new(dit.context(self.states.clone(), self.rows.clone()));
                *known = Some((idx, context.clone()));
                context
            }
        }
    }
}

/// What a [`Wan`] is made of.
pub struct Parts {
    /// Name and settings.
    pub preset: Preset,
    /// The transformer, or two.
    pub transformers: Transformers,
    /// The autoencoder.
    pub vae: LazyVae,
    /// Without it, prompts come as token states.
    pub text: Option<TextEncoder>,
    /// Of models that are shown pictures through one.
    pub image: Option<ImageEncoder>,
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
    /// The noise level below which the second expert works.
    boundary: Option<f64>,
    device: Device,
}

impl Wan {
    /// A model of its parts, all on `device`.
    pub fn new(parts: Parts, device: &Device) -> Self {
        let Preset { name, experts, cell_px, frames, fps, steps, guidance, image, .. } =
            parts.preset;
        let channels = parts.vae.config.channels();
        let square = |encoder: &ImageEncoder| Square {
            side_px: encoder.sizes.side_px,
            is_middle: encoder.is_middle_seen,
        };
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
            low_noise: experts.map(|experts| LowNoise {
                below: experts.boundary,
                guidance: experts.low_guidance,
            }),
            guided: (0.0, 1.0),
            negative: parts.negative.clone(),
            shift: parts.shift,
            method: parts.method,
            first_picture: match image {
                ImageInput::None => FirstPicture::None,
                ImageInput::FirstFrame => FirstPicture::Frame,
                ImageInput::Channels => FirstPicture::Shown(None),
                ImageInput::ChannelsAndClip => {
                    FirstPicture::Shown(parts.image.as_ref().map(square))
                }
            },
            words: Vec::new(),
        };
        let boundary = experts.map(|experts| experts.boundary);
        Self { spec, parts, boundary, device: device.clone() }
    }

    /// What tells its weights from others.
    pub fn fingerprint(&self) -> &str {
        &self.parts.fingerprint
    }
}

impl VideoModel for Wan {
    type Cond = Conditioning;

    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn condition(&mut self, text: &TimedText, window: &Window) -> Result<Conditioning, ModelError> {
        let encoder = self.parts.text.as_ref().ok_or_else(|| ModelError::Request {
            message: "the model's files have no text encoder with its tokenizer".into(),
            hint: "add the text encoder and tokenizer.json to its folder, or name them with `--with`; or give token states with \
                `--prompt-embeds`"
                .into(),
        })?;
        let states = encoder.states(&text.joined(), &self.device)?;
        self.condition_on_states(states, window)
    }

    fn condition_on_states(
        &mut self,
        states: Tensor<3>,
        _window: &Window,
    ) -> Result<Conditioning, ModelError> {
        let (found, wanted) = (states.dims()[2], self.parts.transformers.config.text_width);
        if found != wanted {
            return Err(ModelError::Request {
                message: format!("the token states are {found} wide, the model takes {wanted}"),
                hint: "encode the prompt with the text encoder of this model".into(),
            });
        }
        Ok(Conditioning {
            states: states.to_device(&self.device),
            rows: None,
            channels: None,
            known: Mutex::new(None),
        })
    }

    /// The model takes, beside noise, the latents of a video of the picture and grey frames, and which frames are given:
    /// a channel for each frame of a latent frame, the first of which is there four times.
    fn show(
        &self,
        picture: &Picture,
        tile_px: Option<usize>,
        window: &Window,
        conds: [&mut Conditioning; 2],
    ) -> Result<(), ModelError> {
        let first = picture.pixels.clone().to_device(&self.device);
        let [_, _, _, height, width] = first.dims();
        let n_latents = window.times.len();
        let grey =
            Tensor::zeros([1, 3, self.spec.frames(n_latents) - 1, height, width], &self.device);
        let video = if n_latents > 1 { Tensor::cat(vec![first, grey], 2) } else { first };
        let latents = self.parts.vae.get().encode(video, tile_px.map(Tiling::of));
        self.parts.vae.leave();
        let [_, _, _, h, w] = latents.dims();
        let mut mask = vec![Tensor::ones([1, FRAMES, 1, h, w], &self.device)];
        if n_latents > 1 {
            mask.push(Tensor::zeros([1, FRAMES, n_latents - 1, h, w], &self.device));
        }
        let channels = Tensor::cat(vec![Tensor::cat(mask, 2), latents], 1);
        let rows = match (&self.parts.image, &picture.square) {
            (Some(ImageEncoder { sizes, weights, .. }), Some(square)) => {
                Some(sizes.encode(square.clone(), weights.as_ref(), &self.device)?)
            }
            _ => None,
        };
        for cond in conds {
            cond.channels = Some(channels.clone());
            cond.rows = rows.clone();
        }
        Ok(())
    }

    fn predict(&self, noisy: Latent, sigma: Sigma, cond: &Conditioning) -> Latent {
        let home = noisy.video.device();
        let times = sigma.time.clone().into_data().convert::<f32>().try_into_vec::<f32>();
        let times: Vec<f64> = times.expect("converted to f32").into_iter().map(f64::from).collect();
        let mut latent = noisy.video.clone().to_device(&self.device);
        if let Some(channels) = &cond.channels {
            latent = Tensor::cat(vec![latent, channels.clone()], 1);
        }
        let highest = times.iter().copied().fold(0.0, f64::max);
        self.parts.vae.leave();
        let is_low = self.boundary.is_some_and(|boundary| highest < boundary * MAX_TIME);
        let dit = self.parts.transformers.get(is_low.into());
        let context = cond.of(is_low.into(), &dit);
        let velocity = dit.velocity(latent, &times, &context).to_device(&home);
        Latent { video: sigma.clean_from_velocity(noisy.video, velocity) }
    }

    fn encode(&self, pixels: Tensor<5>) -> Tensor<5> {
        self.parts.vae.get().encode(pixels.to_device(&self.device), None)
    }

    fn estimate(&self, window: &Window) -> Option<Estimate> {
        let Transformers { config, residency, .. } = &self.parts.transformers;
        Some(super::estimate::of(config, *residency, &self.parts.vae.config, window))
    }

    fn decode(
        &self,
        latent: Tensor<5>,
        tile_px: Option<usize>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    ) {
        self.parts.transformers.leave();
        let latent = latent.to_device(&self.device);
        self.parts.vae.get().decode(latent, tile_px.map(Tiling::of), piece, frame);
    }
}
