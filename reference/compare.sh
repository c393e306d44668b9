#!/usr/bin/env bash
# Measures hibari beside PyTorch, in turn, on the same pieces of work: compare.sh HIBARI [WORK ...]
# Prints one JSON line a piece: medians of RUNS (5), their ratio (above 1: hibari is faster), and peak memory. Makes its
# own virtual environment in reference/.venv-bench, unless PYTHON names an interpreter that has torch. Only meaningful on a
# machine that does nothing else.
set -euo pipefail
hibari=$(realpath "$1"); shift
here=$(dirname "$(realpath "$0")"); venv=$here/.venv-bench; runs=${RUNS:-5}
python=${PYTHON:-$venv/bin/python}
if [ -z "${PYTHON:-}" ] && [ ! -x "$python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --requirement "$here/requirements-bench.txt" >&2
fi
threads=$(nproc)
works=("$@")
[ $# -gt 0 ] || works=(linear-2048x1536x1536 linear-2048x1536x6144 linear-512x384x1536 attention-4096x12x128
  attention-8x480x6x64 lark-s-step lark-ae-decode wan-dit-1280 wan-dit-1280-int8 wan-dit-3510 wan-dit-3510-int8
  wan-vae-decode)
for work in "${works[@]}"; do
  ours=$("$hibari" bench --work "$work" --runs "$runs" --threads "$threads" --json)
  theirs=$(OMP_NUM_THREADS=$threads "$python" "$here/bench_torch.py" "$work" "$runs")
  python3 - "$ours" "$theirs" <<'PYTHON'
import json, sys

ours, theirs = map(json.loads, sys.argv[1:])
assert ours["work"] == theirs["work"]
print(json.dumps({
    "work": ours["work"],
    "hibari_s": round(ours["seconds"], 5),
    "torch_s": round(theirs["seconds"], 5),
    "ratio": round(theirs["seconds"] / ours["seconds"], 2),
    "hibari_mb": round(ours["peak_mb"]),
    "torch_mb": round(theirs["peak_mb"]),
}), flush=True)
PYTHON
done
