#!/usr/bin/env bash
# Runs a program as an older x86-64 processor would, so that several can be compared on this one, each with the
# instructions that it would choose there:
#
#     benches/older.sh avx2|avx512-vnni COMMAND...
#
# avx2 hides AVX-VNNI, AVX-512 and AMX, avx512-vnni hides AMX. Clock, caches and memory remain this machine's. Needs Linux,
# a C compiler, and a processor that can let `cpuid` trap (`cpuid_fault` in /proc/cpuinfo).
set -euo pipefail

case ${1:-} in
    avx2 | avx512-vnni) ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
grep --quiet --word-regexp cpuid_fault /proc/cpuinfo || { echo "older.sh: here cpuid cannot be let trap" >&2 && exit 2; }

cache=${BERTQA_CACHE:-$HOME/.cache/bertqa}/older
source=$(dirname "$0")/older/cpuid.c
mkdir -p "$cache"
if [[ ! $cache/cpuid.so -nt $source ]]; then
    cc -O1 -Wall -Wextra -shared -fPIC "$source" -o "$cache/cpuid.so"
fi
export OLDER=$1 LD_PRELOAD=$cache/cpuid.so
shift
exec "$@"
