#!/usr/bin/env bash
# Shows that memory does not grow with rows: peak resident memory of runs over 100,000 and 1,000,000 rows, from a file
# to Parquet and from a pipe to JSON Lines, with a tiny random model.
#
# usage: benches/memory.sh ROWS.jsonl [SCRATCH_DIR]
#
# ROWS.jsonl is repeated until there are enough. Environment: BERTQA (the binary), MODEL.
set -euo pipefail
[[ $# -ge 1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
rows=$(realpath "$1")
scratch=$(mktemp -d -p "${2:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$scratch"' EXIT
cd "$(dirname "$0")/.."
bertqa=${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}
model=${MODEL:-tests/fixtures/families/xlm-roberta}

repeat() { while cat "$rows"; do :; done 2>/dev/null | head -n "$1" || true; }

# peak COMMAND...: its peak resident memory in MB, as the kernel counted it.
peak() {
    python3 - "$@" <<'PYTHON'
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdin=open("/dev/fd/3")).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"{peak / 1024:.0f} MB (status {status})")
PYTHON
}

for count in 100000 1000000; do
    repeat $count > "$scratch/rows.jsonl"
    printf '%s rows, file to Parquet: ' $count
    peak "$bertqa" run "$scratch/rows.jsonl" -o "$scratch/out.parquet" --force --model "$model" --doc-stride 16 3< /dev/null
    printf '%s rows, pipe to JSON Lines: ' $count
    # shellcheck disable=SC2016 # sh's own arguments
    peak sh -c '"$0" stdin --model "$1" --doc-stride 16 > "$2"' "$bertqa" "$model" "$scratch/out.jsonl" 3< <(repeat $count)
done
