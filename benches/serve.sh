#!/usr/bin/env bash
# Holds `bertqa serve` against the sample application's way to serve (FastAPI, see sample_server.py), with the same
# model and the same rows, at several numbers of clients, and prints a table of requests/s and latencies.
#
# usage: benches/serve.sh ROWS [--concurrency 1,8,64,256] [--duration SECONDS] [--threads N] [--model DIR]
#                         [--tokenizer DIR] [--python PYTHON]
#
# The binary is $BERTQA, or the release build. $PYTHON needs torch, transformers, fastapi and uvicorn.
set -euo pipefail

[[ $# -ge 1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
command -v python3 > /dev/null || { echo "python3 is missing: install Python 3.10 or newer" >&2; exit 2; }
exec python3 "$(dirname "$0")/serve.py" "$@"
