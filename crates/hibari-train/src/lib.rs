//! The training loop: optimisers, averages, checkpoints, exact resume.
