#!/usr/bin/env bash
# Runs bertqa and its peers on the same rows in one sitting and prints a table of speed and accuracy.
#
# usage: benches/race.sh PEERS_DIR INPUT.jsonl GOLD.json... [--peers "bertqa hf ort-f32"] [--rounds 3] [--limit N]
#                        [--threads N] [--model DIR] [--tokenizer DIR] [--out DIR] [--python PYTHON]
#                        [--models DIR --batch-sizes 8,16,32] [--raw FILE]
#
# The binary is $BERTQA, or the release build; "bertqa:f32:avx2" is one with a precision and BERTQA_ISA. The peers need
# `pip install -r PEERS_DIR/requirements.txt`. With --models they are those of PEERS_DIR/stronger.py, over what its
# build_models.py made, each at its best batch size.
set -euo pipefail

[[ $# -ge 3 ]] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
command -v python3 > /dev/null || { echo "python3 is missing: install Python 3.10 or newer" >&2; exit 2; }
exec python3 "$(dirname "$0")/race.py" "$@"
