//! What a video asks of memory and time, from sizes alone.
//!
//! Weights and the largest tensors that live at once are counted; the factors in front of the latter were measured.

use super::config::{DitConfig, FRAMES, PATCH, TEXT_ROWS};
use super::vae::{Tiling, VaeConfig, VaeVersion};
use crate::source::Residency;
use crate::{Estimate, Window};

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
        // As it is read and as it is packed.
        Residency::Streamed => 4 * d * ffn + 4 * small,
    };
    let rows = number(TEXT_ROWS) + if dit.image_width.is_some() { IMAGE_ROWS } else { 0 };
    let texts = 2 * 2 * layers * rows * d * VALUE;
    let work = VALUE * (TOKENS * tokens * d + HIDDEN * tokens.min(FFN_ROWS) * ffn);

    // As the published autoencoder, but for its width.
    let (published, parameters, flop) = match vae.version {
        VaeVersion::V21 => (VaeConfig::WAN21, 126_892_531, 8_440_000),
        VaeVersion::V22 => (VaeConfig::WAN22, 704_688_668, 18_400_000),
    };
    let scaled = |figure: u64| figure * number(vae.decoder_base) / number(published.decoder_base);
    let (parameters, flop, pixel) =
        (scaled(scaled(parameters)), scaled(scaled(flop)), scaled(PIXEL));
    let pixels = number(width_px * height_px);
    let tile =
        number(width_px.min(Tiling::DEFAULT.tile_px) * height_px.min(Tiling::DEFAULT.tile_px));
    let frames = number(1 + (window.times.len() - 1) * FRAMES);
    let video = frames * pixels * 3;
    let decode = |pixels: u64| parameters * VALUE + VALUE * pixel * pixels + video;
    // Tiles overlap, are kept in floats to the end, and joined to a copy.
    let side = |px: usize| number(px.div_ceil(Tiling::DEFAULT.step_px) * Tiling::DEFAULT.tile_px);
    let tiles = frames * 3 * VALUE * (side(width_px) * side(height_px) + pixels);
    Estimate {
        denoise_bytes: weights + texts + work,
        decode_bytes: decode(pixels),
        tiled_bytes: (pixels > tile).then(|| decode(tile) + tiles),
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
        let of = |residency| of(&DitConfig::t2v_1_3b(), residency, &VaeConfig::WAN21, &window);
        let found = of(Residency::Bf16);
        assert_eq!((found.call_flop + 500_000_000_000) / 1_000_000_000_000, 283);
        assert_eq!((found.decode_flop + 500_000_000_000) / 1_000_000_000_000, 273);
        assert_eq!(found.encode_flop, 0);
        assert!(of(Residency::F32).denoise_bytes > found.denoise_bytes + 2_500_000_000);
        assert!(of(Residency::Streamed).denoise_bytes < found.denoise_bytes - 2_000_000_000);
        let tiled = found.tiled_bytes.unwrap();
        assert!(tiled < found.decode_bytes, "{tiled} against {}", found.decode_bytes);
    }
}
