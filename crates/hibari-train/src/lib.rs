//! The training loop that all stages use: optimisers, averages, checkpoints, exact resume.
//!
//! The loop knows no model and no data. A [`Stage`] brings both, and computes a loss from a step's number.
//!
//! Reading list: [`trainer`] is the loop, [`schedule`] the learning rate, [`optim`] the parameters and their update,
//! [`stage`] what is trained, [`recipe`] its settings, [`run`] data, training and final weights of a recipe;
//! [`checkpoint`] what a run leaves behind; [`log`] and [`curve`] show how it went, [`progress`] how it goes.

pub mod checkpoint;
pub mod curve;
pub mod error;
pub mod log;
pub mod optim;
pub mod progress;
pub mod recipe;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod trainer;

pub use checkpoint::export;
pub use error::Error;
pub use optim::Rule;
pub use progress::Progress;
pub use schedule::{Length, Reached, Schedule};
pub use trainer::{Outcome, Settings, Stage, StepLoss, train};
