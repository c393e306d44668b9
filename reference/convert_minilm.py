"""Converts all-MiniLM-L6-v2 to `weights/minilm.safetensors`: int8 matrices, the tokenizer inside."""

import hashlib

import numpy as np
from safetensors.numpy import load

import hibari_weights
import minilm


def main() -> None:
    original = (minilm.MODEL / "model.safetensors").read_bytes()
    assert hashlib.sha256(original).hexdigest() == minilm.MODEL_SHA256, "not the published model"
    source = load(original)

    # One segment only, so its embedding is a constant, added to the positions.
    positions = source["embeddings.position_embeddings.weight"][: minilm.POSITIONS]
    tokenizer = (minilm.MODEL / "tokenizer.json").read_bytes()
    tensors = {
        "positions": positions + source["embeddings.token_type_embeddings.weight"][0],
        "tokenizer": np.frombuffer(tokenizer, np.uint8),
    }
    tensors |= hibari_weights.int8("words", source["embeddings.word_embeddings.weight"], axis=0)
    for ours, theirs in minilm.linears().items():
        weight = np.ascontiguousarray(source[f"{theirs}.weight"].T)  # [K, N]
        tensors |= hibari_weights.int8(f"{ours}.weight", weight, axis=1)
        tensors[f"{ours}.bias"] = source[f"{theirs}.bias"]
    for ours, theirs in minilm.norms().items():
        tensors[f"{ours}.gain"] = source[f"{theirs}.weight"]
        tensors[f"{ours}.bias"] = source[f"{theirs}.bias"]

    metadata = {
        "family": "minilm",
        "licence": "Apache-2.0",
        "original": "sentence-transformers/all-MiniLM-L6-v2",
        "original.sha256": minilm.MODEL_SHA256,
        "changes": "int8 matrices, 256 of 512 positions, segment 0 added to the positions, no pooler",
    }
    digest = hibari_weights.write(minilm.WEIGHTS, tensors, metadata)
    print(f"{minilm.WEIGHTS.name}: {minilm.WEIGHTS.stat().st_size} bytes, {digest}")


if __name__ == "__main__":
    main()
