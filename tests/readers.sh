#!/usr/bin/env bash
# Reads what bertqa writes as Parquet and Arrow with the readers that people have: pyarrow 10, 14 and the newest, pandas,
# DuckDB, fastparquet, polars, datasets.
#
# usage: tests/readers.sh
#
# The readers go into virtual environments in the cache. Environment: BERTQA (the binary; without it the release build),
# BERTQA_CACHE, PYTHON (of which the oldest reader has a package: 3.8 to 3.11).
set -euo pipefail
cd "$(dirname "$0")/.."

bertqa=${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}
readers=${BERTQA_CACHE:-$HOME/.cache/bertqa}/readers
python=${PYTHON:-python3.11}
if ! command -v "$python" > /dev/null; then
    echo "readers: left out, since $python is not here, of which pyarrow 10 has a package"
    exit
fi

environment() { # environment NAME PACKAGE...
    local venv=$readers/$1
    shift
    if [[ $(cat "$venv/installed" 2> /dev/null) != "$*" ]]; then
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet "$@"
        echo "$*" > "$venv/installed"
    fi
}
environment pyarrow10 pyarrow==10.0.1 'numpy<2' pandas==1.5.3
environment pyarrow14 pyarrow==14.0.2 'numpy<2' pandas==2.1.4 fastparquet==2023.10.1
environment newest pyarrow pandas duckdb polars datasets fastparquet

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$readers/newest/bin/python" tests/readers.py write "$folder"
for input in typed.parquet typed.arrow rows.jsonl; do
    for output in parquet arrow arrows; do
        "$bertqa" run "$folder/$input" -o "$folder/$input.out.$output" --quiet --model tests/fixtures/families/bert
    done
done
for reader in pyarrow10 pyarrow14 newest; do
    "$readers/$reader/bin/python" tests/readers.py read "$folder"
done
