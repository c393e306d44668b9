//! Figures that need no network: likeness of pictures, motion, frozen frames, accuracy, and how sure a figure is.

use hibari_media::Frame;
use hibari_world::random::Random;

/// Decibels of equal pictures. The true value is infinite; this one keeps means finite.
pub const EQUAL_PSNR_DB: f64 = 100.0;
/// Side of the blocks of [`worst_blocks`], in pixels.
pub const BLOCK_PX: usize = 16;
/// Two neighbouring frames closer than this stand still; levels of 255, mean over the picture.
pub const STILL_LEVELS: f64 = 0.05;
/// Two neighbouring frames farther apart than this move; levels of 255, mean over the picture.
pub const MOVING_LEVELS: f64 = 0.5;
/// Resamples of [`bootstrap`].
pub const RESAMPLES: usize = 1_000;

/// Peak signal-to-noise ratio of two clips over all their frames.
///
/// `10 log10(255^2 / mean (a - b)^2)`, at most [`EQUAL_PSNR_DB`].
///
/// # Units
/// decibels
/// # Panics
/// if the clips are empty or differ in their number or size of frames
#[track_caller]
pub fn psnr_db(a: &[Frame], b: &[Frame]) -> f64 {
    check_alike(a, b);
    let squares: u64 = a.iter().zip(b).map(|(a, b)| sum_of_squares(&a.rgb, &b.rgb)).sum();
    psnr_of(squares as f64 / a.iter().map(|frame| frame.rgb.len()).sum::<usize>() as f64)
}

/// A place where two clips differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Index of the frame.
    pub frame: usize,
    /// Left edge of the block, in pixels.
    pub x: usize,
    /// Upper edge of the block, in pixels.
    pub y: usize,
    /// Peak signal-to-noise ratio in the block, in decibels.
    pub psnr_db: f64,
}

/// The `count` blocks in which two clips differ most, worst first; the earlier one where they are equal.
///
/// Blocks are squares of [`BLOCK_PX`], cut off at the right and lower edges.
///
/// # Panics
/// as [`psnr_db`]
#[track_caller]
pub fn worst_blocks(a: &[Frame], b: &[Frame], count: usize) -> Vec<Block> {
    check_alike(a, b);
    let mut blocks = Vec::new();
    for (idx, (a, b)) in a.iter().zip(b).enumerate() {
        for y in (0..a.height).step_by(BLOCK_PX) {
            for x in (0..a.width).step_by(BLOCK_PX) {
                let columns = BLOCK_PX.min(a.width - x);
                let rows = y..(y + BLOCK_PX).min(a.height);
                let n_values = rows.len() * columns * 3;
                let squares: u64 = rows
                    .map(|row| {
                        let at = (row * a.width + x) * 3;
                        let row = at..at + columns * 3;
                        sum_of_squares(&a.rgb[row.clone()], &b.rgb[row])
                    })
                    .sum();
                let psnr_db = psnr_of(squares as f64 / n_values as f64);
                blocks.push(Block { frame: idx, x, y, psnr_db });
            }
        }
    }
    blocks.sort_by(|a, b| a.psnr_db.total_cmp(&b.psnr_db));
    blocks.truncate(count);
    blocks
}

/// Mean absolute difference of each frame to the next, one value a pair.
///
/// # Units
/// levels of 255
/// # Panics
/// if the frames differ in size
#[track_caller]
pub fn steps(frames: &[Frame]) -> Vec<f64> {
    frames
        .windows(2)
        .map(|pair| {
            check_alike(&pair[..1], &pair[1..]);
            let (a, b) = (&pair[0].rgb, &pair[1].rgb);
            let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
            sum as f64 / a.len() as f64
        })
        .collect()
}

/// Motion of a clip: the mean of its [`steps`]; 0 for a single frame.
///
/// # Units
/// levels of 255
/// # Panics
/// if the frames differ in size
#[track_caller]
pub fn motion(frames: &[Frame]) -> f64 {
    mean(&steps(frames))
}

