//! What the CPU overrides of all operations share: reading and making Flex tensors.

use burn::backend::{Flex, tensor::FloatTensor};
use burn::tensor::{DType, Shape, TensorData};

/// A Flex float tensor.
pub(crate) type FlexTensor = FloatTensor<Flex>;

/// Whether all are f32, which is what the kernels take.
pub(crate) fn all_f32<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// The tensor itself if its values lie in row-major order, otherwise a copy that does.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The values of an f32 tensor that [`contiguous`] returned.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("the caller made it contiguous f32")
}

/// A tensor that owns `data`.
pub(crate) fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape.into()))
}
