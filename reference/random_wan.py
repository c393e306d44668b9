"""Writes a folder with a Wan 2.1 T2V-1.3B of random weights, as diffusers lays it out, and prompt states and noise for it.

    python random_wan.py FOLDER [--tiny]

What the numbers are does not matter for speed and memory. Transformer in bfloat16, autoencoder in float32, as published.
"""

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from safetensors.torch import save_file

folder = Path(sys.argv[1])
is_tiny = "--tiny" in sys.argv
torch.manual_seed(0)

sizes = {"num_attention_heads": 2, "ffn_dim": 512, "num_layers": 2} if is_tiny else {
    "num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
transformer = WanTransformer3DModel(
    attention_head_dim=128, in_channels=16, out_channels=16, text_dim=4096, freq_dim=256, **sizes).to(torch.bfloat16)
transformer.save_pretrained(folder / "transformer", max_shard_size="1GB")
AutoencoderKLWan(base_dim=8 if is_tiny else 96).save_pretrained(folder / "vae")
UniPCMultistepScheduler(
    prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0).save_pretrained(folder / "scheduler")
(folder / "model_index.json").write_text('{"_class_name": "WanPipeline", "_diffusers_version": "0.42.1"}\n')
states = {name: torch.randn(1, 512, 4096) * 0.1 for name in ("prompt_embeds", "negative_prompt_embeds")}
save_file(states, folder / "states.safetensors")
save_file({"latents": torch.randn(1, 16, 5, 32, 32)}, folder / "noise.safetensors")
