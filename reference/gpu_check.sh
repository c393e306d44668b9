#!/usr/bin/env bash
# Compares a graphics card with the CPU: gpu_check.sh HIBARI [DEVICE]
# The same prompt, seed and steps on both; prints the relative difference of the latents and the time of each, and fails
# where the difference is above 2e-2 (the CPU multiplies in bf16).
set -euo pipefail
hibari=$(realpath "$1"); device=${2:-gpu}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
for run in cpu "$device" "$device"; do # the first run on a card compiles its code
  began=$(date +%s.%N)
  "$hibari" --device "$run" generate "a red car drives down a neon street at night" --seed 7 --seconds 2 \
    --out "$run.mp4" --save-latents "$run.safetensors" --force --quiet
  echo "$run: $(echo "$(date +%s.%N) - $began" | bc) s"
done
python3 - cpu.safetensors "$device.safetensors" <<'PYTHON'
import json, struct, sys

def floats(path):
    data = open(path, "rb").read()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    (entry,) = [value for key, value in header.items() if key != "__metadata__"]
    assert entry["dtype"] == "F32", entry
    begin, end = entry["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 4}f", data[8 + n :][begin:end])

cpu, card = map(floats, sys.argv[1:])
difference = (sum((a - b) ** 2 for a, b in zip(cpu, card)) / sum(a * a for a in cpu)) ** 0.5
print(f"relative difference of the latents: {difference:.2e}")
sys.exit(difference > 2e-2)
PYTHON
