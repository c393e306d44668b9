//! Tests of sampling: validity, independence, held-out combinations.

use super::*;
use crate::script::Attributes;

const FORM: ClipForm = ClipForm { width: 256, height: 144, fps: 12, frames: 48 };

/// Chi-square of independence of two labels, and its degrees of freedom.
/// Classes that never occur are left out.
fn chi_square(pairs: &[(usize, usize)], rows: usize, columns: usize) -> (f64, u32) {
    let mut seen = vec![vec![0.0_f64; columns]; rows];
    for &(row, column) in pairs {
        seen[row][column] += 1.0;
    }
    let total: f64 = seen.iter().flatten().sum();
    let of_row: Vec<f64> = seen.iter().map(|row| row.iter().sum()).collect();
    let of_column: Vec<f64> =
        (0..columns).map(|column| seen.iter().map(|row| row[column]).sum()).collect();
    let rows = of_row.iter().filter(|sum| **sum > 0.0).count();
    let columns = of_column.iter().filter(|sum| **sum > 0.0).count();
    let mut chi = 0.0;
    for (row, row_sum) in seen.iter().zip(&of_row) {
        for (n, column_sum) in row.iter().zip(&of_column) {
            let expected = row_sum * column_sum / total;
            if expected == 0.0 {
                continue;
            }
            chi += (n - expected).powi(2) / expected;
        }
    }
    (chi, u32::try_from((rows - 1) * (columns - 1)).unwrap())
}

/// Pairs of labels that are drawn independently. The action depends on the subject by nature, and a camera follows only
/// one who travels.
const INDEPENDENT: [(&str, &str); 17] = [
    ("place", "light"),
    ("place", "wet"),
    ("place", "subject"),
    ("place", "colour"),
    ("place", "action"),
    ("place", "camera"),
    ("light", "wet"),
    ("light", "subject"),
    ("light", "colour"),
    ("light", "action"),
    ("light", "camera"),
    ("wet", "subject"),
    ("wet", "colour"),
    ("wet", "action"),
    ("wet", "camera"),
    ("subject", "colour"),
    ("colour", "camera"),
];

/// More of them in the whole vocabulary: a boat needs the sea, and rain wets the ground, so these are left out where they
/// would show.
const INDEPENDENT_WHOLE: [(&str, &str); 14] = [
    ("place", "light"),
    ("place", "subject"),
    ("place", "colour"),
    ("place", "action"),
    ("place", "camera"),
    ("light", "wet"),
    ("light", "subject"),
    ("light", "colour"),
    ("light", "action"),
    ("light", "camera"),
    ("wet", "subject"),
    ("wet", "colour"),
    ("wet", "camera"),
    ("subject", "colour"),
];

fn joint(labels: &[[usize; 7]], a: &str, b: &str) -> (Vec<(usize, usize)>, usize, usize) {
    let label = |name: &str| Attributes::NAMES.iter().position(|known| *known == name).unwrap();
    let (row, column) = (label(a), label(b));
    let pairs = labels.iter().map(|labels| (labels[row], labels[column])).collect();
    (pairs, Attributes::classes(Mix::Whole)[row], Attributes::classes(Mix::Whole)[column])
}

#[test]
fn attributes_are_drawn_independently() {
    let nothing = PartialScript::default();
    let labels: Vec<[usize; 7]> = (0..50_000)
        .map(|seed| {
            attempt(Mix::First, seed, 0, Split::Train, FORM, &nothing).attributes().labels()
        })
        .collect();
    check_independence(&labels, &INDEPENDENT);
}

fn check_independence(labels: &[[usize; 7]], pairs: &[(&str, &str)]) {
    for (a, b) in pairs {
        let (pairs, rows, columns) = joint(labels, a, b);
        let (chi, degrees) = chi_square(&pairs, rows, columns);
        // Four standard deviations above the mean of the chi-square distribution.
        let bound = f64::from(degrees) + 4.0 * f64::from(2 * degrees).sqrt();
        assert!(chi < bound, "{a} and {b}: chi-square {chi:.1}, bound {bound:.1}");
    }
}

