#!/usr/bin/env bash
# Makes the pictures of docs/images from a running program: the page of `bertqa serve`, a terminal with a run, the
# report of `bertqa eval`.
#
# usage: tests/pictures.sh ROWS GOLD
#
# ROWS is run in the terminal (some thousands of rows, for the progress bar to be seen), GOLD is evaluated. Needs Debian,
# Node.js 20, npm and tmux; Chromium and the fonts of Japanese are installed where they are missing. Environment: BERTQA
# (the binary; without it the release build), CHROMIUM, BERTQA_CACHE.
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '5s/^# //p' "$0" >&2; exit 2; }
rows=$(realpath "$1") gold=$(realpath "$2")
cd "$(dirname "$0")/.."
BERTQA=$(realpath "${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}")
BERTQA_ROOT=$PWD
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
export BERTQA BERTQA_ROOT CHROMIUM
command -v tmux > /dev/null || { echo "tmux is missing" >&2; exit 2; }
[[ -x $CHROMIUM && -n $(fc-list :lang=ja 2> /dev/null) ]] || {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium fontconfig fonts-noto-cjk fonts-dejavu-core
}

work=$(mktemp -d)
tmux=(tmux -L "bertqa-pictures-$$" -f /dev/null)
trap '"${tmux[@]}" kill-server 2> /dev/null || true; rm -rf "$work"' EXIT

# The terminal, as tmux shows it: once in the middle of a run, once at its end.
mkdir "$work/bin" && ln -s "$BERTQA" "$work/bin/bertqa" && ln -s "$rows" "$work/questions.jsonl" && ln -s "$gold" "$work/${gold##*/}"
"${tmux[@]}" new-session -d -x 140 -y 14 -s terminal -c "$work" \
    "env PATH='$work/bin:$PATH' PS1='$ ' TERM=tmux-256color bash --norc --noprofile"
screen() { "${tmux[@]}" capture-pane -e -p -t terminal; }
enter() { "${tmux[@]}" send-keys -t terminal "$1" Enter; }
wait_for() { for _ in $(seq 600); do screen | grep -qE "$1" && return; sleep 0.2; done; echo "never: $1" >&2; exit 1; }
wait_for '^\$'
enter 'bertqa run questions.jsonl -o answers.parquet'
wait_for '[3-9][0-9] % '
screen > "$work/running.ansi"
wait_for 'failed, .* windows'
enter 'ls -sh answers.parquet'
sleep 1
screen > "$work/done.ansi"

# The report shows the name of its file as it was given.
(cd "$work" && "$BERTQA" eval "${gold##*/}" --limit 1000 --report report.html --quiet > /dev/null)

# The browser and its driver are those of the page's tests.
modules=${BERTQA_CACHE:-$HOME/.cache/bertqa}/page-test
mkdir -p "$modules"
if ! cmp -s tests/page/package-lock.json "$modules/installed.json"; then
    cp tests/page/package.json tests/page/package-lock.json "$modules"
    npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund
    cp tests/page/package-lock.json "$modules/installed.json"
fi
rm -f "$modules"/*.js
cp tests/page/*.js tests/page/package.json "$modules"
mkdir -p docs/images
node "$modules/pictures.js" "$work" "$PWD/docs/images"
ls -l docs/images
