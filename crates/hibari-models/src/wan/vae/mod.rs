//! The autoencoders of Wan 2.1 and 2.2: videos to latents of unit variance and back, causal in time.
//!
//! A video of `4k + 1` frames has `k + 1` latent frames: the first stands for one frame, each later one for four. Both
//! ways the video goes through in such chunks, so memory does not grow with its length. Parameters have diffusers'
//! names, see [`Vae::layout`]. Weights and sums are 32-bit;
//! what the operands of products are, [`Products`] says, but for the few convolutions that make a video smaller.
//!
//! # Source
//! Wan (arXiv:2503.20314), section 4.1; Wan2.1 `wan/modules/vae.py`, Wan2.2 `wan/modules/vae2_2.py`

mod blocks;
mod config;
mod names;
mod networks;
mod order;
mod shortcut;
#[cfg(test)]
mod tests;
mod tiles;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use burn::tensor::{Device, Tensor};
use hibari_weights::{WeightsError, module};

pub(super) use config::HALVES_TIME;
pub use config::{FRAMES, VaeConfig, VaeVersion};
pub use hibari_ops::Products;
pub use hibari_weights::NamedTensor;
pub use tiles::Tiling;

use blocks::{Build, History};
use names::diffusers_name;
use networks::Networks;
use shortcut::{patchify, unpatchify};
use tiles::{Grid, cut, join};

/// An autoencoder.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    networks: Networks,
}

impl Vae {
    /// An autoencoder of zeros, which multiplies exactly.
    pub fn new(config: VaeConfig, device: &Device) -> Self {
        let build = Build { device, products: Products::Exact };
        let networks = Networks::new(&config, build);
        Self { config, networks }
    }

    /// An autoencoder of these weights, in diffusers' names and shapes.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] with every missing, unknown and misshapen name
    pub fn load(
        config: VaeConfig,
        tensors: Vec<NamedTensor>,
        products: Products,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let networks = Networks::new(&config, Build { device, products });
        let paths: BTreeMap<String, String> = module::layout(&networks)
            .into_iter()
            .map(|(path, _)| (diffusers_name(&config, &path), path))
            .collect();
        let in_paths = |tensor: NamedTensor| match paths.get(&tensor.name) {
            Some(path) => order::from_file(NamedTensor { name: path.clone(), ..tensor }),
            None => tensor,
        };
        let tensors = tensors.into_iter().map(in_paths).collect();
        let name = |path: String| diffusers_name(&config, &path);
        let networks = module::load(networks, tensors).map_err(|error| match error {
            WeightsError::Mismatch { missing, extra, doubled, misshapen } => {
                WeightsError::Mismatch {
                    missing: missing.into_iter().map(name).collect(),
                    extra,
                    doubled: doubled.into_iter().map(name).collect(),
                    misshapen: misshapen
                        .into_iter()
                        .map(|(path, a, b)| (name(path), order::in_file(&a), order::in_file(&b)))
                        .collect(),
                }
            }
            other => other,
        })?;
        Ok(Self { config, networks })
    }

    /// Its sizes.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Names and shapes of all parameters, as diffusers has them.
    pub fn layout(&self) -> Vec<(String, Vec<usize>)> {
        module::layout(&self.networks)
            .into_iter()
            .map(|(path, shape)| (diffusers_name(&self.config, &path), order::in_file(&shape)))
            .collect()
    }

    /// The most likely latents of a video, of unit variance.
    ///
    /// # Shapes
    /// `[B, 3, F, H, W]` to `[B, C, (F - 1) / 4 + 1, H / cell_px, W / cell_px]`
    /// # Units
    /// pixels in [-1, 1]
    /// # Panics
    /// if `F` is not `4k + 1`, or a side no multiple of a cell
    #[track_caller]
    pub fn encode(&self, pixels: Tensor<5>, tiling: Option<Tiling>) -> Tensor<5> {
        let [_, _, frames, height, width] = pixels.dims();
        let cell = self.config.cell_px();
        let fits = height.is_multiple_of(cell) && width.is_multiple_of(cell);
        assert!(fits, "`{width}x{height}` is not a multiple of the cell `{cell}`");
        assert_eq!(frames % FRAMES, 1, "`{frames}` frames are not `4k + 1`");
        let patch = self.config.patch_px();
        // The tiles of 2.2 are as many patches as the decoder's are pixels, as in the original.
        let cells_px = cell / patch;
        let whole = Tiling { tile_px: height.max(width), step_px: height.max(width) };
        let Tiling { tile_px, step_px } = tiling.unwrap_or(whole);
        let grid = Grid::new([height / patch, width / patch], tile_px, step_px);
        let chunks =
            || std::iter::once(0..1).chain((1..frames).step_by(FRAMES).map(|i| i..i + FRAMES));
        // Each tile through all of time before the next: what tiles remember is much more than what they become.
        let tile = |place: (Range<usize>, Range<usize>)| {
            let mut history = History::default();
            let encode = |times: Range<usize>| {
                let chunk = pixels.clone().narrow(2, times.start, times.len());
                let chunk = cut(patchify(chunk, patch), place.clone());
                self.networks.encode_chunk(chunk, &mut history)
            };
            Tensor::cat(chunks().map(encode).collect(), 2)
        };
        let tiles = grid.tiles().map(tile).collect();
        let (step, overlap) = (step_px / cells_px, (tile_px - step_px) / cells_px);
        let latents = join(tiles, grid.columns.len(), step, overlap);
        (latents - self.mean(&pixels.device())) / self.std(&pixels.device())
    }

