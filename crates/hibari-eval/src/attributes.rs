//! What prompts asked for against what the judge sees, with the comparisons that make the figures readable.
//!
//! Real clips give the ceiling (the judge's own mistakes), real clips through the autoencoder the floor (what its losses
//! cost), and generated clips against other prompts the chance. Motion and likeness are measured in the same pass, so
//! that no clip is made twice.

use hibari_media::Frame;
use hibari_world::{Attributes, Script};

use crate::judge::{Judge, LABELS};
use crate::measures::{accuracy, bootstrap, chance, frozen_pairs, mean, motion, psnr_db};
use crate::summary::{Row, Unit};
use crate::view::View;

/// Makes the frames of a clip of prompt `idx`, or fails.
pub type MakeClip<'a, E> = dyn FnMut(usize) -> Result<Vec<Frame>, E> + 'a;

/// Makes a clip of another, or fails.
pub type ChangeClip<'a, E> = dyn FnMut(&[Frame]) -> Result<Vec<Frame>, E> + 'a;

/// The clips to compare, made one at a time. Those of one prompt have the same number and size of frames.
pub struct Clips<'a, E> {
    /// The prompt, rendered.
    pub real: &'a mut MakeClip<'a, E>,
    /// Frames through the autoencoder and back.
    pub round_trip: &'a mut ChangeClip<'a, E>,
    /// The prompt, generated.
    pub generated: &'a mut MakeClip<'a, E>,
}

/// Evaluates the clips of `prompts`: one row for each label of [`Attributes::NAMES`], then
/// - `attributes`: the mean of those rows;
/// - `motion`: motion of all generated clips over that of all real ones;
/// - `frozen`: share of generated clips that stand still somewhere where the real one moves;
/// - `round trip`: likeness of real clips to what the autoencoder makes of them, the mean over clips.
///
/// Rows have no bar yet. `seed` is that of the intervals.
///
/// # Errors
/// the first error of a clip
/// # Panics
/// if there is no prompt, or the clips of one prompt differ in number or size of frames
#[track_caller]
pub fn evaluate<E>(
    judge: &Judge,
    prompts: &[Script],
    clips: Clips<'_, E>,
    seed: u64,
) -> Result<Vec<Row>, E> {
    assert!(!prompts.is_empty(), "an evaluation needs prompts");
    let mut views: [Vec<View>; 3] = Default::default();
    let (mut real_motion, mut motions) = (Vec::new(), Vec::new());
    let (mut frozen, mut likeness) = (Vec::new(), Vec::new());
    for idx in 0..prompts.len() {
        let real = (clips.real)(idx)?;
        let round_trip = (clips.round_trip)(&real)?;
        let generated = (clips.generated)(idx)?;
        assert_eq!(generated.len(), real.len(), "clips of prompt {idx} differ in length");
        real_motion.push(motion(&real));
        motions.push(motion(&generated));
        frozen.push(f64::from(u8::from(!frozen_pairs(&generated, &real).is_empty())));
        likeness.push(psnr_db(&round_trip, &real));
        for (views, frames) in views.iter_mut().zip([real, round_trip, generated]) {
            views.push(View::of_clip(&frames));
        }
    }

    let labels: Vec<_> = prompts.iter().map(|script| script.attributes().labels()).collect();
    let mut rows = label_rows(views.map(|views| judge.predict_all(&views)), &labels, seed);
    let n = prompts.len();
    let ratio = |drawn: &[usize]| {
        let of = |values: &[f64]| drawn.iter().map(|&idx| values[idx]).sum::<f64>();
        let real = of(&real_motion);
        if real > 0.0 { of(&motions) / real } else { 0.0 }
    };
    rows.push(Row {
        interval: Some(bootstrap(seed, n, &mut |drawn| ratio(drawn))),
        ceiling: Some(1.0),
        ..Row::new("motion", Unit::Ratio, ratio(&Vec::from_iter(0..n)), n)
    });
    rows.push(Row { ceiling: Some(0.0), ..mean_row("frozen", Unit::Share, &frozen, seed) });
    rows.push(mean_row("round trip", Unit::Decibel, &likeness, seed));
    Ok(rows)
}

