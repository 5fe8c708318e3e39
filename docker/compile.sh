#!/usr/bin/env bash
# Compiles a model in the image of a target, with its devices, into models/TARGET:
#
#     docker/compile.sh [TARGET|auto] [MODEL] [options of docker/trace.py]
#
# MODEL is a folder in this repository, or a hub id; without one, it is the default model. On a machine without the
# Neuron devices of its target, it has to be --compile-only. For the target cpu nothing is compiled: its image reads
# models as the hub has them; torch-cpu is the traced model there.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(docker/instance.sh target "${1:-auto}")
shift || true
if [[ $target == cpu ]]; then
    echo "compile.sh: nothing has to be compiled for cpu; torch-cpu is the traced model on the processor" >&2
    exit 1
fi
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
    "${REPOSITORY:-bertqa}:trace-$target" "${target#torch-}" "${source[@]}" --output "models/$target" "$@"
