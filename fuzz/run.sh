#!/usr/bin/env bash
# Fuzzes targets one after the other, and says how each did.
#
# usage: fuzz/run.sh SECONDS TARGET... (all: every one)
#
# Needs a nightly Rust and cargo-fuzz (`cargo install cargo-fuzz`); `manifest` links a libtorch (docker/libtorch.sh).
# What is found lies in fuzz/artifacts, inputs that reach something new in fuzz/work.
set -euo pipefail
cd "$(dirname "$0")"

seconds=$1
shift
targets=("$@")
if [[ $* == all ]]; then
    mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir .)
fi

# Rust that is safe has little for a sanitizer to find, and is several times as fast without.
options=(--fuzz-dir . --release --sanitizer none)
# An input that takes this long, or this much memory, is a failure. (src/memory.rs limits what is asked for at once.)
limits=(-timeout=10 -rss_limit_mb=2048)

# Files that are read by their paths are in memory, where there is such a folder.
scratch=$(mktemp -d -p "$([[ -d /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$scratch"' EXIT

# polars would start a thread for each core.
export POLARS_MAX_THREADS=1

failed=0
for target in "${targets[@]}"; do
    features=()
    if [[ $target == manifest ]]; then
        features=(--features torch)
        # shellcheck disable=SC1091
        . "$(../docker/libtorch.sh 2.13.0)/env"
    fi
    mkdir -p "work/$target"
    log="work/$target.log"
    # Not `fuzz run`, which would build within the time.
    cargo +nightly fuzz build "${options[@]}" ${features[@]+"${features[@]}"} "$target"
    if ! TMPDIR=$scratch cargo +nightly fuzz run "${options[@]}" ${features[@]+"${features[@]}"} "$target" "work/$target" "corpus/$target" -- \
        "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 > "$log" 2>&1; then
        failed=1
        tail -n 30 "$log"
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    echo "$target: ${executions:-?} executions, ${rate:-?} a second, edges ${edges#cov: }"
done
exit $failed
