#!/usr/bin/env bash
# Runs out of disk on a small tmpfs, once for each format, and goes on when there is room.
#
# usage: tests/full-disk.sh
#
# Needs Linux, and root or user namespaces. Environment: BERTQA (the binary; without it the release build), MODEL (a
# folder).
set -euo pipefail
cd "$(dirname "$0")/.."

bertqa=$(realpath "${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}")
model=$(realpath "${MODEL:-tests/fixtures/families/xlm-roberta}")
if [[ ${1:-} != inside ]]; then
    BERTQA=$bertqa MODEL=$model exec unshare --mount --map-root-user tests/full-disk.sh inside
fi

work=$(mktemp -d)
trap 'umount "$work/disk" 2> /dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/disk"
for ((id = 0; id < 4000; id++)); do
    echo "{\"id\": $id, \"question\": \"Who won the race?\", \"context\": \"Ann won race $id. Bob was second.\"}"
done > "$work/in.jsonl"
cd "$work"
run() { "$bertqa" run in.jsonl --model "$model" --quiet --checkpoint-rows 10 -o "$@"; }

for output in out.jsonl out.csv out.jsonl.gz out.csv.zst out.parquet out.arrow; do
    mount -t tmpfs -o size=256k tmpfs disk
    status=0
    run "disk/$output" 2> said || status=$?
    if [[ $status != 2 ]] || ! grep -q "disk/$output.*No space left on device" said; then
        echo "$output: ended with $status: $(cat said)" >&2
        exit 1
    fi
    rows=$(grep -c '{"row":' "disk/$output.journal")
    mount -o remount,size=64m disk
    run "disk/$output" --resume
    run "whole-$output"
    cmp "disk/$output" "whole-$output"
    [[ $(ls -A disk) == "$output" ]] || { echo "left: $(ls -A disk)" >&2; exit 1; }
    umount disk
    echo "$output: ran full after $rows rows, went on; bytes equal"
done
