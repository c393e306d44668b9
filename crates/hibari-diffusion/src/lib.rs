//! Schedules, solvers, guidance, noise and training objectives; knows no model.
