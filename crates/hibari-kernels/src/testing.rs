//! What the tests of several kernels share: seeded values and the relative error.

/// Error bound for bf16 operands, as `||out - reference|| / ||reference||`.
pub(crate) const BF16_BOUND: f64 = 4e-3;

/// `len` values in -1..1 that depend on the seed only (splitmix64).
pub(crate) fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Asserts that `out` is within `bound` of `reference`; NaN fails.
#[track_caller]
pub(crate) fn assert_close(what: &str, out: &[f32], reference: &[f64], bound: f64) {
    assert_eq!(out.len(), reference.len(), "{what}");
    let difference: f64 =
        out.iter().zip(reference).map(|(&out, &r)| (f64::from(out) - r).powi(2)).sum();
    let norm: f64 = reference.iter().map(|r| r * r).sum();
    let error = (difference / norm.max(1e-30)).sqrt();
    assert!(error <= bound, "{what}: relative error {error:.2e} above {bound:.0e}");
}

/// Runs `f` on pools of one and two threads and asserts that the results have the same bits.
#[track_caller]
pub(crate) fn assert_same_at_any_thread_count(what: &str, f: impl Fn() -> Vec<f32> + Sync) {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(&f).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3), "{what} depends on the thread count");
}
