//! What the judge looks at: a few frames of a clip at half size, and batches of them as tensors.
//!
//! A view takes 110 kB at 256x144, so that thousands of clips fit in memory where their frames would not.

use burn::tensor::{Device, Tensor, TensorData};
use hibari_media::Frame;

/// Frames of a clip that the judge looks at, `T`.
pub const FRAMES: usize = 4;
/// Sides of a video are multiples of this, in pixels: the view halves them, the network divides them by eight.
pub const SIDE_STEP_PX: usize = 16;

/// A clip, as the judge sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    height: usize,
    width: usize,
    /// `[T, height, width, 3]`, gamma-encoded.
    rgb: Vec<u8>,
}

impl View {
    /// Which frames of a clip are looked at: the first, the last, and evenly between; a renderer may draw only these.
    ///
    /// # Panics
    /// if the clip is empty
    #[track_caller]
    pub fn indices(n_frames: usize) -> [usize; FRAMES] {
        assert!(n_frames > 0, "a clip has at least one frame");
        let gaps = FRAMES - 1;
        std::array::from_fn(|i| (i * (n_frames - 1) + gaps / 2) / gaps)
    }

    /// The view of a whole clip.
    ///
    /// # Panics
    /// as [`View::of_picked`], or if the clip is empty
    #[track_caller]
    pub fn of_clip(frames: &[Frame]) -> Self {
        Self::of_picked(Self::indices(frames.len()).map(|idx| &frames[idx]))
    }

    /// The view of the frames at [`View::indices`]: each pixel is the mean of two by two, rounded.
    ///
    /// # Panics
    /// if the frames differ in size or a side is not a multiple of [`SIDE_STEP_PX`]
    #[track_caller]
    pub fn of_picked(frames: [&Frame; FRAMES]) -> Self {
        let size = [frames[0].height, frames[0].width];
        assert!(
            size.iter().all(|side| side % SIDE_STEP_PX == 0),
            "the sides {size:?} are not multiples of {SIDE_STEP_PX}"
        );
        let [height, width] = size.map(|side| side / 2);
        let mut rgb = Vec::with_capacity(FRAMES * height * width * 3);
        for frame in frames {
            assert_eq!([frame.height, frame.width], size, "the frames of a clip differ in size");
            for rows in frame.rgb.chunks_exact(2 * size[1] * 3) {
                let (upper, lower) = rows.split_at(size[1] * 3);
                for (upper, lower) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
                    rgb.extend((0..3).map(|channel| {
                        let four = [upper, lower]
                            .map(|row| u16::from(row[channel]) + u16::from(row[channel + 3]));
                        u8::try_from((four[0] + four[1] + 2) / 4).expect("a mean of bytes")
                    }));
                }
            }
        }
        Self { height, width, rgb }
    }

    /// Height and width of the view, in pixels: half those of the video.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}

/// Views of one size as the input of the judge.
///
/// # Shapes
/// returned: `[B, T, H/2, W/2, 3]`, `H` and `W` those of the video
/// # Units
/// -1 (black) to 1
/// # Panics
/// if there is no view or their sizes differ
#[track_caller]
pub fn clip_tensor(views: &[&View], device: &Device) -> Tensor<5> {
    let first = views.first().expect("a batch has at least one view");
    let mut values = Vec::with_capacity(views.len() * first.rgb.len());
    for view in views {
        assert_eq!(view.size(), first.size(), "the views of a batch differ in size");
        values.extend(view.rgb.iter().map(|&level| f32::from(level) / 127.5 - 1.0));
    }
    let dims = [views.len(), FRAMES, first.height, first.width, 3];
    Tensor::from_data(TensorData::new(values, dims), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_picked_evenly_from_first_to_last() {
        for (n_frames, expected) in [
            (1, [0, 0, 0, 0]),
            (2, [0, 0, 1, 1]),
            (4, [0, 1, 2, 3]),
            (48, [0, 16, 31, 47]),
            (97, [0, 32, 64, 96]),
        ] {
            assert_eq!(View::indices(n_frames), expected, "{n_frames} frames");
        }
    }

    #[test]
    fn a_pixel_is_the_mean_of_four() {
        let mut frame = Frame::filled(32, 16, [10, 20, 30]);
        // The four pixels at columns 2 and 3, rows 4 and 5: green 20, 20, 20, 255.
        frame.rgb[(5 * 32 + 3) * 3 + 1] = 255;
        let view = View::of_clip(&[frame]);
        assert_eq!(view.size(), [8, 16]);
        let pixel = (2 * 16 + 1) * 3;
        assert_eq!(view.rgb[pixel..pixel + 6], [10, 79, 30, 10, 20, 30]);
        assert_eq!(view.rgb.len(), FRAMES * 8 * 16 * 3);

        let tensor = clip_tensor(&[&view, &view], &Device::default());
        assert_eq!(tensor.dims(), [2, FRAMES, 8, 16, 3]);
        let values = tensor.into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(values[pixel + 1], 79.0 / 127.5 - 1.0);
    }

    #[test]
    #[should_panic(expected = "not multiples of 16")]
    fn sides_that_the_network_cannot_halve_are_refused() {
        View::of_clip(&[Frame::filled(24, 16, [0; 3])]);
    }
}
