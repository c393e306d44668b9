"""Weights files as `crates/hibari-weights` reads them: safetensors with a hash of the whole file, and int8 tensors."""

import hashlib
import json
from pathlib import Path

import numpy as np

HASH_KEY = "hibari.sha256"
HASH_BLANK = "0" * 64
SCALE_SUFFIX = ".scale"
DTYPES = {"float32": "F32", "int8": "I8", "uint8": "U8", "uint32": "U32"}


def int8(name: str, values: np.ndarray, axis: int) -> dict[str, np.ndarray]:
    """The tensor with one scale, `max |v| / 127`, for each entry of `axis`; as `quantize.rs` does it."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    scales = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
    levels = np.rint(values / np.where(scales > 0, scales, np.float32(1)))
    return {name: np.clip(levels, -127, 127).astype(np.int8), name + SCALE_SUFFIX: scales}


def write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    """Writes the file, in the byte order of `write.rs`, and returns its hash."""
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header = {"__metadata__": {HASH_KEY: HASH_BLANK} | dict(sorted(metadata.items()))}
    offset = 0
    for name in order:
        end = offset + tensors[name].nbytes
        dtype, shape = DTYPES[tensors[name].dtype.name], list(tensors[name].shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(tensors[name]).tobytes() for name in order)
    whole = len(text).to_bytes(8, "little") + text + data
    digest = hashlib.sha256(whole).hexdigest()
    path.write_bytes(whole.replace(HASH_BLANK.encode(), digest.encode(), 1))
    return digest


def read(path: Path) -> dict[str, np.ndarray]:
    """The file's tensors, the int8 ones as floats: `level * scale`."""
    whole = path.read_bytes()
    data_at = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:data_at])
    del header["__metadata__"]
    names = {short: long for long, short in DTYPES.items()}
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        raw = np.frombuffer(whole[data_at + start : data_at + end], names[entry["dtype"]])
        tensors[name] = raw.reshape(entry["shape"])
    scales = [name for name in tensors if name.endswith(SCALE_SUFFIX)]
    for name in scales:
        base = name.removesuffix(SCALE_SUFFIX)
        tensors[base] = tensors[base].astype(np.float32) * tensors.pop(name)
    return tensors
