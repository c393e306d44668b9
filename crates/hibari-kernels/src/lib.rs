//! CPU kernels over slices: matrix products, attention, convolution, norms, rotary embedding, optimisers.
//!
//! Nothing here knows tensors or backends. The instruction set is chosen at run time (`isa`), work runs on one rayon pool
//! (`threads`), and results have the same bits at every thread count.

#![expect(
    unsafe_code,
    reason = "intrinsics and uninitialised outputs; each block says why it is sound"
)]

pub mod activation;
pub mod attention;
pub mod conv;
pub mod epilogue;
pub mod int8;
pub mod isa;
mod lanes;
pub mod matmul;
pub mod measure;
pub mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod norm;
pub mod optimiser;
pub mod rope;
#[cfg(test)]
mod testing;
pub mod threads;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod vector;

/// What the operands of products are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    /// 32-bit floats.
    Exact,
    /// bf16, with sums in 32-bit floats, on instruction sets where that is faster.
    Bf16,
    /// 8-bit integers, with exact sums, where the processor multiplies them and there is a kernel; else as [`Self::Bf16`].
    Int8,
}
