#!/usr/bin/env bash
# How cost grows with the length of the context, and what a second thread brings: rows per second for contexts of 50 to
# 5,000 characters, cut from or joined out of those of a data set.
#
# usage: benches/growth.sh ROWS.jsonl [LENGTHS] [THREADS]
#
# The binary is $BERTQA, or the release build.
set -euo pipefail

[[ $# -ge 1 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
rows=$1 lengths=${2:-50 150 500 1500 5000} threads=${3:-1 2}
bertqa=${BERTQA:-$(dirname "$0")/../target/release/bertqa}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "| characters | $(for t in $threads; do printf 'rows/s, %s threads | ' "$t"; done)"
echo "| ---: | $(for t in $threads; do printf -- '---: | '; done)"
for length in $lengths; do
    # About 400,000 characters in all: some seconds.
    python3 - "$rows" "$length" > "$work/rows.jsonl" << 'PYTHON'
import itertools, json, sys
path, length = sys.argv[1], int(sys.argv[2])
rows = [json.loads(line) for line in open(path, encoding="utf-8")]
text = "".join(dict.fromkeys(row["context"] for row in rows))
for number in range(max(20, min(3000, 400_000 // length))):
    begin = number * length % (len(text) - length)
    print(json.dumps({"question": rows[number % len(rows)]["question"], "context": text[begin:begin + length]}))
PYTHON
    printf '| %s | ' "$length"
    for count in $threads; do
        "$bertqa" run "$work/rows.jsonl" -o "$work/out.jsonl" --force --threads "$count" --log-format json 2>&1 |
            tail -1 | python3 -c 'import json, sys; print("%.1f |" % json.load(sys.stdin)["rows_per_second"], end=" ")'
    done
    echo
done
