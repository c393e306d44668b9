//! The picture that a video begins with: read, brought to the sizes that the model sees, and kept with the state, so that
//! work which is taken up needs the file no more.

use std::path::Path;

use burn::tensor::Tensor;
use hibari_media::{Filter, Frame, centre, load_still, resized};
use hibari_models::{Picture, Square};

use crate::error::PipelineError;
use crate::pixels::pixels_from_frames;

/// The picture in the sizes that the model sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Of the size of the video.
    pub(crate) frame: Frame,
    /// As the image encoder sees it.
    pub(crate) square: Option<Frame>,
}

impl Begun {
    /// Reads the picture.
    ///
    /// # Errors
    /// if it cannot be read
    pub(crate) fn open(
        path: &Path,
        (width, height): (usize, usize),
        square: Option<Square>,
    ) -> Result<Self, PipelineError> {
        let picture = load_still(path)?;
        let frame = resized(&picture, width, height, Filter::Lanczos)?;
        let square = square.map(|square| seen(&picture, square)).transpose()?;
        Ok(Self { frame, square })
    }

    /// As the model takes it.
    pub(crate) fn picture(&self) -> Picture {
        let pixels = |frame: &Frame| pixels_from_frames(std::slice::from_ref(frame));
        let square = |frame: &Frame| -> Tensor<4> {
            (pixels(frame) * 0.5 + 0.5).reshape([1, 3, frame.height, frame.width])
        };
        Picture { pixels: pixels(&self.frame), square: self.square.as_ref().map(square) }
    }
}

/// The square that an image encoder sees: all of the picture, or its middle with the shorter side whole.
fn seen(picture: &Frame, Square { side_px, is_middle }: Square) -> Result<Frame, PipelineError> {
    if !is_middle {
        return Ok(resized(picture, side_px, side_px, Filter::Bicubic)?);
    }
    let shorter = picture.width.min(picture.height);
    let side = |len: usize| side_px * len / shorter;
    let whole = resized(picture, side(picture.width), side(picture.height), Filter::Bicubic)?;
    Ok(centre(&whole, side_px)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_the_middle_or_all_of_a_picture() {
        let mut picture = Frame::filled(40, 20, [0, 0, 0]);
        for y in 0..20 {
            for x in 10..30 {
                picture.rgb[3 * (40 * y + x)] = 255;
            }
        }
        let of = |is_middle| seen(&picture, Square { side_px: 10, is_middle }).unwrap();
        let (middle, all) = (of(true), of(false));
        assert_eq!([middle.width, middle.height, all.width, all.height], [10; 4]);
        assert!(middle.pixel(2, 5)[0] == 255 && middle.pixel(7, 5)[0] == 255);
        assert!(all.pixel(1, 5)[0] == 0 && all.pixel(5, 5)[0] == 255);
        let begun = Begun { frame: picture, square: Some(all) };
        let Picture { pixels, square } = begun.picture();
        assert_eq!(pixels.dims(), [1, 3, 1, 20, 40]);
        let square = square.unwrap();
        assert_eq!(square.dims(), [1, 3, 10, 10]);
        let extremes: [f32; 2] = [square.clone().min().into_scalar(), square.max().into_scalar()];
        assert_eq!(extremes, [0.0, 1.0]);
    }
}
