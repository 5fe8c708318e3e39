#!/usr/bin/env bash
# Shows that throughput rises with NeuronCores, on a machine without any: the library of the tests stands in for AWS's
# and takes its time for each forward pass. Needs LIBTORCH (docker/libtorch.sh) and a build with --features torch:
#
#     benches/cores.sh [MILLISECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."

fixtures=tests/fixtures
model=$(mktemp -d)
trap 'rm -rf "$model"' EXIT
cp "$fixtures/torch/neuron.pt" "$model/model.pt"
cp "$fixtures"/families/xlm-roberta/tokenizer*.json "$model"
cat >"$model/model.json" <<'MANIFEST'
{"format": 1, "model": "neuron.pt", "model_type": "xlm-roberta", "device": "inf2", "batch_size": 1, "seq_len": 512,
 "inputs": ["input_ids", "attention_mask"], "packed": false, "precision": "f32", "torch": "1.13.1", "sdk": "none",
 "pad_token_id": 1}
MANIFEST
c++ -shared -fPIC -std=c++17 -w "-D_GLIBCXX_USE_CXX11_ABI=${LIBTORCH_CXX11_ABI:-1}" "-I$LIBTORCH/include" \
    "-I$LIBTORCH/include/torch/csrc/api/include" "$fixtures/torch/neuron.cpp" -o "$model/libtorchneuron.so" \
    "-L$LIBTORCH/lib" -lc10 -ltorch_cpu
for _ in {1..400}; do echo '{"question": "Who built it?", "context": "The lighthouse was built by Ada Moreau."}'; done \
    >"$model/rows.jsonl"

export BERTQA_NEURON_LIB="$model/libtorchneuron.so" STANDIN_SLEEP_MS="${1:-50}"
for cores in 1 2 4 8; do
    NEURON_RT_NUM_CORES=$cores "${CARGO_TARGET_DIR:-target}/release/bertqa" run "$model/rows.jsonl" \
        -o "$model/answers.jsonl" --force --model "$model"
done
