#!/usr/bin/env bash
# Runs bertqa and its peers on the same rows in one sitting and prints a table of speed and accuracy.
#
# usage: benches/race.sh PEERS_DIR INPUT.jsonl GOLD.json... [--peers "bertqa hf ort-f32"] [--rounds 3] [--limit N]
#                        [--threads N] [--model DIR] [--tokenizer DIR] [--out DIR] [--python PYTHON]
#
# The binary is $BERTQA, or the release build. The peers need `pip install -r PEERS_DIR/requirements.txt`.
set -euo pipefail

[[ $# -ge 3 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
command -v python3 > /dev/null || { echo "python3 is missing: install Python 3.10 or newer" >&2; exit 2; }
exec python3 "$(dirname "$0")/race.py" "$@"
