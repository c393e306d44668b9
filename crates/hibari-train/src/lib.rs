//! The training loop that all stages use: optimisers, averages, checkpoints, exact resume.
//!
//! What it is not: it knows no model and no data. A [`Stage`] brings both, and computes a loss from a step's number.
//!
//! Reading list: [`trainer`] is the loop, [`schedule`] the learning rate, [`optim`] the parameters and their update,
//! [`checkpoint`] what a run leaves behind; [`log`] and [`curve`] show how it went, [`progress`] how it goes.

pub mod checkpoint;
pub mod curve;
pub mod error;
pub mod log;
pub mod optim;
pub mod progress;
pub mod schedule;
pub mod trainer;

pub use checkpoint::export;
pub use error::Error;
pub use optim::Rule;
pub use progress::Progress;
pub use schedule::{Length, Schedule};
pub use trainer::{Outcome, Settings, Stage, StepLoss, train};
