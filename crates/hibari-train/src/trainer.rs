//! The one training loop: values into the model, loss, gradients, update, and what a run leaves in its folder.
//!
//! The folder holds the last checkpoints (`step-*.safetensors`), `log.jsonl`, `loss.svg`, and what the stage writes
//! when it looks at the averaged model. A run whose folder has a checkpoint goes on from there, and ends with the
//! same bits as a run that never stopped.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::Tensor;

use crate::checkpoint::{self, Identity, Position};
use crate::curve;
use crate::error::Error;
use crate::log::{Line, Log};
use crate::optim::{self, Parameters, Rule, Update};
use crate::progress::{Meter, Progress, eta};
use crate::schedule::{Length, Reached, Schedule};

/// A run ends with an error after so many skipped steps in a row.
pub const MAX_SKIPPED: u32 = 20;

/// What is trained, and on what: the loop knows nothing else of it.
pub trait Stage {
    /// The network. Its float parameters are trained; anything else in it stays as it is.
    type Model: Module;

    /// A fresh model, always the same one, on the plain device (without gradients).
    fn model(&self) -> Self::Model;

    /// The loss of one step, a function of the model and the step and of nothing else: all data and randomness are
    /// counted from `step`. Parameters track gradients; inputs may come from the plain device.
    fn loss(&mut self, model: &Self::Model, step: u64) -> StepLoss;

    /// How the parameter of this name and shape is updated.
    fn rule(&self, name: &str, shape: &[usize]) -> Rule;

    /// Looks at the averaged model after `step` steps: writes pictures into `folder`, gives figures for the log.
    /// Must not change later losses.
    ///
    /// # Errors
    /// [`Error::Stage`] where the look fails; it ends the run
    fn inspect(
        &mut self,
        averaged: &Self::Model,
        step: u64,
        folder: &Path,
    ) -> Result<Vec<(String, f64)>, Error>;

    /// The configuration: kept in the checkpoints; a run goes on only with the same one.
    fn config(&self) -> String;
}

/// The loss of one step.
#[derive(Debug)]
pub struct StepLoss {
    /// One number, from which gradients flow.
    pub loss: Tensor<1>,
    /// Its terms, for the log.
    pub parts: Vec<(&'static str, f32)>,
    /// How many items it was computed from.
    pub items: usize,
    /// Floating point operations of the step, backward pass included.
    pub flops: f64,
}

/// How to train. All of it may change when a run goes on, but the seed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long.
    pub length: Length,
    /// The learning rate.
    pub schedule: Schedule,
    /// The gradient is scaled down to this Euclidean norm if it is longer.
    pub clip: f32,
    /// Decay of the averaged model; less in the first steps, `(1 + step) / (10 + step)`.
    pub ema_decay: f32,
    /// Seconds between checkpoints.
    pub checkpoint_secs: f64,
    /// Steps between looks at the averaged model; 0 for one at the end only.
    pub inspect_every: u64,
    /// The folder of the run; made if it is missing.
    pub folder: PathBuf,
    /// What the stage draws its randomness from. Kept in the checkpoints; a run goes on only with the same one.
    pub seed: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Steps done.
    pub step: u64,
    /// Whether these are all; if not, the run was stopped by `progress`.
    pub is_finished: bool,
    /// Loss of the last step that was not skipped.
    pub loss: Option<f32>,
    /// Steps that changed nothing, since their loss or gradient was not finite.
    pub skipped: u64,
    /// Time spent on the run, earlier sessions included.
    pub elapsed: Duration,
    /// The newest checkpoint.
    pub checkpoint: PathBuf,
}

