//! The convolution on the CPU backend.

use burn::backend::Flex;

use super::ConvOps;

impl ConvOps for Flex {}
