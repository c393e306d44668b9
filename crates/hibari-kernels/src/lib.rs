//! CPU kernels over slices: matrix products, attention, convolution, norms, rotary embedding, optimisers.
