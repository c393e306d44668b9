"""Runs the original library's BERT with the weights of `weights/minilm.safetensors` and stores what it computes.

Writes `fixtures/minilm.safetensors`, and prints how far int8 moved the sentence vectors from the float model's.
"""

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

import hibari_weights
import minilm

TEXTS = [
    "A red ball rolls across the grass.",
    "At dusk, a tall woman in a blue coat walks slowly along the beach while the camera pans to the left.",
    "Café Zoë's naïve façade: “déjà-vu” -- 3.5% off, (really?!) 東京 🙂 unbelievably/antidisestablishmentarianism…",
    "dog",
    "The sun sets behind the hills. A small child in yellow boots jumps over a puddle; then she turns around and waves.",
    " ".join(f"Shot {i}: the brown dog runs past the old house, and the light grows colder." for i in range(1, 25)),
]
PROBES = 6  # tokens of each text whose states are stored


def quantised(model: torch.nn.Module) -> torch.nn.Module:
    """The model with the dequantised weights of our file."""
    ours = hibari_weights.read(minilm.WEIGHTS)
    state = model.state_dict()

    def put(name: str, values: np.ndarray) -> None:
        state[name][: len(values)] = torch.from_numpy(values.copy())

    put("embeddings.word_embeddings.weight", ours["words"])
    put("embeddings.position_embeddings.weight", ours["positions"])
    state["embeddings.token_type_embeddings.weight"].zero_()
    for name, theirs in minilm.linears().items():
        put(f"{theirs}.weight", ours[f"{name}.weight"].T)
        put(f"{theirs}.bias", ours[f"{name}.bias"])
    for name, theirs in minilm.norms().items():
        put(f"{theirs}.weight", ours[f"{name}.gain"])
        put(f"{theirs}.bias", ours[f"{name}.bias"])
    model.load_state_dict(state)
    return model


def states(model: torch.nn.Module, ids: list[int]) -> np.ndarray:
    """Last hidden states, `[L, 384]`."""
    with torch.no_grad():
        return model(torch.tensor([ids])).last_hidden_state[0].numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(minilm.MODEL)
    original = AutoModel.from_pretrained(minilm.MODEL).eval()
    model = quantised(AutoModel.from_pretrained(minilm.MODEL)).eval()
    tensors = {}
    for idx, text in enumerate(TEXTS):
        ids = tokenizer(text, truncation=True, max_length=minilm.POSITIONS)["input_ids"]
        hidden = states(model, ids)
        probes = np.unique(np.linspace(0, len(ids) - 1, PROBES).round()).astype(np.uint32)
        tensors |= {
            f"{idx}.text": np.frombuffer(text.encode(), np.uint8),
            f"{idx}.ids": np.array(ids, np.uint32),
            f"{idx}.probes": probes,
            f"{idx}.states": hidden[probes],
            f"{idx}.mean": hidden.mean(axis=0),
        }
        exact = states(original, ids)
        print(
            f"text {idx}: {len(ids)} tokens, int8 against float: pooled cosine"
            f" {cosine(hidden.mean(0), exact.mean(0)):.6f},"
            f" lowest token cosine {min(map(cosine, hidden, exact)):.6f}"
        )
    digest = hibari_weights.write(minilm.FIXTURE, tensors, {"made by": "reference/fixtures_minilm.py"})
    print(f"{minilm.FIXTURE.name}: {minilm.FIXTURE.stat().st_size} bytes, {digest}")


if __name__ == "__main__":
    main()
