//! One picture: 8-bit sRGB, rows from the top, no padding. Everything that files are made of or read into.

use crate::error::MediaError;

/// A picture of `width * height` pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// `[height, width, 3]`, red, green, blue, 0..=255, gamma-encoded.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// A frame from its bytes.
    ///
    /// # Shapes
    /// - `rgb`: `[height, width, 3]`
    ///
    /// # Errors
    /// [`MediaError::FrameSize`] if a side is zero or the bytes do not fit the size.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, MediaError> {
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if width == 0 || height == 0 || expected != Some(rgb.len()) {
            return Err(MediaError::FrameSize { width, height, bytes: rgb.len() });
        }
        Ok(Self { width, height, rgb })
    }

    /// A frame of one colour.
    ///
    /// # Panics
    /// if a side is zero
    #[must_use]
    #[track_caller]
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        assert!(width > 0 && height > 0, "a frame of {width}x{height} pixels has no area");
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// The colour at column `x`, row `y`.
    ///
    /// # Panics
    /// outside the picture
    #[must_use]
    #[track_caller]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "pixel {x},{y} of {}x{}",
            self.width,
            self.height
        );
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Copies `other` here, its top left corner at (`x`, `y`); what does not fit is cut off.
    pub fn paste(&mut self, other: &Self, x: usize, y: usize) {
        if x >= self.width || y >= self.height {
            return;
        }
        let (columns, rows) = (other.width.min(self.width - x), other.height.min(self.height - y));
        for row in 0..rows {
            let to = ((y + row) * self.width + x) * 3;
            let from = row * other.width * 3;
            self.rgb[to..to + columns * 3].copy_from_slice(&other.rgb[from..from + columns * 3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(Frame::new(2, 2, vec![0; 12]).is_ok());
        for (width, height, bytes) in [(0, 2, 0), (2, 0, 0), (2, 2, 11), (usize::MAX, 2, 12)] {
            assert!(
                Frame::new(width, height, vec![0; bytes]).is_err(),
                "{width}x{height}, {bytes} bytes"
            );
        }
    }

    #[test]
    fn paste_cuts_what_does_not_fit() {
        let mut frame = Frame::filled(3, 2, [0; 3]);
        frame.paste(&Frame::filled(4, 4, [9; 3]), 2, 1);
        frame.paste(&Frame::filled(1, 1, [7; 3]), 3, 0);
        assert_eq!(
            (frame.pixel(2, 1), frame.pixel(1, 1), frame.pixel(2, 0)),
            ([9; 3], [0; 3], [0; 3])
        );
    }
}
