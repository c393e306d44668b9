//! Reads and writes checkpoints: safetensors, hashes, quantised tensors.
