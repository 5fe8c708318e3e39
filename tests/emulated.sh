#!/usr/bin/env bash
# Runs the tests of the kernels as other processors would: x86-64 with AVX2 and without, and ARM with its dot product
# and matrix instructions, under qemu-user. Needs Debian, and root where its packages are missing.
#
# usage: tests/emulated.sh [CASES]
#
# CASES: how many random cases a property test runs (default: 16; emulation is slow).
set -euo pipefail
cd "$(dirname "$0")/.."

export PROPTEST_CASES="${1:-16}"
cache="${BERTQA_CACHE:-$HOME/.cache/bertqa}/emulated"
mkdir -p "$cache"

packages=(qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
dpkg --status "${packages[@]}" > /dev/null 2>&1 || {
    apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"
}

# The instructions that have to be chosen, and what runs the program.
run_tests() {
    printf '\n== %s: %s\n' "$2" "$1"
    # shellcheck disable=SC2086 # The emulator and its options.
    INT8=$1 $2 "$program" 2> >(grep -v "TCG doesn't support" >&2)
}

# Prints where cargo, of whose messages it reads, put the tests.
tests_of() { python3 -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"): print(message["executable"])'; }
# Debian's compiler may be older than the one that the workspace names.
build() {
    cargo test --locked --package bertqa-kernels --lib --no-run --ignore-rust-version \
        --message-format json-render-diagnostics "$@" | tests_of
}

# With the toolchain that there is.
program=$(CARGO_TARGET_DIR="$cache/target" build)
run_tests 'AVX2' 'qemu-x86_64 -cpu Haswell'
run_tests 'none' 'qemu-x86_64 -cpu Nehalem'

# Debian has the standard library for ARM, for its own compiler.
if ! [[ -x $cache/rust/usr/bin/rustc ]]; then
    dpkg --add-architecture arm64 && apt-get update -q
    (
        rm -rf "$cache/rust.new" && mkdir -p "$cache/rust.new" && cd "$cache/rust.new"
        dependency() { apt-cache depends "$1" | sed -n "s/.*Depends: \\($2[^ ]*\\)\$/\\1/p" | head -1; }
        library=$(dependency libstd-rust-web-dev libstd-rust-web-)
        llvm=$(dependency "$library" libllvm)
        apt-get download -q rustc-web "$library" libstd-rust-web-dev libstd-rust-web-dev:arm64 "$llvm"
        for package in *.deb; do dpkg -x "$package" .; done
        rm -- *.deb
        mv "$cache/rust.new" "$cache/rust"
    )
fi
rust=$cache/rust/usr
export LD_LIBRARY_PATH="$rust/lib:$rust/lib/x86_64-linux-gnu:$rust/lib/llvm/lib"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
program=$(RUSTC=$rust/bin/rustc CARGO_TARGET_DIR="$cache/target-arm" build --target aarch64-unknown-linux-gnu)
unset LD_LIBRARY_PATH
for processor in 'max:NEON i8mm' 'neoverse-n1:NEON dot product' 'cortex-a53:none'; do
    run_tests "${processor#*:}" "qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu ${processor%%:*}"
done
