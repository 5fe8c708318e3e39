#!/usr/bin/env bash
# Tests the page of `bertqa serve` in Debian's Chromium.
#
# usage: tests/page.sh [TEST_FILE...]
#
# Needs Node.js 20 and npm; Chromium is installed where it is missing, npm packages into a cache folder. Environment:
# BERTQA (the binary; without it the release build), CHROMIUM, BERTQA_CACHE, BERTQA_SCREENSHOTS (a folder for pictures
# of the page; fonts-noto-cjk shows its Japanese).
set -euo pipefail
cd "$(dirname "$0")/.."
BERTQA=$(realpath "${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}")
BERTQA_ROOT=$PWD
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
export BERTQA BERTQA_ROOT CHROMIUM
[[ -x $BERTQA ]] || { echo "no $BERTQA: cargo build --release, or name the binary by BERTQA" >&2; exit 2; }
command -v npm > /dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 2; }
[[ -x $CHROMIUM ]] || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; }
if [[ -n ${BERTQA_SCREENSHOTS:-} ]]; then
    mkdir -p "$BERTQA_SCREENSHOTS"
    BERTQA_SCREENSHOTS=$(realpath "$BERTQA_SCREENSHOTS")
fi

# The packages stay; the tests are copied beside them, where their imports find them.
modules=${BERTQA_CACHE:-$HOME/.cache/bertqa}/page-test
mkdir -p "$modules"
if ! cmp -s tests/page/package-lock.json "$modules/installed.json"; then
    cp tests/page/package.json tests/page/package-lock.json "$modules"
    npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund
    cp tests/page/package-lock.json "$modules/installed.json"
fi
rm -f "$modules"/*.js
cp tests/page/*.js tests/page/package.json "$modules"
cd "$modules"
npm test -- "$@"
