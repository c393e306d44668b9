"""Draws small Wan pipelines at random and compares what hibari and diffusers make of each, number by number.

    python check_wan.py HIBARI [COUNT] [FIRST]

Sizes, kinds, schedulers, steps, guidance, shifts and pictures are drawn from the seeds FIRST (0) to FIRST + COUNT (20), all in
f32. Prints a line for each with the largest difference of latents and of frames, as a part of the largest value, and ends with
an error if one is above 1e-4.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

BOUND = 1e-4
TEXT_ROWS = 512


def encoder(width: int, rng: random.Random) -> dict:
    config = CLIPVisionConfig(
        hidden_size=width, intermediate_size=2 * width, num_hidden_layers=rng.choice([2, 3]), num_attention_heads=2,
        image_size=224, patch_size=14, hidden_act="gelu")
    processor = CLIPImageProcessorPil(
        do_center_crop=True, crop_size=224, size={"shortest_edge": 224}, resample=3)
    return {"image_encoder": CLIPVisionModel(config).eval(), "image_processor": processor}


def drawn(seed: int, folder: Path) -> tuple[str, dict, list[str]]:
    """Writes a pipeline; gives what it is, diffusers' arguments and hibari's."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    kind = rng.choice(["t2v", "a14b", "ti2v", "ti2v-text", "i2v", "i2v-a14b"])
    is_22, has_experts, has_clip = kind.startswith("ti2v"), "a14b" in kind, kind == "i2v"
    is_shown = kind in ("ti2v", "i2v", "i2v-a14b")
    cell, latent = (16, 48) if is_22 else (8, 16)
    heads, head = rng.choice([1, 2, 3]), rng.choice([12, 20, 24, 64, 128])
    sizes = {
        "num_attention_heads": heads, "attention_head_dim": head, "in_channels": 36 if is_shown and not is_22 else latent,
        "out_channels": latent, "text_dim": rng.choice([16, 24]), "freq_dim": rng.choice([32, 256]),
        "ffn_dim": rng.choice([40, 72, 136]), "num_layers": rng.choice([1, 2, 3]),
    }
    if has_clip:
        sizes |= {"image_dim": 28, "added_kv_proj_dim": heads * head}
    statistics = {}
    if is_22 or rng.random() < 0.5:
        statistics = {
            "latents_mean": [rng.uniform(-1, 1) for _ in range(latent)], "latents_std": [rng.uniform(0.5, 2) for _ in range(latent)]}
    autoencoder = AutoencoderKLWan(
        base_dim=4, decoder_base_dim=6, z_dim=48, is_residual=True, in_channels=12, out_channels=12, patch_size=2,
        scale_factor_spatial=16, num_res_blocks=rng.choice([1, 2]), **statistics,
    ) if is_22 else AutoencoderKLWan(
        base_dim=rng.choice([3, 4, 8]), dim_mult=rng.choice([[1, 2, 4, 4], [1, 1, 1, 1], [1, 2, 2, 3]]),
        num_res_blocks=rng.choice([1, 2]), **statistics)
    shift = rng.choice([1.0, 3.0, 5.0, 8.0])
    scheduler = rng.choice([
        lambda: UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift),
        lambda: FlowMatchEulerDiscreteScheduler(shift=shift),
    ])()
    parts = {"tokenizer": None, "text_encoder": None, "vae": autoencoder.eval(), "scheduler": scheduler,
             "transformer": WanTransformer3DModel(**sizes).eval()}
    if has_experts:
        parts |= {"transformer_2": WanTransformer3DModel(**sizes).eval(), "boundary_ratio": rng.choice([0.5, 0.875, 0.9])}
    if has_clip:
        parts |= encoder(28, rng)
    # A picture is optional for one kind; diffusers has a pipeline for each way.
    if is_shown:
        pipe = WanImageToVideoPipeline(**parts, **({"expand_timesteps": True} if is_22 else {}))
    else:
        pipe = WanPipeline(**parts, **({"expand_timesteps": True} if is_22 else {}))
    pipe.save_pretrained(folder)

    width, height = (2 * cell * rng.choice([1, 2, 3]) for _ in range(2))
    frames, steps, guidance = rng.choice([1, 5, 9, 13]), rng.choice([1, 2, 3, 5]), rng.choice([1.0, 3.0, 5.5])
    if is_shown and frames == 1:
        frames = 5
    rows = TEXT_ROWS if has_clip else rng.choice([7, 64, TEXT_ROWS])
    states = {name: torch.randn(1, rows, sizes["text_dim"]) for name in ("prompt_embeds", "negative_prompt_embeds")}
    noise = torch.randn(1, latent, (frames - 1) // 4 + 1, height // cell, width // cell)
    save_file(states, folder / "states.safetensors")
    save_file({"latents": noise}, folder / "noise.safetensors")
    call = states | {"height": height, "width": width, "num_frames": frames, "num_inference_steps": steps,
                     "guidance_scale": guidance, "latents": noise, "output_type": "latent"}
    flags = ["--size", f"{width}x{height}", "--frames", str(frames), "--steps", str(steps), "--guidance", str(guidance),
             "--shift", str(shift)]
    if has_experts:
        # In diffusers neither expert is guided unless the first is; here each goes by its own.
        call["guidance_scale_2"] = rng.choice([1.0, 3.0]) if guidance > 1 else 1.0
        flags += ["--guidance-low", str(call["guidance_scale_2"])]
    if is_shown:
        pixels = torch.randint(0, 256, (rng.choice([30, 64, 150]), rng.choice([40, 64, 200]), 3), dtype=torch.uint8)
        picture = Image.fromarray(pixels.numpy())
        picture.save(folder / "picture.png")
        call["image"] = picture
        flags += ["--image", str(folder / "picture.png")]
    name = type(scheduler).__name__.removesuffix("Scheduler")
    what = (f"{seed}: {kind}, {heads}x{head}, {name} {shift}, {width}x{height}x{frames}, {steps} steps, guidance {guidance}, "
            f"{rows} rows")
    return what, {"pipe": pipe, "call": call}, flags


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


def main() -> None:
    hibari, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    first, worst = int(sys.argv[3]) if len(sys.argv) > 3 else 0, 0.0
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            what, reference, flags = drawn(seed, folder)
            command = [hibari, "generate", "a prompt", "--model", str(folder), "--dtype", "f32", "--noise",
                       str(folder / "noise.safetensors"), "--prompt-embeds", str(folder / "states.safetensors"),
                       "--save-latents", str(folder / "l.safetensors"), "--save-frames", str(folder / "f.safetensors"),
                       "--out", str(folder / "v.mp4"), "--quiet", *flags]
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode != 0:
                print(f"{what}: hibari ended with {run.returncode}: {run.stderr.strip()}", flush=True)
                worst = float("inf")
                continue
            pipe, vae = reference["pipe"], reference["pipe"].vae
            pipe.set_progress_bar_config(disable=True)
            with torch.no_grad():
                latents = pipe(**reference["call"]).frames
                mean, std = (
                    torch.tensor(v).view(1, -1, 1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std))
                frames = vae.decode(latents * std + mean).sample
            found = [load_file(folder / f"{name}.safetensors") for name in ("l", "f")]
            parts = [difference(found[0]["latents"], latents), difference(found[1]["frames"], frames)]
            worst = max(worst, *parts)
            print(f"{what}: latents {parts[0]:.1e}, frames {parts[1]:.1e}", flush=True)
    if worst > BOUND:
        sys.exit(f"the worst difference is {worst:.1e}, above {BOUND:.0e}")


if __name__ == "__main__":
    main()
