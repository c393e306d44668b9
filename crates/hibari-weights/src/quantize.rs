//! Storage below 32 bits: bfloat16, and int8 with one scale for each output channel.
//!
//! Storage only: everything is 32-bit floats again once read. Small tensors (biases, gains) stay 32-bit.

use crate::index::SCALE_SUFFIX;
use crate::module::NamedTensor;
use crate::write::{Dtype, StoredTensor};

/// How the large tensors of a file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    F32,
    /// Half the size; relative error up to 2^-9.
    Bf16,
    /// A quarter of the size; error up to 1/254 of the largest value along the axis.
    Int8,
}

/// Tensors with fewer axes than this are stored as 32-bit floats whatever is asked.
const MIN_AXES: usize = 2;

/// The nearest bfloat16, ties to even.
pub fn bf16_from_f32(values: &[f32]) -> Vec<half::bf16> {
    values.iter().map(|&v| half::bf16::from_f32(v)).collect()
}

/// Exact.
pub fn f32_from_bf16(values: &[half::bf16]) -> Vec<f32> {
    values.iter().map(|v| v.to_f32()).collect()
}

/// The value of an 8-bit float `F8_E4M3`: bias 7, subnormal below 2^-6, largest 448, `0x7f` and `0xff` not a number.
///
/// # Source
/// Micikevicius et al. 2022, "FP8 formats for deep learning", table 1
pub fn f32_from_f8_e4m3(byte: u8) -> f32 {
    let exponent = i32::from(byte >> 3 & 0xf);
    let mantissa = f32::from(byte & 0x7);
    let magnitude = match (exponent, byte & 0x7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 8.0 * 2.0_f32.powi(-6),
        _ => (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The tensors in their storage: those with at least two axes as `storage`, the others as 32-bit floats.
///
/// Int8 has one scale for each entry of the last axis, the output channel of weights `[K, N]` and of convolution
/// kernels `[kh, kw, Cin, Cout]`. Tables that are looked up by row want [`int8_rows`].
pub fn store(tensors: &[NamedTensor], storage: Storage) -> Vec<StoredTensor> {
    let mut stored = Vec::with_capacity(tensors.len());
    for NamedTensor { name, shape, values } in tensors {
        match storage {
            _ if shape.len() < MIN_AXES => stored.push(StoredTensor::from_f32(name, shape, values)),
            Storage::F32 => stored.push(StoredTensor::from_f32(name, shape, values)),
            Storage::Bf16 => stored.push(bf16(name, shape, values)),
            Storage::Int8 => stored.extend(int8(name, shape, values, shape.len() - 1)),
        }
    }
    stored
}

/// The tensor as bfloat16.
pub fn bf16(name: &str, shape: &[usize], values: &[f32]) -> StoredTensor {
    let bytes = values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect();
    StoredTensor { name: name.to_owned(), dtype: Dtype::Bf16, shape: shape.to_vec(), bytes }
}

/// The tensor as int8 with one scale for each row, for tables that are looked up by their first axis.
pub fn int8_rows(name: &str, shape: &[usize], values: &[f32]) -> [StoredTensor; 2] {
    int8(name, shape, values, 0)
}

/// The tensor as int8 with one scale for each entry of `axis`, and those scales: `max |v| / 127`.
///
/// # Panics
/// if the values do not fill the shape, or it lacks the axis
#[track_caller]
pub fn int8(name: &str, shape: &[usize], values: &[f32], axis: usize) -> [StoredTensor; 2] {
    assert_eq!(
        values.len(),
        shape.iter().product::<usize>(),
        "values of `{name}` against shape {shape:?}"
    );
    let inner: usize = shape[axis + 1..].iter().product();
    let channels = shape[axis];
    let channel_of = |i: usize| (i / inner) % channels;
    let mut scales = vec![0.0_f32; channels];
    for (i, v) in values.iter().enumerate() {
        let scale = &mut scales[channel_of(i)];
        *scale = scale.max(v.abs() / 127.0);
    }
    let bytes = values
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let scale = scales[channel_of(i)];
            let level =
                if scale > 0.0 { (v / scale).round_ties_even().clamp(-127.0, 127.0) } else { 0.0 };
            (level as i8).to_le_bytes()[0]
        })
        .collect();
    let mut scale_shape = vec![1; shape.len()];
    scale_shape[axis] = channels;
    [
        StoredTensor { name: name.to_owned(), dtype: Dtype::I8, shape: shape.to_vec(), bytes },
        StoredTensor::from_f32(&format!("{name}{SCALE_SUFFIX}"), &scale_shape, &scales),
    ]
}

/// `level * scale`, where the scales' shape is the tensor's with every axis but one set to 1; else `None`.
pub(crate) fn dequantize_int8(
    levels: &[i8],
    shape: &[usize],
    scales: &[f32],
    scale_shape: &[usize],
) -> Option<Vec<f32>> {
    if scale_shape.len() != shape.len() {
        return None;
    }
    let axis = scale_shape.iter().position(|&n| n != 1).unwrap_or(shape.len().checked_sub(1)?);
    let fits = |(i, (&s, &n)): (usize, (&usize, &usize))| s == if i == axis { n } else { 1 };
    if scales.is_empty() || !scale_shape.iter().zip(shape).enumerate().all(fits) {
        return None;
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let mut values = Vec::with_capacity(levels.len());
    if inner == 1 {
        for row in levels.chunks_exact(scales.len()) {
            values.extend(row.iter().zip(scales).map(|(&level, scale)| f32::from(level) * scale));
        }
    } else {
        for (block, scale) in levels.chunks_exact(inner).zip(scales.iter().cycle()) {
            values.extend(block.iter().map(|&level| f32::from(level) * scale));
        }
    }
    Some(values)
}
