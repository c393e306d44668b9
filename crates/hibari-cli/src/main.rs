//! The `hibari` binary.
fn main() {}
