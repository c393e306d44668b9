//! `loss.svg`: the loss of each step as points, their running mean as a line, over a logarithmic axis.

use std::error::Error as StdError;
use std::path::Path;

use plotters::prelude::*;

use crate::error::Error;
use crate::log::write_aside;

/// The file's name in the folder of the run.
pub const FILE_NAME: &str = "loss.svg";

/// Width and height, in pixels.
const SIZE: (u32, u32) = (960, 540);
/// At most so many points are drawn, evenly chosen.
const MAX_POINTS: usize = 2000;
/// The running mean spans this part of the steps.
const SMOOTHED_SHARE: f64 = 0.02;

/// Draws the curve of `(step, loss)` into a file. Nothing is written while no loss is above zero.
///
/// # Errors
/// if the file cannot be written
pub fn draw(path: &Path, title: &str, losses: &[(u64, f32)]) -> Result<(), Error> {
    let logs: Vec<(f64, f64)> = losses
        .iter()
        .filter(|(_, loss)| loss.is_finite() && *loss > 0.0)
        .map(|&(step, loss)| (step as f64, f64::from(loss).log10()))
        .collect();
    if logs.is_empty() {
        return Ok(());
    }
    let mut svg = String::new();
    draw_logs(&mut svg, title, &logs)
        .map_err(|error| Error::Curve { message: error.to_string() })?;
    write_aside(path, svg.as_bytes())
}

/// Draws `(step, log10 loss)`.
fn draw_logs(svg: &mut String, title: &str, logs: &[(f64, f64)]) -> Result<(), Box<dyn StdError>> {
    let smooth = smoothed(logs);
    let every = logs.len().div_ceil(MAX_POINTS);
    let thinned = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        let last = points.len() - 1;
        let kept = |&(i, _): &(usize, _)| i % every == 0 || i == last;
        points.iter().copied().enumerate().filter(kept).map(|(_, point)| point).collect()
    };
    let (low, high) = bounds(logs);
    let (first, last) = (logs[0].0, logs[logs.len() - 1].0);

    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(first..last.max(first + 1.0), low..high)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("step")
        .y_desc("loss (logarithmic)")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|log| significant(10f64.powf(*log)))
        .draw()?;
    let pale = RGBColor(120, 160, 210).mix(0.5).filled();
    chart.draw_series(thinned(logs).into_iter().map(|point| Circle::new(point, 1, pale)))?;
    let strong = RGBColor(20, 60, 130).stroke_width(2);
    chart.draw_series(LineSeries::new(thinned(&smooth), strong))?;
    root.present()?;
    Ok(())
}

/// The mean over a window around each point: narrow at the start, where losses fall fast, and cut off at the end.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (SMOOTHED_SHARE / 2.0 * points.len() as f64) as usize;
    let mut sums = vec![0.0];
    sums.extend(points.iter().scan(0.0, |sum, point| {
        *sum += point.1;
        Some(*sum)
    }));
    let mean = |(i, point): (usize, &(f64, f64))| {
        let before = reach.min(i);
        let after = before.min(points.len() - 1 - i);
        let sum = sums[i + after + 1] - sums[i - before];
        (point.0, sum / (before + 1 + after) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

/// The axis: all values, and a little air.
fn bounds(points: &[(f64, f64)]) -> (f64, f64) {
    let low = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let air = (0.05 * (high - low)).max(0.01);
    (low - air, high + air)
}

/// The number in three significant digits.
fn significant(value: f64) -> String {
    // A power of ten may come out a little low.
    let digits = 2 - (value.log10() + 1e-9).floor() as i32;
    if (0..=6).contains(&digits) {
        format!("{value:.*}", digits.unsigned_abs() as usize)
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_has_a_line_points_and_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let losses: Vec<(u64, f32)> =
            (0..5000).map(|s| (s, 2.0 / (1.0 + s as f32) + 0.01 * (s % 7) as f32)).collect();
        draw(&path, "toy", &losses).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("<polyline"), "the running mean");
        let points = svg.matches("<circle").count();
        assert!((1000..=MAX_POINTS + 1).contains(&points), "{points} points");
        for words in ["toy", "step", "loss (logarithmic)"] {
            let at = svg.find(&format!("\n{words}\n")).expect(words);
            assert!(svg[..at].rfind("<text").is_some(), "{words}");
        }
    }

    #[test]
    fn losses_that_have_no_logarithm_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        draw(&path, "none", &[(0, f32::NAN), (1, 0.0), (2, -1.0)]).unwrap();
        assert!(!path.exists());
        draw(&path, "one", &[(0, f32::NAN), (1, 0.5)]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().matches("<circle").count(), 1);
    }

    #[test]
    fn a_slope_smooths_to_itself_and_noise_to_its_mean() {
        let slope: Vec<(f64, f64)> = (0..500).map(|s| (f64::from(s), 3.0 * f64::from(s))).collect();
        assert_eq!(smoothed(&slope)[..495], slope[..495]);
        let noisy: Vec<(f64, f64)> =
            (0..10_000).map(|s| (f64::from(s), f64::from(s % 2))).collect();
        for i in [5_000, 9_999] {
            assert!((smoothed(&noisy)[i].1 - 0.5).abs() < 0.01);
        }
    }

    #[test]
    fn labels_have_three_digits() {
        let cases = [
            (0.0123, "0.0123"),
            (0.1 - 1e-15, "0.100"),
            (1.0, "1.00"),
            (152.0, "152"),
            (1e-7, "1.00e-7"),
        ];
        for (value, label) in cases {
            assert_eq!(significant(value), label);
        }
    }
}
