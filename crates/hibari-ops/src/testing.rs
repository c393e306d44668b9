//! What the tests of several operations share.

use burn::tensor::{Device, Tensor, TensorData};

/// A tensor of seeded values in -1..1 (splitmix64).
pub(crate) fn random<const D: usize>(seed: u64, dims: [usize; D], device: &Device) -> Tensor<D> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let data: Vec<f32> = (0..dims.iter().product()).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(data, dims), device)
}

/// Asserts that `||out - reference|| / ||reference||` is at most `bound`; NaN fails.
#[track_caller]
pub(crate) fn assert_close<const D: usize>(
    what: &str,
    out: Tensor<D>,
    reference: Tensor<D>,
    bound: f64,
) {
    assert_eq!(out.dims(), reference.dims(), "{what}");
    let out = out.into_data().try_to_vec::<f32>().unwrap();
    let reference = reference.into_data().try_to_vec::<f32>().unwrap();
    let pairs = || out.iter().zip(&reference).map(|(&o, &r)| (f64::from(o), f64::from(r)));
    let difference: f64 = pairs().map(|(o, r)| (o - r).powi(2)).sum();
    let norm: f64 = pairs().map(|(_, r)| r * r).sum();
    let error = (difference / norm.max(1e-30)).sqrt();
    assert!(error <= bound, "{what}: relative error {error:.2e} above {bound:.0e}");
}
