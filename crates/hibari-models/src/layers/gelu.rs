//! The Gaussian error linear unit in its exact form, as a loop that compilers vectorise.
//!
//! Burn's calls the scalar `erf` of libm, which takes longer than all matrix products of the encoder.

use burn::tensor::{Tensor, TensorData};

/// `x * (1 + erf(x / sqrt 2)) / 2`, element by element, to within 1e-6 of `max(1, |x|)`.
///
/// # Shapes
/// any; returned unchanged
/// # Source
/// Hendrycks and Gimpel, "Gaussian error linear units" (arXiv:1606.08415)
pub(crate) fn gelu(x: Tensor<2>) -> Tensor<2> {
    let (dims, device) = (x.dims(), x.device());
    let mut values = x.into_data().try_into_vec::<f32>().expect("computed in 32-bit floats");
    for value in &mut values {
        *value *= 0.5 + 0.5 * erf(*value * std::f32::consts::FRAC_1_SQRT_2);
    }
    Tensor::from_data(TensorData::new(values, dims), &device)
}

/// The error function to within 5e-7: a quotient of polynomials on [-4, 4], beyond which it is 1 in 32 bits.
///
/// Source: Eigen, `generic_fast_erf_float`
fn erf(x: f32) -> f32 {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_4e-2,
    ];
    const DENOMINATOR: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_3e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let horner = |sum: f32, coefficient: &f32| sum * square + coefficient;
    x * NUMERATOR.iter().fold(0.0, horner) / DENOMINATOR.iter().fold(0.0, horner)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData, activation};

    #[test]
    fn agrees_with_the_error_function_of_libm() {
        let values: Vec<f32> = (-9_000..=9_000_i16).map(|i| f32::from(i) * 1e-3).collect();
        let shape = [1, values.len()];
        let x = Tensor::<2>::from_data(TensorData::new(values.clone(), shape), &Device::default());
        let read = |y: Tensor<2>| y.into_data().try_into_vec::<f32>().unwrap();
        let (found, expected) = (read(super::gelu(x.clone())), read(activation::gelu(x)));
        for ((x, found), expected) in values.iter().zip(found).zip(expected) {
            let bound = 1e-6 * x.abs().max(1.0);
            assert!((found - expected).abs() <= bound, "gelu({x}) is {found}, not {expected}");
        }
    }
}
