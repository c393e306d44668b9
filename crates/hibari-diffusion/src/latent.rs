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
    /// `[B, f]`; what the network is told, in its own unit: the levels, or 0 to 1000 for models trained on such times.
    pub time: Tensor<2>,
}

impl Sigma {
    /// The clean estimate of a network that answers with the velocity `eps - x`: `z - sigma * velocity`.
    ///
    /// # Shapes
    /// - `z`, `velocity`: `[B, C, f, h, w]`; the result alike
    pub fn clean_from_velocity(&self, z: Tensor<5>, velocity: Tensor<5>) -> Tensor<5> {
        let [batch, n_frames] = self.video.dims();
        z - velocity * self.video.clone().reshape([batch, 1, n_frames, 1, 1])
    }
}
