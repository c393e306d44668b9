//! What is denoised, and how noisy each of its frames is.

use burn::tensor::Tensor;

/// Video latents on their way from noise to clean.
#[derive(Clone, Debug)]
pub struct Latent {
    /// `[B, C, f, h, w]`, unit variance when clean.
    pub video: Tensor<5>,
}

/// Noise levels of one model call, per latent frame: `z = (1 - sigma) * x + sigma * eps`.
#[derive(Clone, Debug)]
pub struct Sigma {
    /// `[B, f]`, 0 = clean, 1 = pure noise; what the arithmetic uses.
    pub video: Tensor<2>,
    /// `[B, f]`; what the network is told. Equal to `video` but for families whose training grid was truncated.
    pub time: Tensor<2>,
}
