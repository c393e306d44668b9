//! How parameters begin, by their names.

use burn::module::Module;
use hibari_weights::module::replace;

/// The module with fresh parameters: vectors named `..gain` are one and other vectors zero; weights are normal with
/// variance `gain(name)^2 / fan_in`, where the fan-in counts all axes but the last.
///
/// `normals(name, n)` gives `n` standard normal numbers, the same ones for the same name.
pub fn initialise<M: Module>(
    module: M,
    gain: &dyn Fn(&str) -> f32,
    normals: &mut dyn FnMut(&str, usize) -> Vec<f32>,
) -> M {
    replace(module, &mut |name, shape| {
        let n: usize = shape.iter().product();
        if shape.len() < 2 {
            return Some(vec![if name.ends_with("gain") { 1.0 } else { 0.0 }; n]);
        }
        let fan_in: usize = shape[..shape.len() - 1].iter().product();
        let std = gain(name) / (fan_in as f32).sqrt();
        if std == 0.0 {
            return Some(vec![0.0; n]);
        }
        Some(normals(name, n).into_iter().map(|value| value * std).collect())
    })
}
