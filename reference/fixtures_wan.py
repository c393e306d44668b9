"""Runs the original libraries on tiny Wan models and prints the figures that the tests of hibari-models hold.

    python fixtures_wan.py [NAME..]

Weights and inputs are a formula on both sides (`crates/hibari-models/src/oracle.rs`), so nothing is stored but mean, root
mean square and first value of each output. Names: resize, clean, umt5, tokenizer, dit, vae, clip, solvers, pipelines; all of
them without one.
`tokenizer` also writes `fixtures/wan/`: a vocabulary of 150 pieces, and texts with their tokens.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

FIXTURES = Path(__file__).parent.parent / "fixtures" / "wan"

MEAN_22 = [
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891, 0.157, -0.0098,
    0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502, -0.2055, -0.0322, 0.1109, 0.1567,
    -0.0729, 0.0899, -0.2799, -0.123, -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.052, 0.3748, 0.0152, 0.1957,
    0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
]
STD_22 = [
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.499, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454,
    0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999,
    0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.06, 0.3943, 0.5537, 0.5444,
    0.4089, 0.7468, 0.7744,
]


def fnv(data: bytes) -> int:
    """64-bit FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def uni(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The upper 24 bits of SplitMix64, seeded by the name, as values in -1..1."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(fnv(name.encode())) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
    return torch.from_numpy((z.astype(np.float32) / np.float32(2**23) - np.float32(1)).reshape(shape))


def fill(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weight of that name, see `oracle::fill`."""
    last = name.rsplit(".")[-1]
    if last == "bias":
        offset, scale = 0.0, 0.1
    elif any(norm in name for norm in ("norm_q", "norm_k", "norm_added_k")):
        offset, scale = 1.3, 0.3
    elif "scale_shift_table" in name or "pos_embed" in name:
        offset, scale = 0.0, 0.3
    elif last == "gamma" or len(shape) == 1:
        offset, scale = 1.0, 0.1
    elif "relative_attention_bias" in name or name.startswith("shared"):
        offset, scale = 0.0, 1.0
    else:
        gain = 0.5 if "patch_embedding" in name else 2.0 if ".ffn." in name else 1.0
        offset, scale = 0.0, (3.0 / float(np.prod(shape[1:]))) ** 0.5 * gain
    values = np.float32(offset) + np.float32(scale) * uni(name, shape).numpy()
    return torch.from_numpy(values.astype(np.float32))


def filled(model: torch.nn.Module, factor: float = 1.0) -> torch.nn.Module:
    """The model with weights by the formula; those of rank two and more times `factor`."""
    state = {}
    for name, old in model.state_dict().items():
        own = name.replace("encoder.embed_tokens.", "shared.")
        value = fill(own, tuple(old.shape))
        state[name] = value * factor if value.dim() >= 2 else value
    model.load_state_dict(state)
    return model.eval()


def tell(what: str, values: torch.Tensor) -> None:
    flat = values.detach().double().flatten()
    print(f"{what}: {flat.mean():.6f}, {flat.square().mean().sqrt():.6f}, {flat[0]:.6f}")


def digest(model: torch.nn.Module) -> str:
    names = {name: value for name, value in model.state_dict().items() if "embed_tokens" not in name}
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(names[name].numpy().astype("<f4").tobytes())
    return total.hexdigest()[:12]


# Models


def transformer(channels: int = 16, latent: int = 16, image: bool = False) -> WanTransformer3DModel:
    extra = {"image_dim": 28, "added_kv_proj_dim": 40} if image else {}
    return WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=20, in_channels=channels, out_channels=latent, text_dim=24, freq_dim=32,
        ffn_dim=72, num_layers=2, **extra)


def vae(version: int) -> AutoencoderKLWan:
    if version == 21:
        return filled(AutoencoderKLWan(base_dim=4, z_dim=16))
    return filled(AutoencoderKLWan(
        base_dim=4, decoder_base_dim=6, z_dim=48, is_residual=True, in_channels=12, out_channels=12, patch_size=2,
        scale_factor_spatial=16, latents_mean=MEAN_22, latents_std=STD_22))


def clip() -> CLIPVisionModel:
    return filled(CLIPVisionModel(CLIPVisionConfig(
        hidden_size=28, intermediate_size=56, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14,
        hidden_act="gelu")))


def clip_rows() -> torch.Tensor:
    """What `clip` makes of the picture `uni("square")` in 0..1."""
    mean, std = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    picture = (uni("square", (1, 3, 28, 28)) + 1) / 2
    picture = (picture - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    return clip()(pixel_values=picture, output_hidden_states=True).hidden_states[-2]


# Figures


def resize() -> None:
    state, values = 1, []
    for _ in range(3 * 61 * 47):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(state >> 24)
    picture = Image.fromarray(np.array(values, np.uint8).reshape(47, 61, 3))
    # From the fifth on: where columns go first, and the last size where they do not yet.
    for size, kernel in [
        ((48, 32), "LANCZOS"), ((96, 80), "LANCZOS"), ((28, 28), "BICUBIC"), ((61, 64), "BICUBIC"),
        ((60, 30), "LANCZOS"), ((80, 40), "BICUBIC"), ((51, 27), "LANCZOS"),
    ]:
        resized = picture.resize(size, getattr(Image.Resampling, kernel))
        print(f"resize {kernel} {size[0]}x{size[1]}: {fnv(np.asarray(resized).tobytes()):#018x}")


# Prompts as people write and paste them; the same are in `crates/hibari-models/src/text/clean.rs`.
PROMPTS = [
    "a cat", "", "  two\twords \r\n here\u2028\u00a0now\u3000 ", "色调艳丽，过曝，静态！", "ＡＢＣ１２３", "\uff76\uff9e",
    "\u201cit\u2019s\u201d \u2018so\u2019", "e\u0301te\u0301", "\ufb01ne \ufb03x \u01c6", "\u0149",
    "\x1b[36;44mblue\x1b[0m sky", "a\0b\x7fc\ufeffd", "wait\x85 \x93now\x94", "salt &amp; pepper &lt;3",
    "&amp;amp;amp;quot;", "<b> &amp;amp; &#233;", "＆ａｍｐ；", "R&D; AT&T",
]


def clean() -> None:
    for prompt in PROMPTS:
        print(f"clean {json.dumps(prompt)}: {json.dumps(prompt_clean(prompt))}")


def umt5_model() -> UMT5EncoderModel:
    return filled(UMT5EncoderModel(UMT5Config(
        vocab_size=320, d_model=32, d_kv=8, d_ff=56, num_layers=2, num_heads=4, dropout_rate=0.0,
        feed_forward_proj="gated-gelu")))


def umt5_states(ids: list[int], length: int) -> torch.Tensor:
    padded = torch.tensor([ids + [0] * (length - len(ids))])
    mask = (torch.arange(length) < len(ids)).long().unsqueeze(0)
    states = umt5_model()(padded, attention_mask=mask).last_hidden_state
    return states * mask.unsqueeze(-1)


def umt5() -> None:
    print("umt5 weights", digest(umt5_model()))
    tell("umt5", umt5_states([(37 * i + 11) % 317 + 3 for i in range(149)] + [1], 192))


def dit() -> None:
    for name, channels, latent, image, first in [
        ("t2v", 16, 16, False, 875), ("ti2v", 48, 48, False, 0), ("i2v", 36, 16, True, 875)]:
        model = filled(transformer(channels, latent, image))
        print(name, sum(p.numel() for p in model.parameters()), digest(model))
        text = uni("ctx", (1, 512 if image else 16, 24)).clone()
        text[:, 11:] = 0
        time = torch.tensor([875])
        if first != 875:
            time = torch.full((1, 5 * 8 * 10), 875)
            time[:, :80] = first
        rows = uni("img", (1, 5, 28)) if image else None
        out = model(uni("x", (1, channels, 5, 16, 20)), time, text, rows, return_dict=False)[0]
        tell(name, out)


def vae_figures() -> None:
    for version, z in [(21, (1, 16, 3, 4, 8)), (22, (1, 48, 3, 2, 4))]:
        model = vae(version)
        mean = torch.tensor(model.config.latents_mean).view(1, -1, 1, 1, 1)
        std = torch.tensor(model.config.latents_std).view(1, -1, 1, 1, 1)
        print("vae", version, sum(p.numel() for p in model.parameters()), digest(model))
        tell(f"decode {version}", model.decode(uni("z", z) * std + mean).sample)
        video = uni("video", (1, 3, 9, 32, 64))
        tell(f"encode {version}", (model.encode(video).latent_dist.mode() - mean) / std)
    other = filled(AutoencoderKLWan(base_dim=4, dim_mult=[1, 2, 2, 3], num_res_blocks=1))
    mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (other.config.latents_mean, other.config.latents_std))
    tell("decode, other levels", other.decode(uni("z", (1, 16, 3, 4, 8)) * std + mean).sample)


def clip_figures() -> None:
    model = clip()
    print("clip", sum(p.numel() for p in model.parameters()), digest(model))
    tell("clip", clip_rows())


def solvers() -> None:
    """Trajectories of `v = 0.6 z + 0.3 sin 2z + t / 10000`, a model without weights."""
    def run(name: str, scheduler) -> None:
        z = 2 * uni("traj", (1, 2, 2, 3, 4))
        for time in scheduler.timesteps:
            velocity = 0.6 * z + 0.3 * torch.sin(2 * z) + time / 1e4
            z = scheduler.step(velocity, time, z, return_dict=False)[0]
        print(f"{name}: times {[round(t, 3) for t in scheduler.timesteps.tolist()]}")
        tell(name, z)

    for steps, shift in [(4, 5.0), (8, 3.0)]:
        unipc = UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift)
        unipc.set_timesteps(steps)
        run(f"unipc {steps} {shift}", unipc)
    euler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    euler.set_timesteps(sigmas=np.linspace(1, 1 / 1000, 5)[:4])
    run("euler 4 5.0", euler)
    euler.set_timesteps(4)
    run("euler 4 5.0, its own grid", euler)


def states(name: str, rows: int) -> torch.Tensor:
    values = uni(name, (1, rows, 24)).clone()
    values[:, 13:] = 0
    return values


def pipelines() -> None:
    def run(kind: str) -> None:
        is_ti2v, is_image = kind == "ti2v", kind.startswith("i2v")
        has_experts, has_clip = kind in ("a14b", "i2v-a14b"), kind == "i2v"
        shift = 5.0 if has_experts or is_ti2v else 3.0
        channels, latent = (48, 48) if is_ti2v else (36 if is_image else 16, 16)
        parts = {
            "tokenizer": None, "text_encoder": None, "vae": vae(22 if is_ti2v else 21),
            "scheduler": UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift),
            "transformer": filled(transformer(channels, latent, has_clip)),
        }
        if has_experts:
            parts |= {
                "transformer_2": filled(transformer(channels, latent, has_clip), 0.8),
                "boundary_ratio": 0.9 if is_image else 0.875,
            }
        width, height = (64, 32) if is_ti2v else (48, 32)
        cell = 16 if is_ti2v else 8
        more = {}
        if is_ti2v or is_image:
            pipe = WanImageToVideoPipeline(**parts, **({"expand_timesteps": True} if is_ti2v else {}))
            more["image"] = (uni("image", (1, 3, height, width)) + 1) / 2
            pipe.encode_image = lambda image, device: clip_rows()
        else:
            pipe = WanPipeline(**parts)
        if has_experts:
            more["guidance_scale_2"] = 3.5 if is_image else 3.0
        pipe.set_progress_bar_config(disable=True)
        rows = 512 if has_clip else 24
        noise = uni("latents", (1, latent, 3, height // cell, width // cell))
        done = pipe(
            prompt_embeds=states("pos", rows), negative_prompt_embeds=states("neg", rows), height=height, width=width,
            num_frames=9, num_inference_steps=4, guidance_scale=4.0 if has_experts else 3.0, latents=noise,
            output_type="latent", **more).frames
        tell(f"pipeline {kind}", done)
        if is_image:
            config = parts["vae"].config
            mean, std = (torch.tensor(v).view(1, -1, 1, 1, 1) for v in (config.latents_mean, config.latents_std))
            tell(f"pipeline {kind}, pixels", parts["vae"].decode(done * std + mean).sample)

    for kind in ("t2v", "a14b", "ti2v", "i2v", "i2v-a14b"):
        run(kind)


# What the vocabulary is learned from, and what is cut into its pieces.
CORPUS = [
    "A red ball rolls across the green grass while the camera follows it slowly.",
    "At dusk, a tall woman in a blue coat walks along the beach; the camera pans to the left.",
    "Two small dogs run through the park, jump over a puddle and look into the camera.",
    "A yellow car drives down a neon street at night, and the wet ground shines.",
    "The sun sets behind the hills, snow falls, and a cat sleeps on the roof of the house.",
    "Das Boot liegt ruhig am Ufer, und der Wind bewegt die Blätter der Bäume.",
    "Le petit garçon court vers la mer, où le bateau s'éloigne déjà.",
    "一只猫坐在屋顶上，看着下面的街道。最差质量，低质量，静止不动的画面，背景人很多。",
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰。",
]
TEXTS = [
    "A cat walks on the roof of the house.",
    "  the   camera\tfollows a dog ",
    "Ａ ｂｌｕｅ ｃａｒ！ ﬁre ½",
    "静止不动的画面，低质量",
    "xylophone 🙂 Ω",
    "",
]
# Rules of normalisation, as they are compiled into a vocabulary: full-width letters and a ligature.
RULES = [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)] + [("ﬁ", "fi"), ("½", "1/2"), ("\t", " ")]


def tokenizer() -> None:
    import sentencepiece
    import tokenizers
    from tokenizers import models, normalizers, pre_tokenizers
    from sentencepiece import sentencepiece_model_pb2 as protocol

    FIXTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        hexes = lambda text: " ".join(f"{ord(c):X}" for c in text)
        rules.write_text("".join(f"{hexes(old)}\t{hexes(new)}\n" for old, new in RULES))
        corpus = Path(folder) / "corpus.txt"
        corpus.write_text("\n".join(CORPUS * 20))
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(Path(folder) / "spiece"), vocab_size=150, model_type="unigram",
            normalization_rule_tsv=str(rules), pad_id=0, eos_id=1, bos_id=2, unk_id=3, character_coverage=0.98,
            num_threads=1, minloglevel=2)
        data = (Path(folder) / "spiece.model").read_bytes()
    (FIXTURES / "spiece.model").write_bytes(data)
    proto = protocol.ModelProto()
    proto.ParseFromString(data)
    rules = proto.normalizer_spec.precompiled_charsmap
    own = tokenizers.Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], 3, byte_fallback=False))
    own.normalizer = normalizers.Sequence([
        normalizers.Precompiled(rules), normalizers.Strip(left=False, right=True),
        normalizers.Replace(tokenizers.Regex(" {2,}"), "▁")])
    own.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    (FIXTURES / "tokenizer.json").write_text(own.to_str())
    sp = sentencepiece.SentencePieceProcessor(model_proto=data)
    texts = [{"text": text, "ids": sp.encode(text) + [1]} for text in TEXTS]
    (FIXTURES / "texts.json").write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n")
    for at, text in enumerate(texts):
        same = own.encode(text["text"], add_special_tokens=False).ids + [1] == text["ids"]
        print(f"text {at}: {len(text['ids'])} tokens, {'as' if same else 'other than'} tokenizer.json has them")
    tell("umt5 of text 0", umt5_states(texts[0]["ids"], 512))
    tell("umt5 of text 3", umt5_states(texts[3]["ids"], 512))


PARTS = {
    "resize": resize, "clean": clean, "umt5": umt5, "tokenizer": tokenizer, "dit": dit, "vae": vae_figures,
    "clip": clip_figures, "solvers": solvers, "pipelines": pipelines,
}

if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in PARTS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with torch.no_grad():
        for name in sys.argv[1:] or PARTS:
            PARTS[name]()
