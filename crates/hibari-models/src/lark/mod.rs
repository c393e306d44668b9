//! The family `lark`: a video autoencoder and a diffusion transformer that this project trains itself.
//!
//! Read in this order: [`config`], [`vae`], [`text`], [`dit`]; this file joins them to a [`VideoModel`].

pub mod config;
pub mod dit;
pub mod text;
pub mod vae;
mod weights;

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_diffusion::{Latent, Method, Sigma};
use hibari_ops::device;

use self::config::{AeConfig, CELL_PX, DitConfig, FPS, FRAMES};
use self::dit::{Dit, Layout};
use self::text::{TextBatch, Words};
use self::vae::Ae;
use crate::layers::initialise;
use crate::text::MiniLm;
use crate::{FirstPicture, ModelError, ModelSpec, TimedText, VideoModel, Window};

pub use weights::{Parts, load, load_ae, matches, save, save_ae};

/// A `lark` with its text encoder, ready to generate.
pub struct Lark {
    spec: ModelSpec,
    parts: Parts,
    encoder: Arc<MiniLm>,
    device: Device,
}

/// A prompt and a window, as the transformer takes them.
#[derive(Clone, Debug)]
pub struct Cond {
    text: TextBatch,
    layout: Layout,
}

/// Noise levels between which guidance acts: below, it costs and changes little. It begins with the second step already:
/// what is drawn where is settled there, and with guidance from 0.8 on only, one video in five showed another place.
///
/// # Source
/// Intervals: Kynkäänniemi et al. 2404.07724. Their upper end is for models that are surer of themselves.
const GUIDED: (f64, f64) = (0.1, 0.97);

impl Lark {
    /// A model from its parts.
    pub fn new(parts: Parts, encoder: Arc<MiniLm>) -> Self {
        let spec = ModelSpec {
            family: "lark",
            preset: parts.preset.clone(),
            sizes: vec![(256, 144), (144, 256), (192, 192)],
            side_step: None,
            fps: FPS,
            channels: parts.ae_config.channels,
            cell_px: CELL_PX,
            first_frames: FRAMES,
            frames_per_latent: FRAMES,
            usual_window: 12,
            max_window: 12,
            steps: 16,
            guidance: 2.5,
            low_noise: None,
            guided: GUIDED,
            negative: String::new(),
            shift: 1.0,
            method: Method::DpmPp2M,
            first_picture: FirstPicture::None,
            words: parts.words.as_slice().to_vec(),
        };
        Self { spec, parts, encoder, device: device() }
    }

    /// The autoencoder.
    pub fn ae(&self) -> &Ae {
        &self.parts.ae
    }

    /// The text encoder.
    pub fn text_encoder(&self) -> &MiniLm {
        &self.encoder
    }
}

/// Frames of the latents `[1, C, f, h, w]`, each `[H, W, 3]` bytes, a few latent frames at a time.
///
/// A latent frame is decoded with both its neighbours, so the result is that of decoding all at once. Stops when `frame`
/// breaks.
pub fn decode_rgb(ae: &Ae, latent: Tensor<5>, frame: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>) {
    const AT_ONCE: usize = 4;
    let [_, _, f, h, w] = latent.dims();
    let size = (w * CELL_PX, h * CELL_PX);
    let latents = latent.to_device(&ae.device()).permute([0, 2, 3, 4, 1]);
    for from in (0..f).step_by(AT_ONCE) {
        let to = (from + AT_ONCE).min(f);
        let (first, last) = (from.saturating_sub(1), (to + 1).min(f));
        let near = latents.clone().narrow(1, first, last - first);
        let patches = ae.decode_patches(near).narrow(0, from - first, to - from);
        let patches = patches.into_data().try_into_vec::<f32>().expect("latents are f32");
        for group in patches.chunks_exact(size.0 * size.1 * 3 * FRAMES) {
            for rgb in vae::unpack(group, size) {
                if frame(rgb).is_break() {
                    return;
                }
            }
        }
    }
}

/// A tiny model with random weights, for tests: `normals(name, n)` as in [`crate::layers::initialise`].
pub fn tiny(words: Vec<String>, normals: &mut dyn FnMut(&str, usize) -> Vec<f32>) -> Parts {
    let device = device();
    let words = Words::new(words);
    let (ae_config, dit_config) = (AeConfig::tiny(), DitConfig::tiny(words.rows()));
    let ae = initialise(Ae::new(&ae_config, &device), &Ae::gain, normals);
    // An estimate of zero would hide mistakes: here the zero weights of the beginning are random too.
    let dit = initialise(Dit::new(&dit_config, &device), &|name| Dit::gain(name).max(0.3), normals);
    Parts { preset: "lark-tiny".into(), ae_config, dit_config, words, ae, dit }
}

