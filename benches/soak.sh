#!/usr/bin/env bash
# Soaks `bertqa serve`: measures how much it can take, loads it with twice as much, holds each answer against
# `bertqa run`'s, watches its memory, and ends it with SIGTERM under load. Fails if there is another status than 200 and
# 429, a wrong or lost answer, or memory that grows. With --attacks the same time again, with clients that mean no good.
#
# usage: benches/soak.sh ROWS [--minutes 10] [--attacks] [--capacity-seconds 30] [-- SERVE_OPTION...]
#
# The binary is $BERTQA, or the release build.
set -euo pipefail

[[ $# -ge 1 ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
command -v python3 > /dev/null || { echo "python3 is missing: install Python 3.10 or newer" >&2; exit 2; }
exec python3 "$(dirname "$0")/soak.py" "$@"
