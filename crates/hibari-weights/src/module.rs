//! Moves the parameters of a Burn module in and out, by dotted path: `blocks.3.attention.query.weight`.
//!
//! Floats only; integer and boolean parameters are left alone. Order is the module's own, field by field.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::error::{WeightsError, compare};

/// A parameter, out of any framework.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Dotted path of field names and indices.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Every float parameter of the module, in the order of its fields.
pub fn collect<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut collector = Collector { path: Vec::new(), tensors: Vec::new() };
    module.visit(&mut collector);
    collector.tensors
}

/// The names and shapes of the float parameters, without their values.
pub fn layout<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut layout = Layout { path: Vec::new(), entries: Vec::new() };
    module.visit(&mut layout);
    layout.entries
}

/// The module with all its float parameters replaced, in their devices and gradient settings.
///
/// # Errors
/// [`WeightsError::Mismatch`] with every missing, unknown, doubled and misshapen name
pub fn load<M: Module>(module: M, tensors: Vec<NamedTensor>) -> Result<M, WeightsError> {
    // A tensor whose values do not fill its shape is reported as what it is, a list of that many values.
    let shapes: Vec<Vec<usize>> = tensors
        .iter()
        .map(|tensor| {
            let is_full = tensor.values.len() == tensor.shape.iter().product::<usize>();
            if is_full { tensor.shape.clone() } else { vec![tensor.values.len()] }
        })
        .collect();
    let mut found = BTreeMap::new();
    let mut doubled = Vec::new();
    for (tensor, shape) in tensors.iter().zip(&shapes) {
        if found.insert(tensor.name.as_str(), shape.as_slice()).is_some() {
            doubled.push(tensor.name.clone());
        }
    }
    compare(&layout(&module), &found, doubled)?;
    let mut values: BTreeMap<String, Vec<f32>> =
        tensors.into_iter().map(|tensor| (tensor.name, tensor.values)).collect();
    Ok(replace(module, &mut |name, _| values.remove(name)))
}

/// The new values of the parameter of this name and shape, or nothing to keep the old ones.
pub type NewValues<'a> = dyn FnMut(&str, &[usize]) -> Option<Vec<f32>> + 'a;

/// The module with each float parameter replaced by `new(name, shape)`, or kept where that is `None`.
///
/// # Panics
/// if the new values do not fill the shape
#[track_caller]
pub fn replace<M: Module>(module: M, new: &mut NewValues<'_>) -> M {
    module.map(&mut Replacer { path: Vec::new(), new })
}

struct Collector {
    path: Vec<String>,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let values = tensor
            .into_data()
            .convert::<f32>()
            .try_into_vec::<f32>()
            .expect("converted to 32-bit floats");
        self.tensors.push(NamedTensor { name: self.path.join("."), shape, values });
    }
}

struct Layout {
    path: Vec<String>,
    entries: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Layout {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.entries.push((self.path.join("."), param.lazy_shape().to_vec()));
    }
}

struct Replacer<'a> {
    path: Vec<String>,
    new: &'a mut NewValues<'a>,
}

impl ModuleMapper for Replacer<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape = param.lazy_shape().to_vec();
        let Some(values) = (self.new)(&name, &shape) else { return param };
        assert_eq!(
            values.len(),
            shape.iter().product::<usize>(),
            "values of `{name}` against shape {shape:?}"
        );
        let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

#[cfg(test)]
mod tests;
