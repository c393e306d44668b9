//! From linear colours to bytes: blur of what glows, tone curve, sRGB.

use glam::{Vec3, Vec3A};

/// Each pixel of the bloom is so many of the frame.
const SHRINK: usize = 4;

/// What shines beyond its edges, at a quarter of the frame's size.
#[derive(Default)]
pub(crate) struct Bloom {
    width: usize,
    height: usize,
    light: Vec<Vec3A>,
    any: bool,
}

impl Bloom {
    /// Empties it for a frame of a size.
    pub(crate) fn clear(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width.div_ceil(SHRINK), height.div_ceil(SHRINK));
        self.light.clear();
        self.light.resize(self.width * self.height, Vec3A::ZERO);
        self.any = false;
    }

    /// Adds the light of a pixel of the frame.
    #[inline(always)]
    pub(crate) fn add(&mut self, x: usize, y: usize, colour: Vec3A) {
        self.light[y / SHRINK * self.width + x / SHRINK] +=
            colour * (1.0 / (SHRINK * SHRINK) as f32);
        self.any = true;
    }

    /// Spreads it.
    #[inline(always)]
    pub(crate) fn blur(&mut self) {
        if self.any {
            for _ in 0..2 {
                blur_lines(&mut self.light, self.width, 1, self.height, self.width);
                blur_lines(&mut self.light, self.height, self.width, self.width, 1);
            }
        }
    }
}

/// Blurs a picture upwards and downwards.
#[inline(always)]
pub(crate) fn blur_columns(picture: &mut [Vec3A], width: usize, height: usize) {
    blur_lines(picture, height, width, width, 1);
}

/// Replaces each element of `n_lines` lines by the mean of itself and two on either side; beyond its ends a line goes on
/// as it ends. Elements are `step` apart, lines `line_step`.
#[inline(always)]
fn blur_lines(picture: &mut [Vec3A], n: usize, step: usize, n_lines: usize, line_step: usize) {
    for line in 0..n_lines {
        let first = line * line_step;
        let at = |i: usize| first + i.min(n - 1) * step;
        let (mut two_back, mut back) = (picture[first], picture[first]);
        for i in 0..n {
            let here = picture[at(i)];
            picture[at(i)] =
                (two_back + back + here + picture[at(i + 1)] + picture[at(i + 2)]) * 0.2;
            (two_back, back) = (back, here);
        }
    }
}

/// The tone curve and sRGB as a table.
pub(crate) struct Tone {
    /// The byte of `(i / N_SQUARE)^2`.
    bytes: Vec<u8>,
}

/// Entries of the table up to a square root of 1.
const N_SQUARE: usize = 1024;
/// What is brighter is white.
const BRIGHTEST: f32 = 4.0;
/// How much of the blurred light is added.
const BLOOM: f32 = 0.55;

impl Tone {
    pub(crate) fn new() -> Self {
        let n = N_SQUARE * BRIGHTEST.sqrt() as usize;
        let bytes = (0..=n)
            .map(|i| {
                let root = i as f32 / N_SQUARE as f32;
                let linear = curve(root * root);
                // `Vec3::powf` is the portable one: glam is built with its own mathematics.
                let encoded = if linear <= 0.003_130_8 {
                    12.92 * linear
                } else {
                    1.055 * Vec3::splat(linear).powf(1.0 / 2.4).x - 0.055
                };
                (encoded * 255.0 + 0.5) as u8
            })
            .collect();
        Self { bytes }
    }

    /// Writes a frame: `linear` plus the bloom, in rows of `width`.
    #[inline(always)]
    pub(crate) fn encode(&self, linear: &[Vec3A], bloom: &Bloom, width: usize, rgb: &mut [u8]) {
        let columns: Vec<_> = (0..width).map(|x| between(x, bloom.width)).collect();
        let mut glow = vec![Vec3A::ZERO; bloom.width];
        for (y, (row, bytes)) in linear.chunks(width).zip(rgb.chunks_mut(3 * width)).enumerate() {
            let (top, bottom, part) = between(y, bloom.height);
            for (x, glow) in glow.iter_mut().enumerate() {
                let (upper, lower) =
                    (bloom.light[top * bloom.width + x], bloom.light[bottom * bloom.width + x]);
                *glow = upper.lerp(lower, part) * BLOOM;
            }
            for ((&colour, bytes), &(left, right, across)) in
                row.iter().zip(bytes.chunks_exact_mut(3)).zip(&columns)
            {
                let colour = colour + glow[left].lerp(glow[right], across);
                let colour = colour.clamp(Vec3A::ZERO, Vec3A::splat(BRIGHTEST));
                // Four roots at once cost no more than one.
                let [red, green, blue, _] = colour.extend(0.0).to_array().map(entry);
                bytes[0] = self.bytes[red];
                bytes[1] = self.bytes[green];
                bytes[2] = self.bytes[blue];
            }
        }
    }
}

/// Where the table has the byte of a linear value between 0 and `BRIGHTEST`.
#[inline(always)]
fn entry(linear: f32) -> usize {
    // Above 2^23 the last bit of a float counts ones: the sum rounds, and its low bits are the whole number.
    ((linear.sqrt() * N_SQUARE as f32 + 8_388_608.0).to_bits() & 0xffff) as usize
}

/// The two bloom pixels between which a pixel of the frame lies, and how far it is from the first to the second.
#[inline(always)]
fn between(position: usize, n: usize) -> (usize, usize, f32) {
    let at = ((position as f32 + 0.5) / SHRINK as f32 - 0.5).max(0.0);
    let first = at as usize;
    (first, (first + 1).min(n - 1), at - first as f32)
}

/// Straight up to 0.7, from there on bent, so that 1 is still short of white.
fn curve(x: f32) -> f32 {
    const KNEE: f32 = 0.7;
    if x <= KNEE {
        return x;
    }
    let over = (x - KNEE) / (1.0 - KNEE);
    KNEE + (1.0 - KNEE) * over / (0.75 + over)
}
