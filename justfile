# Peers and data sets for the comparisons; not part of this repository.
peers := env("BERTQA_PEERS", "../shared/peers")
data := env("BERTQA_DATA", "../shared/data")
python := env("PYTHON", "python3")
# Where the server of `just up` listens.
port := env("PORT", "8080")
question := '{"question": "東京タワーの高さは何メートルですか。", "context": "東京タワーは港区にある高さ333メートルの電波塔で、1958年に完成した。"}'

# List the recipes
default:
    @{{ just_executable() }} --list --unsorted

# Build the release binary
[group('use')]
build:
    cargo build --release --locked

# Answer the sample questions and show the first answers
[group('use')]
sample: build
    cargo run --release --locked --quiet -- run samples/questions.jsonl -o - --columns id,question --quiet | head

# Compile a model for a device into models/TARGET: just trace inf2 deepset/roberta-base-squad2 --batch-size 4
[group('devices')]
trace target="auto" *options:
    docker/compile.sh {{ target }} {{ options }}

# Build the image of a target: cpu, torch-cpu, gpu, inf1, inf2, trn1, trn2, or what this machine is
[group('devices')]
bake target="auto" *options:
    docker/bake.sh {{ target }} {{ options }}

# Start the server of an image in the background, with its devices, and wait until it is ready
[group('devices')]
up target="auto" *options:
    PORT={{ port }} docker/up.sh {{ target }} {{ options }}

# Stop the server
[group('devices')]
down:
    docker rm --force bertqa

# Follow what the server says
[group('devices')]
logs:
    docker logs --follow bertqa

# Ask the server a question
[group('devices')]
curl request=question:
    @curl --silent --show-error http://localhost:{{ port }}/inferences --header 'content-type: application/json' \
        --header "x-api-key: ${BERTQA_API_KEY:-}" --data {{ quote(request) }}

# Measure the latencies of the server, one request after the other: just latency --concurrency 8 --duration 30
[group('devices')]
latency *options="--concurrency 1":
    docker exec bertqa bertqa bench --url http://127.0.0.1:8080 {{ options }}

# Push the image of a target to Amazon ECR
[group('devices')]
push target="auto":
    docker/push.sh {{ target }}

# Run the tests
[group('check')]
test:
    cargo test --release --locked

# Lay a libtorch for the processor in the cache, and say where: just libtorch 1.13.1
libtorch version="2.13.0":
    @docker/libtorch.sh {{ version }}

# Test the torch engine against a version of torch: just test-torch 1.13.1
test-torch version="2.13.0":
    docker/test-torch.sh {{ version }}

# Test the kernels as processors with AVX2, without, and ARM would run them, under emulation (Debian)
[group('check')]
test-emulated *cases:
    tests/emulated.sh {{ cases }}

# Test the page in Chromium; BERTQA_SCREENSHOTS names a folder for pictures of it
[group('check')]
page-test *files: build
    tests/page.sh {{ files }}

# Make the pictures of docs/images: just pictures rows.jsonl gold.json
[group('check')]
pictures rows gold: build
    tests/pictures.sh {{ rows }} {{ gold }}

# Check shell scripts, Python programs, and the links and code blocks of the documentation
[group('check')]
lint: build
    tests/lint.sh

# Read typed output with the readers that people have: pyarrow old and new, pandas, DuckDB, polars and others
[group('check')]
readers: build
    tests/readers.sh

# Hold the server to its OpenAPI document
[group('check')]
openapi: build
    tests/openapi.sh

# Kill runs at random moments, over all formats, and compare what comes out when they go on with an unbroken run's
[group('check')]
kills count="1000":
    BERTQA_KILLS={{ count }} cargo test --release --locked --test e2e kills:: -- --nocapture

# Damage files of Parquet, Arrow and tokenizers in many ways, and read them with 6 GiB of memory
[group('check')]
damage count="5000" seed="1":
    cargo test --release --locked --lib --no-run
    ulimit -v 6291456 && BERTQA_MUTATIONS={{ count }} BERTQA_SEED={{ seed }} cargo test --release --locked --lib damaged_

