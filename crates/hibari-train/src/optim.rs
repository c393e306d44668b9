//! Parameters outside the model: value, moments and average of each, and the step that changes them.
//!
//! Muon on the hidden matrices and AdamW on the rest, both with 32-bit state; the arithmetic is in
//! `hibari_kernels::optimiser`.
//! Sources: Muon, arXiv 2502.16982, section 2 (one learning rate for both); AdamW, arXiv 1711.05101.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData, Transaction};
use hibari_kernels::optimiser::{self, AdamW, Muon};
use hibari_weights::{NamedTensor, module};
use rayon::prelude::*;

/// How a parameter is updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// By orthogonalised momentum; for matrices, and for kernels of convolutions as matrices to their last axis.
    Muon {
        /// What the parameter loses each step, in units of itself times the rate.
        weight_decay: f32,
    },
    /// By moments.
    AdamW {
        /// What the parameter loses each step, in units of itself times the rate.
        weight_decay: f32,
    },
    /// Not at all.
    Frozen,
}

/// AdamW's decays of the first and second moment; the second forgets faster than the usual 0.999.
const BETAS: [f32; 2] = [0.9, 0.95];
/// What keeps AdamW from dividing by zero.
const EPS: f32 = 1e-8;
/// Muon's momentum.
const MOMENTUM: f32 = 0.95;

/// One parameter and all that belongs to it. The vectors are as long as the shape says, or empty.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) rule: Rule,
    pub(crate) value: Vec<f32>,
    /// Mean of gradients; empty if frozen.
    pub(crate) first: Vec<f32>,
    /// Mean of squared gradients; for AdamW only.
    pub(crate) second: Vec<f32>,
    /// Exponential average of the value.
    pub(crate) average: Vec<f32>,
}

/// What all parameters have in common in one update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// Learning rate.
    pub(crate) rate: f32,
    /// What the gradients are multiplied by before use.
    pub(crate) grad_scale: f32,
    /// Updates before this one.
    pub(crate) updates: u64,
    /// The highest decay of the averages.
    pub(crate) ema_decay: f32,
}

/// All parameters, in the order of the model's fields.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Takes the values of a fresh model.
    ///
    /// # Panics
    /// if a parameter under [`Rule::Muon`] is not a matrix
    pub(crate) fn new<M: Module>(model: &M, rule: &mut dyn FnMut(&str, &[usize]) -> Rule) -> Self {
        let parameter = |NamedTensor { name, shape, values }: NamedTensor| {
            let rule = rule(&name, &shape);
            let zeros = |is_kept: bool| if is_kept { vec![0.0; values.len()] } else { Vec::new() };
            if let Rule::Muon { .. } = rule {
                assert!(shape.len() >= 2, "`{name}`, to be updated by Muon, is no matrix");
            }
            Parameter {
                first: zeros(rule != Rule::Frozen),
                second: zeros(matches!(rule, Rule::AdamW { .. })),
                average: values.clone(),
                value: values,
                name,
                shape,
                rule,
            }
        };
        Self(module::collect(model).into_iter().map(parameter).collect())
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Parameter> {
        self.0.iter_mut()
    }

    /// The model with the values, and with gradients for all that is not frozen.
    pub(crate) fn tracked<M: Module>(&self, model: &M) -> M {
        let valued = self.fill(model, |parameter| &parameter.value);
        valued.map(&mut Tracker { parameters: self.iter() }).train()
    }

    /// The model with the averages, without gradients.
    pub(crate) fn averaged<M: Module>(&self, model: &M) -> M {
        self.fill(model, |parameter| &parameter.average)
    }

    fn fill<M: Module>(&self, model: &M, values: impl Fn(&Parameter) -> &Vec<f32>) -> M {
        let mut parameters = self.iter();
        module::replace(model.clone(), &mut |name, _| {
            let parameter = parameters.next().expect("the model these parameters came from");
            assert_eq!(parameter.name, name, "order of parameters");
            Some(values(parameter).clone())
        })
    }

    /// Changes values, moments and averages by one step. `gradients` has an entry for each parameter; those without
    /// a gradient stay as they are.
    pub(crate) fn update(&mut self, gradients: &[Option<Vec<f32>>], update: Update) {
        assert_eq!(gradients.len(), self.0.len(), "number of gradients");
        let Update { rate, grad_scale, updates, ema_decay } = update;
        let decay = ema_decay.min((1.0 + updates as f32) / (10.0 + updates as f32));
        // Side by side: a step of a small matrix alone leaves threads without work.
        self.0.par_iter_mut().zip(gradients).for_each(|(parameter, grad)| {
            let Parameter { shape, rule, value, first, second, average, .. } = parameter;
            match (*rule, grad) {
                (Rule::Frozen, _) => return,
                (_, None) => {}
                (Rule::Muon { weight_decay }, Some(grad)) => {
                    let settings =
                        Muon { rate, momentum: MOMENTUM, nesterov: true, weight_decay, grad_scale };
                    let columns = shape[shape.len() - 1];
                    let dims = [value.len() / columns, columns];
                    optimiser::muon(value, grad, first, dims, settings);
                }
                (Rule::AdamW { weight_decay }, Some(grad)) => {
                    let step = updates + 1;
                    let settings =
                        AdamW { rate, betas: BETAS, eps: EPS, weight_decay, step, grad_scale };
                    optimiser::adamw(value, grad, first, second, settings);
                }
            }
            optimiser::ema(average, value, decay);
        });
    }
}

/// The gradient of each float parameter of the model, in the order of its fields; `None` where the loss does not
/// depend on it.
pub(crate) fn gradients<M: Module>(model: &M, grads: Gradients) -> Vec<Option<Vec<f32>>> {
    let mut reader = Reader { grads, found: Vec::new(), values: Transaction::default() };
    model.visit(&mut reader);
    // All are read at once: each read by itself would wait for the device.
    let mut values = reader.values.execute().into_iter();
    let vector = |data: TensorData| {
        data.convert::<f32>().try_into_vec::<f32>().expect("converted to 32-bit floats")
    };
    let found = reader.found.into_iter();
    found.map(|is_found| is_found.then(|| vector(values.next().expect("as many")))).collect()
}

/// The Euclidean norm of the whole gradient.
pub(crate) fn norm(gradients: &[Option<Vec<f32>>]) -> f64 {
    gradients.iter().flatten().map(|grad| optimiser::sum_of_squares(grad)).sum::<f64>().sqrt()
}

struct Tracker<'a> {
    parameters: std::slice::Iter<'a, Parameter>,
}

impl ModuleMapper for Tracker<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let parameter = self.parameters.next().expect("the model these parameters came from");
        param.set_require_grad(parameter.rule != Rule::Frozen)
    }
}

struct Reader {
    grads: Gradients,
    /// Whether each parameter has a gradient.
    found: Vec<bool>,
    values: Transaction,
}

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = param.val().grad_remove(&mut self.grads);
        self.found.push(grad.is_some());
        if let Some(grad) = grad {
            self.values = std::mem::take(&mut self.values).register(grad);
        }
    }
}