/// Trains until the run's length is reached or `progress`, called after each step, says stop. Goes on from the newest
/// sound checkpoint in the folder.
///
/// # Errors
/// if files cannot be read or written, the folder belongs to another run, the loss stays infinite, or the stage fails
pub fn train<S: Stage>(
    stage: &mut S,
    settings: &Settings,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Outcome, Error> {
    let mut run = Run::start(stage, settings)?;
    let mut is_stopped = false;
    while !run.is_finished() && !is_stopped {
        let report = run.step(stage)?;
        is_stopped = progress(&report).is_break();
        if is_stopped || run.is_finished() || run.is_checkpoint_due() {
            run.save()?;
        }
    }
    let checkpoint = match run.saved.take() {
        Some(path) => path,
        None => run.save()?,
    };
    Ok(Outcome {
        step: run.position.step,
        is_finished: run.is_finished(),
        loss: run.log.losses().last().map(|&(_, loss)| loss),
        skipped: run.position.skipped,
        elapsed: Duration::from_secs_f64(run.position.elapsed_secs),
        checkpoint,
    })
}

/// A run in progress.
struct Run<'a, M> {
    settings: &'a Settings,
    identity: Identity,
    /// The model's form; its values are of no use.
    form: M,
    parameters: Parameters,
    position: Position,
    /// Where the warm-up of the clock ended.
    warm: Reached,
    log: Log,
    meter: Meter,
    /// When this session began, set back by the time of earlier ones.
    began: Began,
    /// Time spent at the last checkpoint, in seconds.
    saved_at_secs: f64,
    /// The newest checkpoint.
    saved: Option<PathBuf>,
}

/// A clock that goes on where an earlier session ended.
struct Began {
    at: Instant,
    before_secs: f64,
}

impl Began {
    fn elapsed_secs(&self) -> f64 {
        self.before_secs + self.at.elapsed().as_secs_f64()
    }
}

/// What one step gave.
struct Done {
    loss: f32,
    /// `None` if the step was skipped.
    gradient_norm: Option<f64>,
    parts: Vec<(&'static str, f32)>,
    items: usize,
    flops: f64,
}

impl<'a, M: Module> Run<'a, M> {
    fn start<S: Stage<Model = M>>(stage: &S, settings: &'a Settings) -> Result<Self, Error> {
        let Settings { folder, seed, length, .. } = settings;
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let form = stage.model();
        let mut parameters = Parameters::new(&form, &mut |name, shape| stage.rule(name, shape));
        let identity = Identity { config: stage.config(), seed: *seed, length: *length };
        let newest = checkpoint::newest(folder)?;
        let mut position = match &newest {
            Some(index) => checkpoint::restore(index, &mut parameters, &identity)?,
            None => Position::START,
        };
        let warm = position.reached();
        position.fix_total(*length, warm);
        Ok(Self {
            settings,
            identity,
            form,
            parameters,
            log: Log::open(folder, position.step)?,
            meter: Meter::default(),
            began: Began { at: Instant::now(), before_secs: position.elapsed_secs },
            saved_at_secs: position.elapsed_secs,
            saved: newest.map(|index| index.path().to_path_buf()),
            position,
            warm,
        })
    }

    fn is_finished(&self) -> bool {
        self.position.total.is_some_and(|total| self.position.step >= total)
    }

    fn is_checkpoint_due(&self) -> bool {
        self.position.elapsed_secs - self.saved_at_secs >= self.settings.checkpoint_secs
    }

    /// One step, the look at the model if it is due, and the log.
    fn step<S: Stage<Model = M>>(&mut self, stage: &mut S) -> Result<Progress, Error> {
        let step = self.position.step;
        let _span = tracing::trace_span!("train_step", step).entered();
        let rate = self.settings.schedule.rate_at(step, self.position.total);
        let began = Instant::now();
        let done = self.learn(stage, rate);
        let secs = began.elapsed().as_secs_f64();
        self.meter.add(done.items, done.flops, secs);
        self.count(&done)?;

        let every = self.settings.inspect_every;
        let is_inspected = every > 0 && self.position.step.is_multiple_of(every);
        let figures = if is_inspected || self.is_finished() {
            let averaged = self.parameters.averaged(&self.form);
            stage.inspect(&averaged, self.position.step, &self.settings.folder)?
        } else {
            Vec::new()
        };
        self.log.add(&Line {
            step,
            loss: done.gradient_norm.map(|_| done.loss),
            parts: done.parts.iter().map(|&(name, part)| (name.to_owned(), Some(part))).collect(),
            rate,
            gradient_norm: done.gradient_norm,
            items_per_s: done.items as f64 / secs,
            tflops: done.flops / secs / 1e12,
            elapsed_secs: self.position.elapsed_secs,
            figures: figures.into_iter().map(|(name, figure)| (name, Some(figure))).collect(),
        })?;
        Ok(Progress {
            step: self.position.step,
            steps: self.position.total,
            loss: done.loss,
            rate,
            items_per_s: self.meter.items_per_s(),
            tflops: self.meter.tflops(),
            elapsed: Duration::from_secs_f64(self.position.elapsed_secs),
            eta: eta(self.position.step, self.position.total, self.position.elapsed_secs),
        })
    }

