#!/usr/bin/env bash
# Holds `bertqa serve` to its own OpenAPI document: schemathesis makes up requests, right and wrong ones, and each answer
# has to be a documented one, and none a failure of the server.
#
#   tests/openapi.sh [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

binary="$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/bertqa}")"
root="$PWD"
venv="${BERTQA_CACHE:-$HOME/.cache/bertqa}/schemathesis"
[ -x "$venv/bin/schemathesis" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'schemathesis==4.32.5'; }

# schemathesis leaves its notes where it runs.
work="$(mktemp -d)"
log="$work/log"
"$binary" serve --port 0 --model tests/fixtures/families/xlm-roberta 2>"$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
until grep -q ready: "$log"; do
    kill -0 "$server" || { cat "$log"; exit 1; }
    sleep 0.1
done
url="$(grep -om1 'http://[0-9.:]*' "$log")"

cd "$work"
"$venv/bin/schemathesis" --config-file "$root/tests/schemathesis.toml" run "$url/openapi.json" --checks all --max-examples "${EXAMPLES:-100}" --seed 1 \
    --generation-database none
