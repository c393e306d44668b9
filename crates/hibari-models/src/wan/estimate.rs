//! What a video asks of memory and time, from sizes alone.
//!
//! Weights and the largest tensors that live at once are counted; the factors in front of the latter were measured.

use super::config::{DitConfig, FRAMES, PATCH, TEXT_ROWS};
use super::vae::{Tiling, VaeConfig, VaeVersion};
use crate::source::Residency;
use crate::{Decoding, Estimate, Window};

/// Bytes of a value while it is computed with.
const VALUE: u64 = 4;
/// Tensors of tokens that live at once in a block.
const TOKENS: u64 = 9;
/// Tensors of the width of a perceptron that live at once.
const HIDDEN: u64 = 4;
/// Tokens that go through a perceptron at once.
const FFN_ROWS: u64 = 4096;

/// Rows that the image encoder of the published models makes of a picture.
const IMAGE_ROWS: u64 = 257;

/// What encoding takes for each pixel of each frame, with the autoencoder of 2.1, by PyTorch's counter.
const ENCODE_FLOP: u64 = 5_107_000;

/// Values for each pixel of a picture that is decoded: what is kept of the frames before, and what a level works with.
/// Measured with the autoencoder of 2.1 at 256x256 and 512x384.
const PIXEL: u64 = 5390;
/// Of these, what is kept of the frames before: the inputs of all convolutions in time, counted.
const KEPT: u64 = 2365;

/// The estimate for one window.
pub(super) fn of(
    dit: &DitConfig,
    residency: Residency,
    vae: &VaeConfig,
    window: &Window,
) -> Estimate {
    let number = |n: usize| n as u64;
    let (width_px, height_px) = window.size;
    let (cell, latents) = (vae.cell_px(), number(window.times.len()));
    let tokens = latents * number(width_px / cell / PATCH) * number(height_px / cell / PATCH);
    let (d, ffn, layers) = (number(dit.width()), number(dit.ffn), number(dit.layers));

    let tensors = dit.tensors();
    let is_large = |name: &str| name.starts_with("blocks.") && name.ends_with(".weight");
    let count = |is_wanted: &dyn Fn(&str) -> bool| -> u64 {
        let sizes = tensors.iter().filter(|(name, _)| is_wanted(name));
        sizes.map(|(_, shape)| shape.iter().map(|&n| number(n)).product::<u64>()).sum()
    };
    let (large, small) = (count(&is_large), count(&|name| !is_large(name)));
    let weights = match residency {
        Residency::F32 => 4 * (large + small),
        Residency::Bf16 => 2 * large + 4 * small,
        // One weight at a time is read as bf16.
        Residency::Int8 => large + 2 * d * ffn + 4 * small,
        // As it is read and as it is packed.
        Residency::Streamed => 4 * d * ffn + 4 * small,
    };
    let rows = number(TEXT_ROWS) + if dit.image_width.is_some() { IMAGE_ROWS } else { 0 };
    let texts = 2 * 2 * layers * rows * d * VALUE;
    let work = VALUE * (TOKENS * tokens * d + HIDDEN * tokens.min(FFN_ROWS) * ffn);

    // As the published autoencoder, but for its width.
    let (published, parameters, flop) = match vae.version {
        VaeVersion::V21 => (VaeConfig::wan21(), 126_892_531, 8_440_000),
        VaeVersion::V22 => (VaeConfig::wan22(), 704_688_668, 18_400_000),
    };
    let scaled = |figure: u64| figure * number(vae.decoder_base) / number(published.decoder_base);
    let (parameters, flop) = (scaled(scaled(parameters)), scaled(scaled(flop)));
    let pixels = number(width_px * height_px);
    let frames = number(1 + (window.times.len() - 1) * FRAMES);
    let video = frames * pixels * 3;
    let decoding = |tile_px: Option<usize>| {
        let tile_px = tile_px.filter(|&px| px < width_px.max(height_px));
        let px = tile_px.unwrap_or(width_px.max(height_px));
        let of_tile = VALUE * number(width_px.min(px) * height_px.min(px));
        // Tiles overlap, are kept in floats to the end, and joined to a copy.
        let tiles = tile_px.map_or(0, |px| {
            let Tiling { tile_px, step_px } = Tiling::of(px);
            let side = |px: usize| number(px.div_ceil(step_px) * tile_px);
            frames * 3 * VALUE * (side(width_px) * side(height_px) + pixels)
        });
        Decoding {
            tile_px,
            weight_bytes: parameters * VALUE,
            bytes: parameters * VALUE + scaled(PIXEL) * of_tile + tiles + video,
            piece_bytes: scaled(PIXEL - KEPT) * of_tile,
        }
    };
    let tiled = Tiling::SIDES_PX.map(|px| decoding(Some(px)));
    let smaller = tiled.into_iter().filter(|decoding| decoding.tile_px.is_some());
    let decodings = std::iter::once(decoding(None)).chain(smaller).collect();
    Estimate {
        denoise_bytes: weights + texts + work,
        decodings,
        call_flop: layers
            * (2 * tokens * (6 * d * d + 2 * d * ffn)
                + 4 * tokens * tokens * d
                + 2048 * tokens * d),
        decode_flop: flop * pixels * frames,
        // As a video of the picture and grey frames, beside the noise.
        encode_flop: match dit.in_channels > dit.out_channels {
            true => scaled(scaled(ENCODE_FLOP)) * pixels * frames,
            false => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_that_of_the_published_figures() {
        let window = Window { size: (832, 480), times: vec![0.0; 21], still: false };
        let of = |residency| of(&DitConfig::t2v_1_3b(), residency, &VaeConfig::wan21(), &window);
        let found = of(Residency::Bf16);
        assert_eq!((found.call_flop + 500_000_000_000) / 1_000_000_000_000, 283);
        assert_eq!((found.decode_flop + 500_000_000_000) / 1_000_000_000_000, 273);
        assert_eq!(found.encode_flop, 0);
        assert!(of(Residency::F32).denoise_bytes > found.denoise_bytes + 2_500_000_000);
        assert!(of(Residency::Int8).denoise_bytes < found.denoise_bytes - 1_200_000_000);
        assert!(of(Residency::Streamed).denoise_bytes < found.denoise_bytes - 2_000_000_000);
        let sides: Vec<_> = found.decodings.iter().map(|decoding| decoding.tile_px).collect();
        assert_eq!(sides, [None, Some(256), Some(128), Some(64)]);
        let bytes: Vec<u64> = found.decodings.iter().map(|decoding| decoding.bytes).collect();
        assert!(bytes.is_sorted_by(|more, less| more > less), "{bytes:?}");
        let small = Window { size: (64, 64), ..window.clone() };
        let small = super::of(&DitConfig::t2v_1_3b(), Residency::F32, &VaeConfig::wan21(), &small);
        assert_eq!(small.decodings.len(), 1, "no tile is smaller");
    }
}