/// Motion of a clip over that of the real one: 0 if it stands still, 1 if it moves as much, none if the real one does
/// not move either.
///
/// # Panics
/// if the frames of a clip differ in size
#[track_caller]
pub fn motion_ratio(generated: &[Frame], real: &[Frame]) -> Option<f64> {
    let real = motion(real);
    (real > 0.0).then(|| motion(generated) / real)
}

/// Where a clip is frozen: pairs (`idx`, `idx + 1`) of frames below [`STILL_LEVELS`] where the real clip is above
/// [`MOVING_LEVELS`].
///
/// # Panics
/// if the frames of a clip differ in size
#[track_caller]
pub fn frozen_pairs(generated: &[Frame], real: &[Frame]) -> Vec<usize> {
    let pairs = steps(generated).into_iter().zip(steps(real)).enumerate();
    pairs
        .filter(|&(_, (generated, real))| generated < STILL_LEVELS && real > MOVING_LEVELS)
        .map(|(idx, _)| idx)
        .collect()
}

/// The middle 95 % of what a figure would be over other samples of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The 95 % interval of `statistic` over `n` samples, by drawing [`RESAMPLES`] times `n` of them with replacement.
///
/// `statistic` is given the indices drawn. The interval is the same for the same seed, on every machine. It has no width
/// where all samples are equal, and is too narrow below some twenty samples.
///
/// # Panics
/// if `n` is 0
/// # Source
/// Efron, "Bootstrap methods: another look at the jackknife" (1979); the percentile interval
#[track_caller]
pub fn bootstrap(seed: u64, n: usize, statistic: &mut dyn FnMut(&[usize]) -> f64) -> Interval {
    assert!(n > 0, "an interval needs samples");
    let mut random = Random::new(seed, "bootstrap");
    let mut drawn = vec![0; n];
    let mut figures: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.fill_with(|| random.below(n));
            statistic(&drawn)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let cut = RESAMPLES / 40;
    Interval { low: figures[cut], high: figures[RESAMPLES - 1 - cut] }
}

/// Share of predictions that equal the label; 0 if there are none.
///
/// # Panics
/// if there are not as many labels as predictions
#[track_caller]
pub fn accuracy(predicted: &[usize], labels: &[usize]) -> f64 {
    check_paired(predicted, labels);
    let hits = predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
    hits as f64 / predicted.len().max(1) as f64
}

/// Accuracy against the label of another sample, the mean over all others: what predictions score that know how often
/// each class occurs and nothing of their own sample. 0 if there are fewer than two samples.
///
/// # Panics
/// if there are not as many labels as predictions
#[track_caller]
pub fn chance(predicted: &[usize], labels: &[usize]) -> f64 {
    check_paired(predicted, labels);
    let n = predicted.len();
    let pairs = |skip: usize| {
        (0..n).filter(|&other| predicted[other] == labels[(other + skip) % n]).count()
    };
    let hits: usize = (1..n).map(pairs).sum();
    hits as f64 / (n * n.saturating_sub(1)).max(1) as f64
}

/// The mean; 0 of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn psnr_of(mean_square: f64) -> f64 {
    let db = 10.0 * (255.0 * 255.0 / mean_square).log10();
    db.min(EQUAL_PSNR_DB)
}

fn sum_of_squares(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
}

#[track_caller]
fn check_alike(a: &[Frame], b: &[Frame]) {
    assert!(!a.is_empty(), "a clip has at least one frame");
    assert_eq!(a.len(), b.len(), "the clips differ in length");
    for (a, b) in a.iter().zip(b) {
        assert_eq!([a.width, a.height], [b.width, b.height], "the frames differ in size");
    }
}

#[track_caller]
fn check_paired(predicted: &[usize], labels: &[usize]) {
    assert_eq!(predicted.len(), labels.len(), "predictions and labels differ in number");
}

#[cfg(test)]
mod tests;
