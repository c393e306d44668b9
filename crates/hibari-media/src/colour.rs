//! sRGB bytes to BT.709 limited-range Y'CbCr 4:2:0 and back.
//!
//! Luma is 16..=235, chroma 16..=240. Chroma samples sit where H.264 puts them by default: on the left column of a
//! pair, between its two rows. Gamma is left alone: players show BT.709 video with the display's own curve.
//!
//! Source: ITU-R BT.709-6, items 3.2 to 3.4 and 4.6; ITU-T H.264, annex E, `chroma_sample_loc_type` 0.

use crate::frame::Frame;

const RED: f32 = 0.2126;
const GREEN: f32 = 0.7152;
const BLUE: f32 = 0.0722;
/// `2 * (1 - BLUE)`: the span of blue minus luma.
const BLUE_SPAN: f32 = 1.8556;
/// `2 * (1 - RED)`: the span of red minus luma.
const RED_SPAN: f32 = 1.5748;

/// Planes of a picture; sides are even.
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `[height, width]`
    pub(crate) luma: Vec<u8>,
    /// `[height / 2, width / 2]`
    pub(crate) blue: Vec<u8>,
    /// `[height / 2, width / 2]`
    pub(crate) red: Vec<u8>,
}

/// Splits a frame into planes.
///
/// # Panics
/// if a side is odd
pub(crate) fn planes_from_frame(frame: &Frame) -> Planes {
    let (width, height) = (frame.width, frame.height);
    assert!(width.is_multiple_of(2) && height.is_multiple_of(2), "4:2:0 of {width}x{height}");
    let mut luma = Vec::with_capacity(width * height);
    let mut chroma = Vec::with_capacity(width * height);
    for pixel in frame.rgb.chunks_exact(3) {
        let [r, g, b] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
        let y = RED * r + GREEN * g + BLUE * b;
        luma.push(byte(16.0 + y * (219.0 / 255.0)));
        chroma.push([(b - y) / BLUE_SPAN * (224.0 / 255.0), (r - y) / RED_SPAN * (224.0 / 255.0)]);
    }
    let mut blue = Vec::with_capacity(width * height / 4);
    let mut red = Vec::with_capacity(width * height / 4);
    for row in (0..height).step_by(2) {
        for column in (0..width).step_by(2) {
            let (left, right) = (column.saturating_sub(1), column + 1);
            let mut sum = [0.0_f32; 2];
            for line in [row, row + 1] {
                for (x, weight) in [(left, 1.0), (column, 2.0), (right, 1.0)] {
                    let [b, r] = chroma[line * width + x];
                    sum = [sum[0] + weight * b, sum[1] + weight * r];
                }
            }
            blue.push(byte(128.0 + sum[0] / 8.0));
            red.push(byte(128.0 + sum[1] / 8.0));
        }
    }
    Planes { width, height, luma, blue, red }
}

/// Joins planes into a frame; chroma is interpolated linearly.
pub(crate) fn frame_from_planes(planes: &Planes) -> Frame {
    let (width, height) = (planes.width, planes.height);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        for column in 0..width {
            let y = (f32::from(planes.luma[row * width + column]) - 16.0) * (255.0 / 219.0);
            let b = chroma_at(&planes.blue, planes, column, row) * (255.0 / 224.0 * BLUE_SPAN);
            let r = chroma_at(&planes.red, planes, column, row) * (255.0 / 224.0 * RED_SPAN);
            rgb.extend([byte(y + r), byte(y - (RED * r + BLUE * b) / GREEN), byte(y + b)]);
        }
    }
    Frame { width, height, rgb }
}

/// One chroma plane at a luma position, minus its centre: rows weigh 3 to 1, odd columns are midway.
fn chroma_at(plane: &[u8], planes: &Planes, column: usize, row: usize) -> f32 {
    let (columns, rows) = (planes.width / 2, planes.height / 2);
    let near = row / 2;
    let far = if row.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(rows - 1) };
    let left = column / 2;
    let right = if column.is_multiple_of(2) { left } else { (left + 1).min(columns - 1) };
    let line = |row: usize| {
        f32::from(plane[row * columns + left]) + f32::from(plane[row * columns + right])
    };
    (3.0 * line(near) + line(far)) / 8.0 - 128.0
}

fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_have_the_levels_of_the_standard() {
        // 8-bit BT.709 colour bars at 100 %.
        let table = [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
        ];
        for (rgb, expected) in table {
            let planes = planes_from_frame(&Frame::filled(4, 4, rgb));
            assert_eq!([planes.luma[5], planes.blue[1], planes.red[1]], expected, "{rgb:?}");
        }
    }

    #[test]
    fn flat_colours_return() {
        for rgb in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 99], [128, 128, 128]] {
            let frame = Frame::filled(6, 4, rgb);
            let back = frame_from_planes(&planes_from_frame(&frame));
            let error = back.rgb.iter().zip(&frame.rgb).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(error <= Some(2), "{rgb:?}: {error:?}");
        }
    }
}
