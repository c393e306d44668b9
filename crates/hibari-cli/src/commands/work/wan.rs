//! Wan in the sizes of its 1.3B model, with weights made up as they are asked for.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use hibari_models::ModelError;
use hibari_models::source::{Residency, TensorSource};
use hibari_models::wan::vae::{NamedTensor, Products, Vae, VaeConfig};
use hibari_models::wan::{Dit, DitConfig};

use super::{ramp, timed};

/// Weights of no meaning: matrices shrink with their inputs, so that values neither grow nor vanish.
struct MadeUp;

impl TensorSource for MadeUp {
    fn tensor(&self, _name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        Ok(made_up(shape))
    }
}

fn made_up(shape: &[usize]) -> Vec<f32> {
    let inputs = shape[1..].iter().product::<usize>();
    let mut values = ramp(shape.iter().product());
    let scale = if shape.len() > 1 { 1.0 / (inputs as f32).sqrt() } else { 0.1 };
    values.iter_mut().for_each(|value| *value *= scale);
    values
}

fn tensor<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(ramp(dims.iter().product()), dims), &Device::flex())
}

/// Seconds and floating-point operations of the velocity of latents `[f, h, w]`.
pub(super) fn velocity(
    [f, h, w]: [usize; 3],
    residency: Residency,
    runs: usize,
) -> (Vec<f64>, f64) {
    let config = DitConfig::t2v_1_3b();
    let source: Arc<dyn TensorSource> = Arc::new(MadeUp);
    let dit = Dit::load(&config, &Device::flex(), &source, residency).expect("all is made up");
    let context = dit.context(tensor([1, 512, config.text_width]), None);
    let latent = tensor([1, config.in_channels, f, h, w]);
    let seconds = timed(runs, || {
        let times = vec![875.0; f];
        drop(black_box(dit.velocity(latent.clone(), &times, &context).into_data()));
    });
    let (tokens, d) = ((f * h * w / 4) as f64, config.width() as f64);
    let products = 2.0 * tokens * (6.0 * d * d + 2.0 * d * config.ffn as f64);
    let attention = 4.0 * tokens * (tokens + 512.0) * d;
    (seconds, config.layers as f64 * (products + attention))
}

/// Seconds and floating-point operations of decoding 17 frames of 256x256.
pub(super) fn decode(runs: usize) -> (Vec<f64>, f64) {
    let config = VaeConfig::wan21();
    let named = |(name, shape): (String, Vec<usize>)| {
        let values = made_up(&shape);
        NamedTensor { name, shape, values }
    };
    let layout = Vae::new(config.clone(), &Device::flex()).layout();
    let tensors = layout.into_iter().map(named).collect();
    let vae = Vae::load(config, tensors, Products::Bf16, &Device::flex()).expect("all is made up");
    let latent = tensor([1, 16, 5, 32, 32]);
    let seconds = timed(runs, || {
        let go_on = &mut |_, _| ControlFlow::Continue(());
        vae.decode(latent.clone(), None, go_on, &mut |frame| {
            drop(black_box(frame.into_data()));
            ControlFlow::Continue(())
        });
    });
    (seconds, 8.44e6 * 17.0 * 256.0 * 256.0)
}