#[test]
fn attributes_of_the_whole_vocabulary_are_drawn_independently() {
    let nothing = PartialScript::default();
    let scripts: Vec<Script> = (0..50_000)
        .map(|seed| attempt(Mix::Whole, seed, 0, Split::Train, FORM, &nothing))
        .filter(|script| script.cast.iter().all(|member| member.subject != Subject::Boat))
        .collect();
    let labels: Vec<[usize; 7]> =
        scripts.iter().map(|script| script.attributes().labels()).collect();
    check_independence(&labels, &INDEPENDENT_WHOLE[..5]);
    // Under an open sky: elsewhere it never rains, so the ground is dry more often.
    let open: Vec<[usize; 7]> = scripts
        .iter()
        .filter(|script| script.shots[0].place.is_open())
        .map(|script| script.attributes().labels())
        .collect();
    check_independence(&open, &INDEPENDENT_WHOLE[5..]);
}

#[test]
fn scripts_of_the_whole_vocabulary_are_valid_in_every_split_and_hold_out_what_they_say() {
    for seed in 0..4_000 {
        for split in [Split::Train, Split::Combinatorial, Split::Outside] {
            let script = Script::sample_from(Mix::Whole, seed, split, FORM);
            script.validate().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(script.held_out().is_some(), split == Split::Combinatorial, "seed {seed}");
            assert_eq!(Script::from_json(&script.to_json()).unwrap(), script);
        }
    }
    let scripts = || (0..50_000).map(|s| Script::sample_from(Mix::Whole, s, Split::Train, FORM));
    assert!(scripts().all(|script| script.held_out().is_none()));
    let (mut subjects, mut actions) = ([0_u32; 16], [0_u32; 21]);
    for script in scripts().take(20_000) {
        for role in &script.shots[0].roles {
            subjects[script.cast[role.member].subject.index()] += 1;
            actions[role.action.index()] += 1;
        }
    }
    assert!(subjects.iter().chain(&actions).all(|n| *n > 100), "{subjects:?} {actions:?}");
}

#[test]
fn held_out_combinations_are_absent_and_couple_little_else() {
    let scripts: Vec<Script> =
        (0..50_000).map(|seed| Script::sample(seed, Split::Train, FORM)).collect();
    assert!(scripts.iter().all(|script| script.held_out().is_none()));
    let labels: Vec<[usize; 7]> =
        scripts.iter().map(|script| script.attributes().labels()).collect();
    for (a, b) in INDEPENDENT
        .into_iter()
        .filter(|pair| *pair != ("subject", "colour") && *pair != ("place", "action"))
    {
        let (pairs, rows, columns) = joint(&labels, a, b);
        let (chi, _) = chi_square(&pairs, rows, columns);
        let least = u32::try_from(rows.min(columns) - 1).unwrap();
        let cramers_v = (chi / (50_000.0 * f64::from(least))).sqrt();
        assert!(cramers_v < 0.1, "{a} and {b}: Cramer's V {cramers_v:.3}");
    }
}

#[test]
fn all_splits_are_valid_and_what_they_say() {
    for seed in 0..2_000 {
        for split in [Split::Train, Split::Combinatorial, Split::Outside] {
            let script = Script::sample(seed, split, FORM);
            script.validate().unwrap();
            assert_eq!(script, Script::sample(seed, split, FORM));
            assert_eq!(script.held_out().is_some(), split == Split::Combinatorial, "seed {seed}");
            assert_eq!(script.shots[0].roles[0].speed > 1.4, split == Split::Outside);
            assert_eq!(Script::from_json(&script.to_json()).unwrap(), script);
        }
    }
}

#[test]
fn every_class_occurs() {
    let mut counts: Vec<Vec<u32>> = Attributes::CLASSES.iter().map(|n| vec![0; *n]).collect();
    for seed in 0..5_000 {
        let labels = Script::sample(seed, Split::Train, FORM).attributes().labels();
        for (count, class) in counts.iter_mut().zip(labels) {
            count[class] += 1;
        }
    }
    for (name, count) in Attributes::NAMES.iter().zip(&counts) {
        assert!(count.iter().all(|n| *n > 50), "{name}: {count:?}");
    }
}
