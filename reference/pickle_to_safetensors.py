"""Turns a pickle of weights (`.pth`, `.pt`, `.bin`) into safetensors: `pickle_to_safetensors.py IN.pth OUT.safetensors`.

Tensors keep their names, types and values. PyTorch's restricted reader is used, which runs no code from the file.
"""

import sys

import torch
from safetensors.torch import save_file


def main() -> None:
    source, target = sys.argv[1:]
    state = torch.load(source, map_location="cpu", mmap=True, weights_only=True)
    state = state.get("state_dict", state)
    # Copies, since safetensors refuses tensors that share memory.
    tensors = {name: value.clone().contiguous() for name, value in state.items()}
    save_file(tensors, target, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
