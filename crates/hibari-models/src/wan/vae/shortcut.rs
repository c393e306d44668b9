//! Moves of values between space, time and channels: the patches of 2.2, and the shortcuts around its levels.

use burn::tensor::Tensor;

use super::blocks::{channels_first, channels_last};

/// Squares of `side` pixels become channels, ordered (channel, column, row).
///
/// # Shapes
/// `[B, C, T, H, W]` to `[B, C*side^2, T, H/side, W/side]`
pub(super) fn patchify(x: Tensor<5>, side: usize) -> Tensor<5> {
    let [b, c, t, h, w] = x.dims();
    let (rows, columns) = (h / side, w / side);
    let x = x.reshape([b * c, t, rows, side, columns, side]).permute([0, 5, 3, 1, 2, 4]);
    x.reshape([b, c * side * side, t, rows, columns])
}

/// The inverse of [`patchify`].
pub(super) fn unpatchify(x: Tensor<5>, side: usize) -> Tensor<5> {
    let [b, c, t, h, w] = x.dims();
    let c = c / (side * side);
    let x = x.reshape([b * c, side, side, t, h, w]).permute([0, 3, 4, 2, 5, 1]);
    x.reshape([b, c, t, h * side, w * side])
}

/// Blocks of `[frames, side]` become channels, ordered (channel, frame, row, column); consecutive ones are averaged.
///
/// An odd number of frames gets a frame of zeros in front when frames are folded.
///
/// # Shapes
/// `[B, T, H, W, C]` to `[B, T/frames, H/side, W/side, channels]`
pub(super) fn mean_of_folded(
    x: Tensor<5>,
    [frames, side]: [usize; 2],
    channels: usize,
) -> Tensor<5> {
    let x = channels_first(x);
    let [b, c, t, h, w] = x.dims();
    let missing = t.next_multiple_of(frames) - t;
    let x = match missing {
        0 => x,
        _ => Tensor::cat(vec![Tensor::zeros([b, c, missing, h, w], &x.device()), x], 2),
    };
    let (t, h, w) = ((t + missing) / frames, h / side, w / side);
    let x = x.reshape([b * c, t, frames, h, side, w, side]).permute([0, 2, 4, 6, 1, 3, 5]);
    let group = c * frames * side * side / channels;
    let means = x.reshape([b, channels, group, t * h * w]).mean_dim(2);
    channels_last(means.reshape([b, channels, t, h, w]))
}

/// Each channel several times in a row, then channels (channel, frame, row, column) become blocks of `[frames, side]`.
///
/// # Shapes
/// `[B, T, H, W, C]` to `[B, T*frames, H*side, W*side, channels]`
pub(super) fn repeated_unfolded(
    x: Tensor<5>,
    [frames, side]: [usize; 2],
    channels: usize,
) -> Tensor<5> {
    let x = channels_first(x);
    let [b, c, t, h, w] = x.dims();
    let repeats = channels * frames * side * side / c;
    let x = x.reshape([b * c, 1, t * h * w]).expand([b * c, repeats, t * h * w]);
    let x = x.reshape([b * channels, frames, side, side, t, h, w]).permute([0, 4, 1, 5, 2, 6, 3]);
    channels_last(x.reshape([b, channels, t * frames, h * side, w * side]))
}