    /// Loss, gradients and update. Nothing changes if loss or gradient are not finite.
    fn learn<S: Stage<Model = M>>(&mut self, stage: &mut S, rate: f32) -> Done {
        let model = self.parameters.tracked(&self.form);
        let StepLoss { loss, parts, items, flops } = stage.loss(&model, self.position.step);
        let value = number(&loss);
        let mut done = Done { loss: value, gradient_norm: None, parts, items, flops };
        if !value.is_finite() {
            return done;
        }
        let gradients = optim::gradients(&model, loss.backward());
        let norm = optim::norm(&gradients);
        if !norm.is_finite() {
            return done;
        }
        done.gradient_norm = Some(norm);
        let update = Update {
            rate,
            grad_scale: (f64::from(self.settings.clip) / norm).min(1.0) as f32,
            updates: self.position.step - self.position.skipped,
            ema_decay: self.settings.ema_decay,
        };
        self.parameters.update(&gradients, update);
        done
    }

    /// Moves the position on by a step.
    fn count(&mut self, done: &Done) -> Result<(), Error> {
        let position = &mut self.position;
        if done.gradient_norm.is_some() {
            position.skipped_in_row = 0;
        } else {
            position.skipped += 1;
            position.skipped_in_row += 1;
            tracing::warn!(step = position.step, loss = done.loss, "skipped a step");
        }
        if position.skipped_in_row >= MAX_SKIPPED {
            return Err(Error::Diverged { step: position.step, count: position.skipped_in_row });
        }
        position.step += 1;
        position.elapsed_secs = self.began.elapsed_secs();
        if self.settings.length.is_warming_up(position.reached()) {
            self.warm = position.reached();
        }
        position.fix_total(self.settings.length, self.warm);
        Ok(())
    }

    /// Writes checkpoint and curve.
    fn save(&mut self) -> Result<PathBuf, Error> {
        let folder = &self.settings.folder;
        self.position.elapsed_secs = self.began.elapsed_secs();
        let path = checkpoint::save(folder, &self.parameters, &self.identity, &self.position)?;
        self.saved_at_secs = self.position.elapsed_secs;
        self.saved = Some(path.clone());
        let run = folder.file_name().map_or_else(String::new, |name| name.display().to_string());
        curve::draw(&folder.join(curve::FILE_NAME), &run, self.log.losses())?;
        Ok(path)
    }
}

impl Position {
    /// Fixes the number of steps as soon as it can be known; once fixed it stays.
    fn fix_total(&mut self, length: Length, warm: Reached) {
        self.total = self.total.or_else(|| length.total_steps(warm, self.reached()));
    }

    fn reached(&self) -> Reached {
        Reached { step: self.step, secs: self.elapsed_secs }
    }
}

/// The one number in a tensor.
///
/// # Panics
/// if it holds more or fewer
fn number(tensor: &Tensor<1>) -> f32 {
    let data = tensor.clone().into_data().convert::<f32>();
    let values = data.try_into_vec::<f32>().expect("converted to 32-bit floats");
    assert_eq!(values.len(), 1, "numbers in a loss");
    values[0]
}

#[cfg(test)]
mod tests;
