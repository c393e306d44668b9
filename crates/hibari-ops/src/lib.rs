//! Functions on Burn tensors that run the kernels of `hibari-kernels` on the CPU.
