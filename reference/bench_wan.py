"""Runs a folder of `random_wan.py` in diffusers: time and memory of denoising and decoding, beside what hibari made of it.

    python bench_wan.py FOLDER SIZE FRAMES STEPS GUIDANCE SHIFT [HIBARI_LATENTS HIBARI_FRAMES] [--f32] [--vae-bf16]

A model that is shown pictures is shown `picture.png`. Prints one JSON line; with hibari's files also the cosine and the largest difference to them.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from diffusers.schedulers import UniPCMultistepScheduler
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessorPil, CLIPVisionModel

flags = {a for a in sys.argv[1:] if a.startswith("--")}
args = [a for a in sys.argv[1:] if not a.startswith("--")]
folder, size = Path(args[0]), args[1]
width, height = map(int, size.split("x"))
frames, steps = int(args[2]), int(args[3])
guidance, shift = float(args[4]), float(args[5])
dtype = torch.float32 if "--f32" in flags else torch.bfloat16

start = time.perf_counter()
transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=dtype)
vae_dtype = torch.bfloat16 if "--vae-bf16" in flags else torch.float32
vae = AutoencoderKLWan.from_pretrained(folder / "vae", torch_dtype=vae_dtype)
scheduler = UniPCMultistepScheduler.from_pretrained(folder / "scheduler", flow_shift=shift)
parts = {"tokenizer": None, "text_encoder": None, "vae": vae, "scheduler": scheduler, "transformer": transformer}
more = {}
if (folder / "picture.png").exists():
    more["image"] = Image.open(folder / "picture.png")
    if (folder / "image_encoder").exists():
        parts["image_encoder"] = CLIPVisionModel.from_pretrained(folder / "image_encoder", torch_dtype=torch.float32)
        parts["image_processor"] = CLIPImageProcessorPil.from_pretrained(folder / "image_processor")
    if (folder / "transformer_2").exists():
        second = WanTransformer3DModel.from_pretrained(folder / "transformer_2", torch_dtype=dtype)
        parts |= {"transformer_2": second, "boundary_ratio": 0.9}
    pipe = WanImageToVideoPipeline(**parts)
else:
    pipe = WanPipeline(**parts)
pipe.set_progress_bar_config(disable=True)
states = load_file(folder / "states.safetensors")
noise = load_file(folder / "noise.safetensors")["latents"]
load = time.perf_counter() - start

marks = []
with torch.no_grad():
    start = time.perf_counter()
    latents = pipe(
        prompt_embeds=states["prompt_embeds"].to(dtype),
        negative_prompt_embeds=states["negative_prompt_embeds"].to(dtype),
        height=height, width=width, num_frames=frames, num_inference_steps=steps, guidance_scale=guidance,
        latents=noise, output_type="latent",
        **more, callback_on_step_end=lambda *a: marks.append(time.perf_counter()) or {},
    ).frames
    denoise = time.perf_counter() - start
    start = time.perf_counter()
    mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)
    pixels = vae.decode((latents.float() * std + mean).to(vae_dtype)).sample.float()
    decode = time.perf_counter() - start

row = {
    "load_s": round(load, 2), "denoise_s": round(denoise, 2), "decode_s": round(decode, 2),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "dtype": str(dtype), "vae": str(vae_dtype),
}
for name, file, key, ours in [("latents", 6, "latents", latents), ("frames", 7, "frames", pixels)]:
    if len(args) > file:
        theirs = load_file(args[file])[key].double().flatten()
        ours = ours.double().flatten()
        row[f"{name}_cosine"] = round(torch.nn.functional.cosine_similarity(ours, theirs, dim=0).item(), 7)
        row[f"{name}_max"] = ((ours - theirs).abs().max() / ours.abs().max()).item()
print(json.dumps(row))
