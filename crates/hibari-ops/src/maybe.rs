//! Operands that an operation may go without.

use burn::backend::{Backend, Dispatch, ExtensionType, tensor::FloatTensor};
use burn::tensor::Tensor;

/// A tensor or none: an `Option` that crosses the dispatch to a backend, which `Option` itself does not.
#[derive(Clone, Debug, ExtensionType)]
pub enum Maybe<B: Backend> {
    /// No operand.
    Absent,
    /// The operand.
    Given(FloatTensor<B>),
}

impl<B: Backend> Maybe<B> {
    /// The operand, if there is one.
    pub fn given(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Given(tensor) => Some(tensor),
        }
    }

    pub(crate) fn as_ref(&self) -> Option<&FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Given(tensor) => Some(tensor),
        }
    }
}

/// The operand of a call.
pub(crate) fn operand<const D: usize>(tensor: Option<Tensor<D>>) -> Maybe<Dispatch> {
    tensor.map_or(Maybe::Absent, |tensor| Maybe::Given(tensor.into_dispatch()))
}
