//! Linear tests.
