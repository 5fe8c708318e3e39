#!/usr/bin/env bash
# Builds the image of a target, with the model in models/TARGET if one was compiled, else with one that the build
# compiles:
#
#     docker/bake.sh [TARGET|auto] [options of docker buildx bake]
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(docker/instance.sh target "${1:-auto}")
shift || true
# The cpu image has the native engine, which reads models as the hub has them.
if [[ $target != cpu && -f models/$target/model.json ]]; then
    export COMPILED=models/$target
    echo "bake.sh: the model in $COMPILED goes into the image" >&2
fi
exec docker buildx bake --file docker/docker-bake.hcl --load "$target" "$@"