impl VideoModel for Lark {
    type Cond = Cond;

    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn condition(&mut self, text: &TimedText, window: &Window) -> Result<Cond, ModelError> {
        let (width, height) = window.size;
        let fits = width.is_multiple_of(CELL_PX) && height.is_multiple_of(CELL_PX);
        if !fits || width == 0 || height == 0 || window.times.is_empty() {
            return Err(ModelError::Request {
                message: format!(
                    "a window of {width}x{height} pixels and {} latent frames cannot be made",
                    window.times.len()
                ),
                hint: format!("sides are multiples of {CELL_PX} pixels"),
            });
        }
        let encoded = self.parts.words.encode(&[&text.joined()], &self.encoder);
        let text = TextBatch::new(&encoded.iter().collect::<Vec<_>>(), &self.device);
        let cells = (height / CELL_PX, width / CELL_PX);
        Ok(Cond {
            text,
            layout: Layout { cells, times: window.times.clone(), still: window.still },
        })
    }

    fn predict(&self, noisy: Latent, sigma: Sigma, cond: &Cond) -> Latent {
        let home = noisy.video.device();
        let text = self.parts.dit.text(&cond.text);
        let tokens = patchify(noisy.video, &cond.layout).to_device(&self.device);
        let levels = sigma.time.to_device(&self.device);
        let clean = self.parts.dit.forward(tokens, levels, &text, &cond.layout);
        Latent { video: unpatchify(clean.to_device(&home), &cond.layout) }
    }

    fn encode(&self, pixels: Tensor<5>) -> Tensor<5> {
        let [b, _, frames, height, width] = pixels.dims();
        let f = frames / FRAMES;
        let rows = pixels.permute([0, 2, 3, 4, 1]);
        let values = rows.into_data().convert::<f32>().try_into_vec::<f32>();
        let values = values.expect("converted to f32");
        let patch = vae::PATCH;
        let mut patches = Vec::with_capacity(values.len());
        for group in values.chunks_exact(FRAMES * height * width * 3) {
            for row in (0..height).step_by(patch) {
                for column in (0..width).step_by(patch) {
                    for line in 0..FRAMES * patch {
                        let (frame, y) = (line / patch, row + line % patch);
                        let at = ((frame * height + y) * width + column) * 3;
                        patches.extend_from_slice(&group[at..at + patch * 3]);
                    }
                }
            }
        }
        let dims = [b * f, height / patch, width / patch, vae::PATCH_VALUES];
        let patches = Tensor::from_data(TensorData::new(patches, dims), &self.device);
        let latents = self.parts.ae.encode_patches(patches);
        let [_, h, w, c] = latents.dims();
        latents.reshape([b, f, h, w, c]).permute([0, 4, 1, 2, 3])
    }

    fn decode(
        &self,
        latent: Tensor<5>,
        _tile_px: Option<usize>,
        _piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    ) {
        let [_, _, _, h, w] = latent.dims();
        let (height, width) = (h * CELL_PX, w * CELL_PX);
        decode_rgb(&self.parts.ae, latent, &mut |rgb| {
            let values: Vec<f32> = rgb.iter().map(|&v| f32::from(v) / 127.5 - 1.0).collect();
            let data = TensorData::new(values, [1, height, width, 3]);
            frame(Tensor::from_data(data, &self.device).permute([0, 3, 1, 2]))
        });
    }
}

/// `[B, C, f, h, w]` to `[B, N, PATCH * PATCH * C]`.
fn patchify(video: Tensor<5>, layout: &Layout) -> Tensor<3> {
    let [b, c, f, h, w] = video.dims();
    let device = video.device();
    let cells = video.permute([0, 2, 3, 4, 1]).into_data().convert::<f32>();
    let cells = cells.try_into_vec::<f32>().expect("converted to f32");
    let mut tokens = Vec::with_capacity(b * layout.tokens() * dit::PATCH * dit::PATCH * c);
    for frame in cells.chunks_exact(h * w * c) {
        dit::tokens_from_cells(frame, layout, c, &mut tokens);
    }
    let n = f * layout.tokens_per_frame();
    Tensor::from_data(TensorData::new(tokens, [b, n, dit::PATCH * dit::PATCH * c]), &device)
}

/// The inverse of [`patchify`]; padding is cut off.
fn unpatchify(tokens: Tensor<3>, layout: &Layout) -> Tensor<5> {
    let [b, _, values] = tokens.dims();
    let (rows, columns) = layout.grid();
    let (f, p) = (layout.times.len(), dit::PATCH);
    let c = values / (p * p);
    let (h, w) = layout.cells;
    tokens
        .reshape([b * f, rows, columns, p, p * c])
        .swap_dims(2, 3)
        .reshape([b * f, rows * p, columns * p, c])
        .narrow(1, 0, h)
        .narrow(2, 0, w)
        .reshape([b, f, h, w, c])
        .permute([0, 4, 1, 2, 3])
}

#[cfg(test)]
mod tests;
