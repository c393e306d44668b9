"""Writes a folder with a Wan of random weights, as diffusers lays it out, and prompt states, noise and a picture for it.

    python random_wan.py FOLDER [--tiny] [--i2v | --i2v-a14b]

The sizes are those of T2V-1.3B, also of models that are shown a picture: with an image encoder as Wan 2.1 has it (--i2v), or
two experts without one as Wan 2.2 (--i2v-a14b). What the numbers are does not matter for speed and memory. Transformer in
bfloat16, autoencoder in float32, as published.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

folder = Path(sys.argv[1])
is_tiny = "--tiny" in sys.argv
has_clip, has_experts = "--i2v" in sys.argv, "--i2v-a14b" in sys.argv
is_shown = has_clip or has_experts
torch.manual_seed(0)

sizes = {"num_attention_heads": 2, "ffn_dim": 512, "num_layers": 2} if is_tiny else {
    "num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
encoder = {"hidden_size": 160, "intermediate_size": 320, "num_hidden_layers": 4, "num_attention_heads": 2} if is_tiny else {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16}
if has_clip:
    width = 128 * sizes["num_attention_heads"]
    sizes |= {"image_dim": encoder["hidden_size"], "added_kv_proj_dim": width}


def write_transformer(name: str) -> None:
    transformer = WanTransformer3DModel(
        attention_head_dim=128, in_channels=36 if is_shown else 16, out_channels=16, text_dim=4096, freq_dim=256, **sizes)
    transformer.to(torch.bfloat16).save_pretrained(folder / name, max_shard_size="1GB")


write_transformer("transformer")
index = {"_class_name": "WanImageToVideoPipeline" if is_shown else "WanPipeline", "_diffusers_version": "0.42.1"}
if has_experts:
    write_transformer("transformer_2")
    index["boundary_ratio"] = 0.9
if has_clip:
    config = CLIPVisionConfig(image_size=224, patch_size=14, hidden_act="gelu", **encoder)
    CLIPVisionModel(config).to(torch.float16).save_pretrained(folder / "image_encoder")
    settings = {"do_center_crop": True, "crop_size": 224, "size": {"shortest_edge": 224}, "resample": 3}
    (folder / "image_processor").mkdir(exist_ok=True)
    (folder / "image_processor" / "preprocessor_config.json").write_text(json.dumps(settings))
AutoencoderKLWan(base_dim=8 if is_tiny else 96).save_pretrained(folder / "vae")
UniPCMultistepScheduler(
    prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0).save_pretrained(folder / "scheduler")
(folder / "model_index.json").write_text(json.dumps(index) + "\n")
if is_shown:
    rows, columns = torch.meshgrid(torch.arange(150), torch.arange(200), indexing="ij")
    picture = torch.stack([columns * 255 // 199, rows * 255 // 149, (rows // 8 + columns // 8) % 2 * 255], -1)
    Image.fromarray(picture.to(torch.uint8).numpy()).save(folder / "picture.png")
states = {name: torch.randn(1, 512, 4096) * 0.1 for name in ("prompt_embeds", "negative_prompt_embeds")}
save_file(states, folder / "states.safetensors")
save_file({"latents": torch.randn(1, 16, 5, 32, 32)}, folder / "noise.safetensors")
