#!/usr/bin/env bash
# Checks that a program needs nothing of the system but its kernel, and has no path of the machine that built it:
#
#     packaging/check.sh PROGRAM
set -euo pipefail

program=$1
needed=$(readelf --dynamic --wide "$program" | grep -F '(NEEDED)' || true)
if [[ -n $needed ]] || readelf --program-headers --wide "$program" | grep --quiet INTERP; then
    echo "check.sh: $program is not linked statically: $needed" >&2
    exit 1
fi
for path in "$HOME/" "$PWD/"; do
    if grep --quiet --binary --fixed-strings "$path" "$program"; then
        echo "check.sh: $program names $path, so that it differs by where it was built" >&2
        exit 1
    fi
done
