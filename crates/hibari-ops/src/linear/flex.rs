//! The affine map on the CPU backend.

use burn::backend::Flex;

use super::LinearOps;

impl LinearOps for Flex {}
