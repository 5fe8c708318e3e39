#!/usr/bin/env bash
# Holds bertqa's answers against the reference's (transformers 5.2.0, f32) over whole data sets and prints a table.
#
# usage: benches/parity.sh PEERS_DIR DATA_DIR [CACHE_DIR]
#
# PEERS_DIR has peer.py and to_jsonl.py, DATA_DIR has jsquad-valid.json and jaquad/dev/*.json. The reference takes tens
# of minutes; its answers stay in CACHE_DIR, so that later runs take only bertqa's time.
# Environment: BERTQA (the binary), PYTHON, MODEL, TOKENIZER (folders), THREADS.
set -euo pipefail

[[ $# -ge 2 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
peers=$(realpath "$1")
data=$(realpath "$2")
cache=${3:-${XDG_CACHE_HOME:-$HOME/.cache}/bertqa-parity}
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
model=${MODEL:-models/default}
tokenizer=${TOKENIZER:-tokenizer}
threads=${THREADS:-$(nproc)}
"$python" -c 'import torch, transformers' 2>/dev/null || {
    echo "$python lacks torch or transformers: pip install -r $peers/requirements.txt, or name another by PYTHON" >&2
    exit 2
}
if [[ -z ${BERTQA:-} ]]; then
    target=$(cargo metadata --no-deps --format-version 1 |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    BERTQA=$target/release/bertqa
fi
[[ -x $BERTQA ]] || { echo "no $BERTQA: cargo build --release, or name the binary by BERTQA" >&2; exit 2; }

mkdir -p "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# compare NAME ROWS [OPTION...]: the same options go to the reference and to bertqa.
compare() {
    local name=$1 rows=$2
    shift 2
    local settings=(--model "$model" --tokenizer "$tokenizer" --threads "$threads")
    local key expected
    key=$({ cat "$model/config.json" "$model/model.safetensors" "$tokenizer/tokenizer.json" "$rows"; echo "$@"; } |
        sha256sum | cut -c1-16)
    expected=$cache/$key.jsonl
    if [[ ! -e $expected ]]; then
        echo "$name: the reference runs" >&2
        if [[ "$*" =~ top-k|impossible|align ]]; then
            "$python" benches/parity.py reference "$rows" "$work/expected" "${settings[@]}" "$@" >&2
        else
            "$python" "$peers/peer.py" hf "$rows" "$work/expected" "${settings[@]}" "$@" >&2
        fi
        mv "$work/expected" "$expected"
    fi
    echo "$name: bertqa runs" >&2
    # Status 1: some rows failed; the comparison names them.
    "$BERTQA" run "$rows" -o "$work/found.jsonl" --force --quiet --precision f32 --compat transformers "${settings[@]}" "$@" || [[ $? == 1 ]]
    "$python" benches/parity.py compare "$rows" "$expected" "$work/found.jsonl" --name "$name" "${settings[@]}" "$@" |
        tee -a "$work/report" | { grep -v '^|' || true; } || failed=1
}

"$python" "$peers/to_jsonl.py" "$data/jsquad-valid.json" > "$work/jsquad.jsonl"
"$python" "$peers/to_jsonl.py" "$data"/jaquad/dev/*.json > "$work/jaquad.jsonl"
# 300 rows spread over both sets.
cat "$work/jsquad.jsonl" "$work/jaquad.jsonl" | awk 'NR % 27 == 1 && n++ < 300' > "$work/sample.jsonl"

windows=(--max-seq-len 128 --doc-stride 32)
compare "jsquad-valid" "$work/jsquad.jsonl"
compare "jaquad/dev" "$work/jaquad.jsonl"
compare "jaquad/dev, ${windows[*]}" "$work/jaquad.jsonl" "${windows[@]}"
compare "sample, --top-k 5" "$work/sample.jsonl" --top-k 5
compare "sample, --top-k 5 ${windows[*]}" "$work/sample.jsonl" --top-k 5 "${windows[@]}"
compare "sample, --handle-impossible-answer" "$work/sample.jsonl" --handle-impossible-answer
compare "sample, --align-to-words" "$work/sample.jsonl" --align-to-words

echo
echo "| rows | count | same answer, start, end | share | largest score difference | differing | unexplained | |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
grep '^|' "$work/report"
exit "$failed"