/// Accuracy of each label, then the mean of all labels. `predicted` is that of real, round-trip and generated clips.
fn label_rows(
    predicted: [Vec<[usize; LABELS]>; 3],
    labels: &[[usize; LABELS]],
    seed: u64,
) -> Vec<Row> {
    let column = |rows: &[[usize; LABELS]], label: usize| -> Vec<usize> {
        rows.iter().map(|row| row[label]).collect()
    };
    let mut rows: Vec<Row> = (0..LABELS)
        .map(|label| {
            let asked = column(labels, label);
            let [real, round_trip, generated] = predicted.each_ref().map(|p| column(p, label));
            let is_hit = |(a, b): (&usize, &usize)| f64::from(u8::from(a == b));
            let hits: Vec<f64> = generated.iter().zip(&asked).map(is_hit).collect();
            Row {
                ceiling: Some(accuracy(&real, &asked)),
                floor: Some(accuracy(&round_trip, &asked)),
                chance: Some(chance(&generated, &asked)),
                ..mean_row(Attributes::NAMES[label], Unit::Share, &hits, seed)
            }
        })
        .collect();
    let share =
        |(predicted, asked): (&[usize; LABELS], &[usize; LABELS])| accuracy(predicted, asked);
    let shares: Vec<f64> = predicted[2].iter().zip(labels).map(share).collect();
    let mean_of = |figure: fn(&Row) -> Option<f64>| {
        Some(mean(&rows.iter().filter_map(figure).collect::<Vec<_>>()))
    };
    let attributes = Row {
        ceiling: mean_of(|row| row.ceiling),
        floor: mean_of(|row| row.floor),
        chance: mean_of(|row| row.chance),
        ..mean_row("attributes", Unit::Share, &shares, seed)
    };
    rows.push(attributes);
    rows
}

/// The mean of `values` and its interval.
fn mean_row(figure: &str, unit: Unit, values: &[f64], seed: u64) -> Row {
    let interval = bootstrap(seed, values.len(), &mut |drawn| {
        drawn.iter().map(|&idx| values[idx]).sum::<f64>() / drawn.len() as f64
    });
    Row { interval: Some(interval), ..Row::new(figure, unit, mean(values), values.len()) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn::tensor::Device;
    use hibari_world::{ClipForm, Mix, Split};

    use super::*;

    fn prompts(n: u64) -> Vec<Script> {
        let form = ClipForm { width: 48, height: 32, fps: 12, frames: 4 };
        (0..n).map(|seed| Script::sample(seed, Split::Train, form)).collect()
    }

    fn rising(idx: usize, step: u8) -> Vec<Frame> {
        let level = |frame: u8| u8::try_from(idx).unwrap() + frame * step;
        (0..4).map(|frame| Frame::filled(48, 32, [level(frame); 3])).collect()
    }

    #[test]
    fn predictions_of_known_quality_give_known_rows() {
        let labels: Vec<_> = prompts(40).iter().map(|s| s.attributes().labels()).collect();
        let mut half = labels.clone();
        for wrong in &mut half[..20] {
            wrong[4] = (wrong[4] + 1) % Attributes::CLASSES[4];
        }
        let zero = vec![[0; LABELS]; 40];
        let rows = label_rows([labels.clone(), half.clone(), half], &labels, 1);
        assert_eq!(rows.len(), LABELS + 1);
        let colour = &rows[4];
        assert_eq!((colour.figure.as_str(), colour.value, colour.n), ("colour", 0.5, 40));
        assert_eq!((colour.ceiling, colour.floor), (Some(1.0), Some(0.5)));
        let interval = colour.interval.unwrap();
        assert!(0.3 < interval.low && interval.high < 0.7, "{interval:?}");
        assert!((rows[LABELS].value - 6.5 / 7.0).abs() < 1e-12);

        // A judge that sees nothing scores its chance.
        let rows = label_rows([zero.clone(), zero.clone(), zero], &labels, 1);
        for row in rows {
            assert!((row.value - row.chance.unwrap()).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn one_pass_over_the_clips_measures_all() {
        let judge = Judge::new(Mix::First, 1, &Device::default());
        let clips = Clips::<'_, Infallible> {
            real: &mut |idx| Ok(rising(idx, 4)),
            round_trip: &mut |frames| Ok(frames.to_vec()),
            generated: &mut |idx| Ok(rising(idx, if idx == 0 { 0 } else { 2 })),
        };
        let Ok(rows) = evaluate(&judge, &prompts(4), clips, 1);
        let figures: Vec<_> = rows.iter().map(|row| row.figure.as_str()).collect();
        assert_eq!(figures[..LABELS], Attributes::NAMES);
        assert_eq!(figures[LABELS..], ["attributes", "motion", "frozen", "round trip"]);
        // Three of four clips move half as much.
        assert_eq!((rows[8].value, rows[9].value, rows[10].value), (0.375, 0.25, 100.0));
    }

    #[test]
    fn the_first_error_ends_it() {
        let judge = Judge::new(Mix::First, 1, &Device::default());
        let clips = Clips {
            real: &mut |idx| Ok(rising(idx, 1)),
            round_trip: &mut |frames| Ok(frames.to_vec()),
            generated: &mut |idx| if idx < 2 { Ok(rising(idx, 1)) } else { Err(idx) },
        };
        assert_eq!(evaluate(&judge, &prompts(4), clips, 1), Err(2));
    }
}
