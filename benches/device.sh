#!/usr/bin/env bash
# Packs a kit that measures bertqa on a machine with a GPU, against torch itself, in one go and with nothing installed.
#
# usage: benches/device.sh pack [DIR]        (without DIR: target/device-kit)
#
# DIR has at most 64 MB: the program, linked against torch 2.11 with its part for CUDA; models/fast and a network with the
# shapes of BERT base, both traced in f16 and packed; the samples, of which rows are made there. Carry it to a machine
# with Linux on x86_64 (glibc as here or newer) and a Python 3.10 or newer that has torch 2.11, and measure:
#
#     python3 DIR/measure.py [--help]
#
# Environment: PYTHON, which has torch 2.11 and transformers 5.2.0 to trace the models; CARGO_TARGET_DIR, CARGO_FLAGS (more
# for cargo), BERTQA_CACHE (where libtorch goes).
set -euo pipefail

torch=2.11.0

[[ ${1:-} == pack && $# -le 2 ]] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
kit=$(realpath --canonicalize-missing "${2:-.}")
cd "$(dirname "$0")/.."
target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
[[ $# -eq 2 ]] || kit=$target/device-kit
python=${PYTHON:-python3}

if ! found=$("$python" -c 'import tokenizers, torch, transformers; print(torch.__version__.split("+")[0])') ||
    [[ $found != "$torch" ]]; then
    echo "device.sh: PYTHON ($python) needs torch $torch and transformers 5.2.0 to trace the models" >&2
    exit 2
fi

folder=$(PYTHON=$python docker/libtorch.sh "$torch")
# shellcheck source=/dev/null
. "$folder/env"

# Cargo.lock has the tch of the newest torch, and keeps it. The program is linked as in docker/torch.Dockerfile: through
# libtorch.so, which pulls in CUDA's part where it is run.
(
    lock=$(mktemp)
    cp Cargo.lock "$lock"
    trap 'cp "$lock" Cargo.lock; rm -f "$lock"' EXIT
    cargo update --quiet tch --precise "$(docker/tch.sh "$torch")"
    # shellcheck disable=SC2086
    cargo rustc --release --locked --no-default-features --features cli,torch --bin bertqa ${CARGO_FLAGS:-} -- \
        -C link-arg="-L$folder/lib" -C link-arg=-Wl,--no-as-needed -C link-arg=-ltorch
)

"$python" benches/device/pack.py "$target/release/bertqa" "$kit"
