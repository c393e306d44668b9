//! Attention with products of f32.

mod backward;
mod forward;
mod product;

pub(super) use self::backward::attend_backward;
pub(super) use self::forward::attend;

/// Queries whose scores exist at once; a multiple of the rows of a tile.
const BLOCK: usize = 48;
