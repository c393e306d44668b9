//! Schedules, solvers, guidance, noise and training objectives. Knows no model: the network is a closure that returns
//! the clean estimate.
//!
//! Read in this order: [`latent`], [`schedule`], [`plan`], [`solver`], [`method`], [`guidance`], [`denoise`]; training reads
//! [`noise`] and [`objective`].

pub mod denoise;
pub mod guidance;
pub mod latent;
pub mod method;
pub mod noise;
pub mod objective;
pub mod plan;
pub mod schedule;
pub mod solver;

pub use denoise::{Canceled, Position, Step, denoise};
pub use guidance::{Branch, Guidance};
pub use latent::{Latent, Sigma};
pub use method::Method;
pub use plan::NoisePlan;
