//! Measures of pictures and samples whose figures are known.

use super::*;

fn clip(levels: &[u8]) -> Vec<Frame> {
    levels.iter().map(|&level| Frame::filled(40, 24, [level; 3])).collect()
}

#[test]
fn psnr_has_its_closed_form() {
    for (a, b, expected) in [
        (clip(&[10, 10]), clip(&[10, 10]), EQUAL_PSNR_DB),
        (clip(&[0]), clip(&[255]), 0.0),
        // Mean square (1 + 25) / 2 = 13.
        (clip(&[7, 100]), clip(&[8, 95]), 10.0 * (65_025.0_f64 / 13.0).log10()),
    ] {
        assert!((psnr_db(&a, &b) - expected).abs() < 1e-12, "{}", psnr_db(&a, &b));
    }
}

#[test]
fn the_worst_blocks_come_first() {
    let a = clip(&[50, 50]);
    let mut b = a.clone();
    b[1].paste(&Frame::filled(1, 1, [250; 3]), 33, 20);
    b[0].paste(&Frame::filled(1, 1, [90; 3]), 2, 15);
    let worst = worst_blocks(&a, &b, 3);
    let places: Vec<_> = worst.iter().map(|block| (block.frame, block.x, block.y)).collect();
    assert_eq!(places, [(1, 32, 16), (0, 0, 0), (0, 16, 0)]);
    // The block at the corner is 8 by 8: one of its 64 pixels is off by 200.
    let corner = 10.0 * (255.0 * 255.0 * 64.0 / 40_000.0_f64).log10();
    assert!((worst[0].psnr_db - corner).abs() < 1e-12, "{worst:?}");
    assert_eq!(worst[2].psnr_db, EQUAL_PSNR_DB);
    assert_eq!(worst_blocks(&a, &b, 100).len(), 12, "two frames of 3 by 2 blocks");
}

#[test]
fn motion_is_relative_to_the_real_clip() {
    let real = clip(&[10, 14, 20]);
    assert_eq!(steps(&real), [4.0, 6.0]);
    assert_eq!(motion(&real), 5.0);
    assert_eq!(motion(&real[..1]), 0.0);
    assert_eq!(motion_ratio(&clip(&[0, 1, 2]), &real), Some(0.2));
    assert_eq!(motion_ratio(&real, &clip(&[3, 3, 3])), None);
}

#[test]
fn only_pairs_that_should_move_are_frozen() {
    let real = clip(&[10, 10, 20, 30, 40]);
    let generated = clip(&[5, 5, 5, 15, 15]);
    assert_eq!(frozen_pairs(&generated, &real), [1, 3]);
    assert!(frozen_pairs(&real, &real).is_empty());
}

#[test]
fn intervals_hold_the_true_mean_as_often_as_they_say() {
    let p = 0.7;
    let covered = (0..200_u64)
        .filter(|&seed| {
            let mut random = Random::new(seed, "samples");
            let hits: Vec<f64> =
                (0..100).map(|_| f64::from(u8::from(random.chance(p as f32)))).collect();
            let interval = bootstrap(seed, hits.len(), &mut |drawn| {
                drawn.iter().map(|&idx| hits[idx]).sum::<f64>() / drawn.len() as f64
            });
            (interval.low..=interval.high).contains(&p)
        })
        .count();
    // 95 % of 200 is 190; three standard deviations are 9, and the percentile interval is a little narrow.
    assert!((178..=199).contains(&covered), "{covered} of 200");
}

#[test]
fn an_interval_is_the_same_for_the_same_seed() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    let interval =
        |seed| bootstrap(seed, 5, &mut |drawn| drawn.iter().map(|&idx| values[idx]).sum());
    assert_eq!(interval(1), interval(1));
    let Interval { low, high } = interval(1);
    assert!((5.0..31.0).contains(&low) && (31.0..=80.0).contains(&high), "{low} to {high}");
    let equal = bootstrap(1, 5, &mut |_| 3.0);
    assert_eq!([equal.low, equal.high], [3.0, 3.0]);
}

#[test]
fn chance_is_one_of_k_for_labels_of_other_samples() {
    for k in [2, 6, 11] {
        let mut random = Random::new(3, "labels");
        let labels: Vec<usize> = (0..600).map(|_| random.below(k)).collect();
        assert_eq!(accuracy(&labels, &labels), 1.0);
        let chance = chance(&labels, &labels);
        assert!((chance - 1.0 / k as f64).abs() < 0.01, "{chance} for {k} classes");
    }
    // Of the six ways to give a sample another's label, (0, 1), (1, 0) and the two of the zeros: [0, 0, 1].
    assert_eq!(chance(&[0, 0, 1], &[0, 0, 1]), 2.0 / 6.0);
    assert_eq!((chance(&[1], &[1]), accuracy(&[], &[])), (0.0, 0.0));
}
