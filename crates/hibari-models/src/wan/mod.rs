//! Wan, placeholder.
