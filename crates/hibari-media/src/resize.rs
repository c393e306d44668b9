//! Pictures in other sizes, to the bit as Pillow makes them, which is what the libraries of published models use.
//!
//! Each output pixel is a weighted mean of the input pixels that a filter reaches, along rows first and then along columns,
//! or the other way round where much more of the height goes than of the width, with weights of 22 fractional bits and 8-bit
//! pixels between the two.
//!
//! Source: Pillow 13.0.0, `src/libImaging/Resample.c`

use crate::error::MediaError;
use crate::frame::Frame;

/// Fractional bits of a weight: a sum of 8-bit pixels and some overshoot fits into 32 bits.
const WEIGHT_BITS: u32 = 22;

/// How neighbours are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Cubic, `a = -1/2`: two pixels to each side.
    Bicubic,
    /// Windowed sinc: three pixels to each side.
    Lanczos,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Bicubic => {
                let x = x.abs();
                if x < 1.0 {
                    (1.5 * x - 2.5) * x * x + 1.0
                } else if x < 2.0 {
                    ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
                } else {
                    0.0
                }
            }
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x == 0.0 { 1.0 } else { x.sin() / x }
}

/// The same picture in another size; proportions are not kept.
///
/// # Errors
/// [`MediaError::FrameSize`] for a size that no picture has
pub fn resized(
    frame: &Frame,
    width: usize,
    height: usize,
    filter: Filter,
) -> Result<Frame, MediaError> {
    const MAX_SIDE: usize = 1 << 16;
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(MediaError::FrameSize { width, height, bytes: frame.rgb.len() });
    }
    let along_rows = |frame: &Frame| of_width(frame, width, filter);
    let along_columns = |frame: &Frame| of_height(frame, height, filter);
    // Which goes first is seen in the pixels: Pillow before 13 always took rows first.
    if frame.height > height && frame.height - height > 2 * frame.width.saturating_sub(width) {
        along_rows(&along_columns(frame)?)
    } else {
        along_columns(&along_rows(frame)?)
    }
}

fn of_width(frame: &Frame, width: usize, filter: Filter) -> Result<Frame, MediaError> {
    if width == frame.width {
        return Ok(frame.clone());
    }
    let taps = taps(frame.width, width, filter);
    let rows = frame.rgb.chunks_exact(3 * frame.width);
    let rgb = rows.flat_map(|row| taps.iter().flat_map(|tap| tap.mean(row, 3))).collect();
    Frame::new(width, frame.height, rgb)
}

fn of_height(frame: &Frame, height: usize, filter: Filter) -> Result<Frame, MediaError> {
    if height == frame.height {
        return Ok(frame.clone());
    }
    let row = 3 * frame.width;
    let mut rgb = Vec::with_capacity(row * height);
    for tap in taps(frame.height, height, filter) {
        rgb.extend((0..frame.width).flat_map(|x| tap.mean(&frame.rgb[3 * x..], row)));
    }
    Frame::new(frame.width, height, rgb)
}

/// The middle of a picture: a square with this side.
///
/// # Errors
/// [`MediaError::FrameSize`] if the picture is smaller
pub fn centre(frame: &Frame, side: usize) -> Result<Frame, MediaError> {
    let Frame { width, height, rgb } = frame;
    if side == 0 || side > *width || side > *height {
        return Err(MediaError::FrameSize { width: side, height: side, bytes: rgb.len() });
    }
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let row = |y: usize| rgb[3 * (y * width + left)..][..3 * side].iter().copied();
    Frame::new(side, side, (top..top + side).flat_map(row).collect())
}

/// The input pixels of an output pixel, along one axis.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

impl Tap {
    /// The weighted mean of three channels of pixels that lie `stride` bytes apart.
    fn mean(&self, pixels: &[u8], stride: usize) -> [u8; 3] {
        [0, 1, 2].map(|channel| {
            let mut sum = 1_i32 << (WEIGHT_BITS - 1);
            for (i, weight) in self.weights.iter().enumerate() {
                sum += i32::from(pixels[(self.first + i) * stride + channel]) * weight;
            }
            (sum >> WEIGHT_BITS).clamp(0, 255) as u8
        })
    }
}

fn taps(len_in: usize, len_out: usize, filter: Filter) -> Vec<Tap> {
    let scale = len_in as f64 / len_out as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let tap = |out: usize| {
        let centre = (out as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(len_in);
        let weight = |at: usize| filter.weight((at as f64 - centre + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| (weight / sum * f64::from(1 << WEIGHT_BITS)).round() as i32;
        Tap { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..len_out).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without a pattern: the upper bits of a linear congruential sequence.
    fn noise(width: usize, height: usize) -> Frame {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        Frame::new(width, height, (0..3 * width * height).map(|_| next()).collect()).unwrap()
    }

    fn checksum(frame: &Frame) -> u64 {
        frame.rgb.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Sizes, and the sums of what Pillow 13.0.0 makes, see `reference/fixtures_wan.py`. Columns go first for 60x30 and 80x40.
    const PILLOW: [(Filter, usize, usize, u64); 7] = [
        (Filter::Lanczos, 48, 32, 0xb193_6843_00e5_894e),
        (Filter::Lanczos, 96, 80, 0x9927_74ce_2d74_f9dc),
        (Filter::Bicubic, 28, 28, 0xd435_d4de_5778_a8bf),
        (Filter::Bicubic, 61, 64, 0xcc72_db9a_6977_a597),
        (Filter::Lanczos, 60, 30, 0x3188_3229_ce9b_a8b4),
        (Filter::Bicubic, 80, 40, 0x4d2d_bb43_34b7_bfd1),
        (Filter::Lanczos, 51, 27, 0x8ddd_d270_ba28_ecbf),
    ];

    #[test]
    fn pixels_are_those_of_pillow() {
        let frame = noise(61, 47);
        for (filter, width, height, expected) in PILLOW {
            let found = resized(&frame, width, height, filter).unwrap();
            assert_eq!((found.width, found.height), (width, height));
            assert_eq!(checksum(&found), expected, "{filter:?} {width}x{height}");
        }
    }

    #[test]
    fn a_picture_in_another_size_keeps_its_colours() {
        let frame = Frame::filled(64, 48, [10, 200, 90]);
        let small = resized(&frame, 16, 32, Filter::Lanczos).unwrap();
        assert_eq!(small, Frame::filled(16, 32, [10, 200, 90]));
        assert!(resized(&frame, 0, 32, Filter::Lanczos).is_err());
    }

    #[test]
    fn the_middle_is_cut_out() {
        let frame = noise(7, 4);
        let middle = centre(&frame, 4).unwrap();
        assert_eq!(
            (middle.pixel(0, 0), middle.pixel(3, 3)),
            (frame.pixel(1, 0), frame.pixel(4, 3))
        );
        assert!(centre(&frame, 5).is_err());
    }
}
