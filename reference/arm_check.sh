#!/usr/bin/env bash
# Runs the tests of the kernels as a 64-bit Arm processor does, in an emulator: arm_check.sh
# Needs rustup, and of Debian the packages qemu-user and gcc-aarch64-linux-gnu. For the whole program, build with the same
# variables and `--package hibari-cli`, with CC and CXX of the target for what is written in C.
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
rustup target add "$target"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
cargo test --release --target "$target" --package hibari-kernels --lib
