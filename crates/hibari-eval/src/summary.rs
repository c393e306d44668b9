//! Figures beside their bars: one value, an aligned table for people and JSON for programs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measures::Interval;

/// What a figure counts; decides how it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Part of a whole, 0 to 1; printed in percent.
    Share,
    /// Decibels.
    Decibel,
    /// One quantity over another of its kind.
    Ratio,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// From the first to the second.
    Within(f64, f64),
}

/// Whether a figure reaches its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// There is no bar.
    NoBar,
}

/// One figure and what it is to be compared with. All numbers are in the figure's unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is measured.
    pub figure: String,
    /// How the numbers are printed.
    pub unit: Unit,
    /// The figure.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// What it must reach.
    pub bar: Option<Bar>,
    /// Number of samples.
    pub n: usize,
    /// The figure of real clips that went through the autoencoder and back: no generated one can be expected to do better.
    pub floor: Option<f64>,
    /// The figure of real clips.
    pub ceiling: Option<f64>,
    /// The figure of the same clips against other prompts.
    pub chance: Option<f64>,
}

impl Row {
    /// A figure with nothing to compare it with.
    pub fn new(figure: &str, unit: Unit, value: f64, n: usize) -> Self {
        let figure = figure.to_owned();
        let (interval, bar, floor, ceiling, chance) = (None, None, None, None, None);
        Self { figure, unit, value, interval, bar, n, floor, ceiling, chance }
    }

    /// Whether the value, not its interval, reaches the bar; what is not a number does not.
    pub fn verdict(&self) -> Verdict {
        let reached = match self.bar {
            None => return Verdict::NoBar,
            Some(Bar::AtLeast(bar)) => self.value >= bar,
            Some(Bar::AtMost(bar)) => self.value <= bar,
            Some(Bar::Within(low, high)) => (low..=high).contains(&self.value),
        };
        if reached { Verdict::Pass } else { Verdict::Fail }
    }

    /// The row's cells, in the order of [`HEADINGS`].
    fn cells(&self) -> [String; HEADINGS.len()] {
        let number = |value: f64| match self.unit {
            Unit::Share => format!("{:.1} %", 100.0 * value),
            Unit::Decibel => format!("{value:.2} dB"),
            Unit::Ratio => format!("{value:.3}"),
        };
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let interval = |Interval { low, high }| format!("{} to {}", number(low), number(high));
        let bar = |bar| match bar {
            Bar::AtLeast(bar) => format!(">= {}", number(bar)),
            Bar::AtMost(bar) => format!("<= {}", number(bar)),
            Bar::Within(low, high) => format!("{} to {}", number(low), number(high)),
        };
        let verdict = match self.verdict() {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::NoBar => "-",
        };
        [
            self.figure.clone(),
            number(self.value),
            self.interval.map_or_else(|| "-".to_owned(), interval),
            self.bar.map_or_else(|| "-".to_owned(), bar),
            verdict.to_owned(),
            self.n.to_string(),
            optional(self.floor),
            optional(self.ceiling),
            optional(self.chance),
        ]
    }
}

/// All figures of an evaluation. Its `Display` is the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The figures, in the order in which they are printed.
    pub rows: Vec<Row>,
}

/// What the columns of the table are called.
const HEADINGS: [&str; 9] =
    ["figure", "value", "95 % interval", "bar", "verdict", "n", "floor", "ceiling", "chance"];

impl Summary {
    /// Sets the bar of the figure of this name; whether there is one.
    pub fn set_bar(&mut self, figure: &str, bar: Bar) -> bool {
        let row = self.rows.iter_mut().find(|row| row.figure == figure);
        row.map(|row| row.bar = Some(bar)).is_some()
    }

    /// Fail if a figure fails, else pass if one passes.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.rows.iter().any(|row| row.verdict() == verdict);
        [Verdict::Fail, Verdict::Pass].into_iter().find(|v| any(*v)).unwrap_or(Verdict::NoBar)
    }

    /// Indented JSON. What is not a finite number becomes `null`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a summary holds only plain values")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
        for line in &lines {
            write!(f, "{:<width$}", line[0], width = widths[0])?;
            for (cell, width) in line.iter().zip(widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let colour = Row {
            interval: Some(Interval { low: 0.9, high: 0.9625 }),
            bar: Some(Bar::AtLeast(0.9)),
            floor: Some(0.97),
            ceiling: Some(1.0),
            chance: Some(0.1),
            ..Row::new("colour", Unit::Share, 0.9375, 512)
        };
        let motion = Row { bar: Some(Bar::AtMost(1.2)), ..Row::new("motion", Unit::Ratio, 1.5, 8) };
        Summary { rows: vec![colour, motion, Row::new("round trip", Unit::Decibel, 31.234, 16)] }
    }

    #[test]
    fn the_table_is_aligned() {
        let expected = "\
figure         value     95 % interval        bar  verdict    n   floor  ceiling  chance
colour        93.8 %  90.0 % to 96.2 %  >= 90.0 %     pass  512  97.0 %  100.0 %  10.0 %
motion         1.500                 -   <= 1.200     FAIL    8       -        -       -
round trip  31.23 dB                 -          -        -   16       -        -       -
";
        assert_eq!(summary().to_string(), expected);
    }

    #[test]
    fn json_is_read_back() {
        let json = summary().to_json();
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary());
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["rows"][0]["bar"]["at_least"], 0.9);
        assert_eq!(value["rows"][0]["unit"], "share");
    }

    #[test]
    fn one_failure_fails_all() {
        let mut summary = summary();
        assert_eq!(summary.verdict(), Verdict::Fail);
        assert!(summary.set_bar("motion", Bar::AtMost(1.5)), "a bar that is met exactly");
        assert_eq!(summary.verdict(), Verdict::Pass);
        assert!(!summary.set_bar("smell", Bar::AtLeast(0.0)));
        summary.rows[1].value = f64::NAN;
        assert_eq!(summary.verdict(), Verdict::Fail);
        assert_eq!(Summary::default().verdict(), Verdict::NoBar);
    }
}
