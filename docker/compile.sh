#!/usr/bin/env bash
# Compiles a model in the image of a target, with its devices, into models/TARGET:
#
#     docker/compile.sh [TARGET|auto] [MODEL] [options of docker/trace.py]
#
# MODEL is a folder in this repository, or a hub id; without one, it is the default model. On a machine without the
# Neuron devices of its target, it has to be --compile-only.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(docker/instance.sh target "${1:-auto}")
shift || true
source=(models/default --tokenizer tokenizer --name bertqa-default)
if [[ ${1:-} == [!-]* ]]; then
    source=("$1")
    shift
fi
devices=""
if [[ " $* " != *" --compile-only "* ]]; then devices=$(docker/instance.sh devices "$target"); fi
read -ra devices <<< "$devices"

docker buildx bake --file docker/docker-bake.hcl --load "trace-$target"

# What the hub gives is kept for the next time.
cache=${HF_HOME:-$HOME/.cache/huggingface}
mkdir -p "$cache" models
docker run --rm "${devices[@]}" --user "$(id -u):$(id -g)" --volume "$PWD:/work" --volume "$cache:/huggingface" \
    --env HF_HOME=/huggingface --env HF_TOKEN --env HF_ENDPOINT --env HF_HUB_OFFLINE \
    "${REPOSITORY:-bertqa}:trace-$target" "$target" "${source[@]}" --output "models/$target" "$@"
