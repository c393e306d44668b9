"""The pieces of work of `hibari bench --work`, on PyTorch, eager, bf16: bench_torch.py WORK [RUNS]

Prints one JSON line, {"work", "seconds", "peak_mb"}: the median of RUNS runs after one that warms up, and the most memory
that the process has held. Shapes are those of crates/hibari-cli/src/commands/work.rs, piece by piece. As is usual in
PyTorch, weights and activations are bf16 (also beside hibari's 8-bit integers), and a training step runs under autocast with
f32 parameters, Muon and AdamW.
"""

import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BF16 = torch.bfloat16


def linear(m, k, n):
    x, layer = torch.randn(m, k, dtype=BF16), nn.Linear(k, n, bias=False, dtype=BF16)
    return lambda: layer(x)


def attention(batch, tokens, heads, width):
    q, k, v = (torch.randn(batch, heads, tokens, width, dtype=BF16) for _ in range(3))
    return lambda: F.scaled_dot_product_attention(q, k, v)


class ResBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x, norm):
        y = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2) if norm else x
        return x + self.conv_out(F.silu(self.conv_in(y)))


class Decoder(nn.Module):
    """The decoder of lark-ae: neighbours in time, three stages, pixel shuffles with repeated channels."""

    def __init__(self, channels=32, widths=(384, 192, 96), blocks=(3, 3, 1)):
        super().__init__()
        self.start = nn.Conv2d(3 * channels, widths[0], 1)
        self.up = nn.ModuleList(nn.Conv2d(widths[i], 4 * widths[i + 1], 1) for i in range(2))
        self.stages = nn.ModuleList(
            nn.ModuleList(ResBlock(width) for _ in range(n)) for width, n in zip(widths, blocks)
        )
        self.end = nn.Conv2d(widths[2], 192, 1)

    def forward(self, z):  # [f, C, h, w]
        padded = F.pad(z, (0, 0, 0, 0, 0, 0, 1, 1))
        x = self.start(torch.cat([padded[:-2], z, padded[2:]], 1))
        for i, stage in enumerate(self.stages):
            if i > 0:
                y = self.up[i - 1](x)
                x = F.pixel_shuffle(y + x.repeat_interleave(y.shape[1] // x.shape[1], 1), 2)
            for j, block in enumerate(stage):
                x = block(x, j == 0)
        return self.end(x)


def decode():
    net = Decoder().to(BF16).to(memory_format=torch.channels_last)
    z = torch.randn(12, 32, 9, 16, dtype=BF16).to(memory_format=torch.channels_last)
    return lambda: net(z)


def rotate(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.d_head = heads, d // heads
        self.query, self.key, self.value, self.output = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.query_gain, self.key_gain = (nn.Parameter(torch.ones(self.d_head)) for _ in range(2))

    def split(self, layer, x):
        return layer(x).unflatten(-1, (self.heads, self.d_head)).transpose(-3, -2)

    def turned(self, layer, gain, x, tables):
        return rotate(F.rms_norm(self.split(layer, x), (self.d_head,), gain), *tables)

    def forward(self, x, tables, text=None, text_tables=None):
        q = self.turned(self.query, self.query_gain, x, tables)
        k = self.turned(self.key, self.key_gain, x, tables)
        v = self.split(self.value, x)
        if text is not None:
            k = torch.cat([k, self.turned(self.key, self.key_gain, text, text_tables)], -2)
            v = torch.cat([v, self.split(self.value, text)], -2)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.output(y.transpose(-3, -2).flatten(-2))


class Gated(nn.Module):
    def __init__(self, d, hidden):
        super().__init__()
        self.gate, self.value = nn.Linear(d, hidden, bias=False), nn.Linear(d, hidden, bias=False)
        self.output = nn.Linear(hidden, d, bias=False)

    def forward(self, x):
        return self.output(F.silu(self.gate(x)) * self.value(x))


class Dit(nn.Module):
    """lark-s: width 384, 12 layers, every second one over the whole window and the text."""

    def __init__(self, d=384, heads=6, hidden=1024, layers="SF" * 6, words=1536, values=128, refiner=2):
        super().__init__()
        self.d, self.kinds = d, layers
        self.token_in, self.token_out = nn.Linear(values, d), nn.Linear(d, values)
        self.level_in, self.level_out = nn.Linear(256, d), nn.Linear(d, d)
        self.modulation, self.head_modulation = nn.Linear(d, 6 * d), nn.Linear(d, 2 * d)
        self.text_in, self.words = nn.Linear(384, d), nn.Embedding(words, d)
        pair = lambda: nn.ModuleList([Attention(d, heads), Gated(d, hidden)])
        self.refiner = nn.ModuleList(pair() for _ in range(refiner))
        self.blocks = nn.ModuleList(pair() for _ in layers)
        self.bias = nn.Parameter(torch.zeros(len(layers), 6 * d))

    def norm(self, x):
        return F.layer_norm(x, (self.d,))

    def forward(self, noisy, sigma, states, words, tables):
        window, frame, order, middle = tables
        text = self.text_in(states) + self.words(words)
        for attention, gated in self.refiner:
            text = text + attention(self.norm(text), order)
            text = text + gated(self.norm(text))
        text = self.norm(text)
        b, n, _ = noisy.shape
        f = sigma.shape[1]
        angles = sigma[..., None] * 1000 * torch.exp(-torch.arange(128) / 128 * 9.21)
        level = F.silu(self.level_out(F.silu(self.level_in(torch.cat([angles.cos(), angles.sin()], -1)))))
        shared = self.modulation(level)
        spread = lambda m: m[:, :, None].expand(b, f, n // f, self.d).reshape(b, n, self.d)
        modulated = lambda x, scale, shift: self.norm(x) * (1 + spread(scale)) + spread(shift)
        x = self.token_in(noisy)
        for kind, bias, (attention, gated) in zip(self.kinds, self.bias, self.blocks):
            a1, b1, g1, a2, b2, g2 = (shared + bias).chunk(6, -1)
            y = modulated(x, a1, b1)
            if kind == "S":
                y = attention(y.reshape(b * f, n // f, self.d), frame).reshape(b, n, self.d)
            else:
                y = attention(y, window, text, middle)
            x = x + spread(g1) * y
            x = x + spread(g2) * gated(modulated(x, a2, b2))
        scale, shift = self.head_modulation(level).chunk(2, -1)
        return self.token_out(modulated(x, scale, shift))


def step():
    windows, tokens, text = 8, 480, 96
    net = Dit()
    # The same as in hibari: Muon on the matrices of hidden layers, AdamW on all else.
    hidden = [p for part in (net.blocks, net.refiner) for p in part.parameters() if p.ndim == 2]
    others = [p for p in net.parameters() if all(p is not h for h in hidden)]
    optimisers = (
        torch.optim.Muon(hidden, lr=1e-4, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=1e-4, betas=(0.9, 0.95)),
    )
    average = [p.detach().clone() for p in net.parameters()]
    table = lambda n: tuple(torch.randn(n, 32) for _ in range(2))
    tables = table(tokens), table(tokens // 12), table(text), table(text)
    noisy, sigma = torch.randn(windows, tokens, 128), torch.full((windows, 12), 0.5)
    states, words = torch.randn(windows, text, 384), torch.arange(text).repeat(windows, 1)

    def run():
        with torch.autocast("cpu", BF16):
            loss = F.mse_loss(net(noisy, sigma, states, words, tables).float(), noisy)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        torch._foreach_lerp_(average, [p.detach() for p in net.parameters()], 0.01)

    return run


def wan_dit(frames, height, width):
    from diffusers import WanTransformer3DModel

    net = WanTransformer3DModel(num_attention_heads=12, ffn_dim=8960, num_layers=30).to(BF16)
    latents = torch.randn(1, 16, frames, height, width, dtype=BF16)
    text = torch.randn(1, 512, 4096, dtype=BF16)
    return lambda: net(latents, torch.tensor([875]), text)


def wan_vae():
    from diffusers import AutoencoderKLWan

    vae, z = AutoencoderKLWan(), torch.randn(1, 16, 5, 32, 32)  # f32, as it is published
    return lambda: vae.decode(z)


WORKS = {
    "linear-2048x1536x1536": lambda: linear(2048, 1536, 1536),
    "linear-2048x1536x6144": lambda: linear(2048, 1536, 6144),
    "linear-512x384x1536": lambda: linear(512, 384, 1536),
    "attention-4096x12x128": lambda: attention(1, 4096, 12, 128),
    "attention-8x480x6x64": lambda: attention(8, 480, 6, 64),
    "lark-s-step": step,
    "lark-ae-decode": decode,
    "wan-dit-1280": lambda: wan_dit(5, 32, 32),
    "wan-dit-1280-int8": lambda: wan_dit(5, 32, 32),
    "wan-dit-3510": lambda: wan_dit(9, 30, 52),
    "wan-dit-3510-int8": lambda: wan_dit(9, 30, 52),
    "wan-vae-decode": wan_vae,
}


def main():
    work, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    run = WORKS[work]()
    seconds = []
    with torch.set_grad_enabled(work == "lark-s-step"):
        for _ in range(runs + 1):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"work": work, "seconds": statistics.median(seconds[1:]), "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
