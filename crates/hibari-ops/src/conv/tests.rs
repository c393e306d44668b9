//! Convolution tests.
