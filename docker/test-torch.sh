#!/usr/bin/env bash
# Tests the torch engine against a version of torch: docker/test-torch.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?usage: docker/test-torch.sh VERSION}
libtorch=$(docker/libtorch.sh "$version")
# shellcheck source=/dev/null
. "$libtorch/env"

# Cargo.lock has the tch of the newest torch, and keeps it.
lock=$(mktemp)
cp Cargo.lock "$lock"
trap 'cp "$lock" Cargo.lock; rm -f "$lock"' EXIT
cargo update --quiet tch --precise "$(docker/tch.sh "$version")"
cargo test --release --features torch --test e2e torch::
