#!/usr/bin/env bash
# Checks that a program runs where glibc is of a version or newer, and has no path of the machine that built it:
#
#     packaging/check.sh PROGRAM GLIBC
set -euo pipefail

program=$1 glibc=$2
needed=$(readelf --version-info --wide "$program" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1)
if [[ $(printf '%s\n' "GLIBC_$glibc" "$needed" | sort -V | tail -1) != "GLIBC_$glibc" ]]; then
    echo "check.sh: $program needs $needed, and is to run with GLIBC_$glibc" >&2
    exit 1
fi
libraries=$(readelf --dynamic --wide "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $libraries; do
    case $library in
        libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | librt.so.1 | libutil.so.1 | ld-linux*) ;;
        *)
            echo "check.sh: $program needs $library, which not every system has" >&2
            exit 1
            ;;
    esac
done
for path in "$HOME/" "$PWD/"; do
    if grep --quiet --binary --fixed-strings "$path" "$program"; then
        echo "check.sh: $program names $path, so that it differs by where it was built" >&2
        exit 1
    fi
done
