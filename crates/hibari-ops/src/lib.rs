//! Functions on Burn tensors that run the kernels of `hibari-kernels` on the CPU.
//!
//! Each operation has a reference body of plain Burn operations (other backends and oracle of the tests), a Flex
//! override that calls the kernels, and a hand-written backward pass.

pub mod activation;
pub mod attention;
pub mod conv;
#[cfg(feature = "cube")]
mod cube;
pub mod device;
mod flex;
pub mod linear;
mod maybe;
pub mod norm;
pub mod rope;
#[cfg(test)]
mod slopes;
#[cfg(test)]
mod testing;

pub use device::device;
pub use hibari_kernels::Products;
pub use maybe::Maybe;