    /// Latents of unit variance to frames, handed over in order; stops when `frame` breaks, or `piece`, which is asked before
    /// each latent frame of each tile how many of all are done.
    ///
    /// With `tiling`, a picture larger than a tile is decoded in tiles, one after another, and all frames leave at the end.
    ///
    /// # Shapes
    /// `[B, C, f, h, w]` to `4 * (f - 1) + 1` frames `[B, 3, h * cell_px, w * cell_px]`
    /// # Units
    /// pixels in [-1, 1]
    /// # Panics
    /// if the channels are not the autoencoder's, or the tiles no whole cells
    #[track_caller]
    pub fn decode(
        &self,
        latent: Tensor<5>,
        tiling: Option<Tiling>,
        piece: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
        frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>,
    ) {
        let [b, channels, latent_frames, h, w] = latent.dims();
        assert_eq!(channels, self.config.channels(), "channels of the latents");
        let (cell, patch) = (self.config.cell_px(), self.config.patch_px());
        let whole = Tiling { tile_px: h.max(w) * cell, step_px: h.max(w) * cell };
        let Tiling { tile_px, step_px } = tiling.unwrap_or(whole);
        let is_whole = tile_px.is_multiple_of(cell) && step_px.is_multiple_of(cell);
        assert!(is_whole, "tiles `{tiling:?}` are no multiples of the cell `{cell}`");
        let grid = Grid::new([h, w], tile_px / cell, step_px / cell);
        let latent = latent.clone() * self.std(&latent.device()) + self.mean(&latent.device());
        let chunks = |i: usize| latent.clone().narrow(2, i, 1);
        let pictures = |patches: Tensor<5>, frame: &mut dyn FnMut(Tensor<4>) -> ControlFlow<()>| {
            let pixels = unpatchify(patches, patch).clamp(-1.0, 1.0);
            for j in 0..pixels.dims()[2] {
                frame(pixels.clone().narrow(2, j, 1).reshape([b, 3, h * cell, w * cell]))?;
            }
            ControlFlow::Continue(())
        };
        let n_pieces = grid.len() * latent_frames;
        if grid.len() == 1 {
            let mut history = History::default();
            for i in 0..latent_frames {
                if piece(i, n_pieces).is_break() {
                    return;
                }
                let patches = self.networks.decode_chunk(chunks(i), &mut history);
                if pictures(patches, frame).is_break() {
                    return;
                }
            }
            return;
        }
        // Each tile through all of time before the next: what tiles remember is much more than what they become.
        let mut tiles = Vec::with_capacity(grid.len());
        for place in grid.tiles() {
            let mut history = History::default();
            let mut tile = Vec::with_capacity(latent_frames);
            for i in 0..latent_frames {
                if piece(tiles.len() * latent_frames + i, n_pieces).is_break() {
                    return;
                }
                let chunk = cut(chunks(i), place.clone());
                tile.push(self.networks.decode_chunk(chunk, &mut history));
            }
            tiles.push(Tensor::cat(tile, 2));
        }
        let (step, overlap) = (step_px / patch, (tile_px - step_px) / patch);
        // Whether the caller goes on matters to the caller alone: nothing is left to do.
        let _done = pictures(join(tiles, grid.columns.len(), step, overlap), frame);
    }

    /// `[1, C, 1, 1, 1]`.
    fn mean(&self, device: &Device) -> Tensor<5> {
        per_channel(&self.config.latent_mean, device)
    }

    /// `[1, C, 1, 1, 1]`.
    fn std(&self, device: &Device) -> Tensor<5> {
        per_channel(&self.config.latent_std, device)
    }
}

fn per_channel(values: &[f32], device: &Device) -> Tensor<5> {
    Tensor::<1>::from_floats(values, device).reshape([1, values.len(), 1, 1, 1])
}