# Build images and ask them, without a registry: just images torch-cpu (root on Debian; at first as long as a cold build)
[group('check')]
images *targets:
    tests/images.sh {{ targets }}

# Build a release into dist/: archives and packages for x86_64 and aarch64, what they are made of, checksums
[group('use')]
release *machines:
    packaging/release.sh {{ machines }}

# Install what `just release` built in clean systems, and run it (root on Debian)
[group('check')]
packages:
    tests/packages.sh

# Run out of disk on a small tmpfs, and go on when there is room (Linux; needs user namespaces or root)
[group('check')]
full-disk: build
    tests/full-disk.sh

# Fuzz a target for some seconds (needs a nightly Rust and cargo-fuzz): just fuzz csv 600
[group('check')]
fuzz target seconds="600":
    fuzz/run.sh {{ seconds }} {{ target }}

# Fuzz every target for a minute each
[group('check')]
fuzz-all seconds="60":
    fuzz/run.sh {{ seconds }} all

# Run what CI runs
[group('check')]
ci:
    bash .ci/run

# Test docker/: trace.py, with a PYTHON that has torch and transformers, and the scripts
[group('check')]
test-docker *options:
    {{ python }} -m unittest discover --start-directory docker/tests {{ options }}

# Build the Python package's wheel into python/dist, check its types and run its tests
[group('check')]
python *options:
    PYTHON={{ python }} python/check.sh {{ options }}

# Run the Python package's tests on clusters of Ray and Spark, after `just python` (fetches 730 MB the first time)
[group('check')]
clusters *options:
    python/clusters.sh {{ options }}

# Format the code
[group('check')]
fmt:
    cargo fmt

# Compare every answer with the reference pipeline's (the reference takes tens of minutes, once)
[group('measure')]
parity: build
    PYTHON={{ python }} benches/parity.sh {{ peers }} {{ data }}

# Race against the peers on the rows of a data set: just race rows.jsonl gold.json --limit 1000
[group('measure')]
race rows gold *options: build
    benches/race.sh {{ peers }} {{ rows }} {{ gold }} --python {{ python }} {{ options }}

# Say how good the answers are: just eval gold.json --report report.html
[group('measure')]
eval *args: build
    cargo run --release --locked --quiet -- eval {{ args }}

# Pack a kit that measures a machine with a GPU, where it is carried to: just device-kit DIR
[group('measure')]
device-kit *dir:
    PYTHON={{ python }} benches/device.sh pack {{ dir }}

# Run the network by itself, against ONNX Runtime and OpenVINO, with random weights
[group('measure')]
race-network *options: build
    {{ python }} benches/network.py {{ options }}

# Show how cost grows with the length of contexts, with one thread and two: just growth rows.jsonl
[group('measure')]
growth rows: build
    benches/growth.sh {{ rows }}

# Compare Japanese tokenizers with fugashi's words and transformers' ids: just mecab jsquad-valid.json MODEL
[group('measure')]
mecab data *models:
    {{ python }} benches/mecab.py {{ data }} {{ models }}

# Hold the server against the sample application's, with several numbers of clients: just race-serve rows.jsonl
[group('measure')]
race-serve rows *options: build
    PYTHON={{ python }} benches/serve.sh {{ rows }} {{ options }}

# Load the server with twice what it can take, and check every answer: just soak rows.jsonl --minutes 10 --attacks
[group('measure')]
soak rows *options: build
    benches/soak.sh {{ rows }} {{ options }}

# Show that memory does not grow with rows: just memory rows.jsonl
[group('measure')]
memory rows: build
    benches/memory.sh {{ rows }}

# Answer ten million rows, some of them bad, and check that each comes out once, in its place, in flat memory
[group('measure')]
many-rows *options: build
    {{ python }} benches/many_rows.py {{ options }}

# Check licences, advisories and sources of the dependencies (needs cargo-deny, and the network for advisories)
[group('check')]
deny:
    cargo deny --locked check

# Write what the program is made of, as CycloneDX, to bertqa.cdx.json (needs cargo-cyclonedx)
[group('check')]
sbom:
    cargo cyclonedx --format json --spec-version 1.5 --describe crate --target all
