# Peers and data sets for the comparisons; not part of this repository.
peers := env("BERTQA_PEERS", "../shared/peers")
data := env("BERTQA_DATA", "../shared/data")
python := env("PYTHON", "python3")

# List the recipes
default:
    @{{ just_executable() }} --list --unsorted

# Build the release binary
build:
    cargo build --release --locked

# Answer the sample questions and show the first answers
sample: build
    cargo run --release --locked --quiet -- run samples/questions.jsonl -o - --columns id,question --quiet | head

# Run the tests
test:
    cargo test --release --locked

# Lay a libtorch for the processor in the cache, and say where: just libtorch 1.13.1
libtorch version="2.13.0":
    @docker/libtorch.sh {{ version }}

# Test the torch engine against a version of torch: just test-torch 1.13.1
test-torch version="2.13.0":
    docker/test-torch.sh {{ version }}

# Test the page in Chromium; BERTQA_SCREENSHOTS names a folder for pictures of it
page-test *files: build
    tests/page.sh {{ files }}

# Hold the server to its OpenAPI document
openapi: build
    tests/openapi.sh

# Run what CI runs
ci:
    bash .ci/run

# Format the code
fmt:
    cargo fmt

# Compare every answer with the reference pipeline's (the reference takes tens of minutes, once)
parity: build
    PYTHON={{ python }} benches/parity.sh {{ peers }} {{ data }}

# Race against the peers on the rows of a data set: just race rows.jsonl gold.json --limit 1000
race rows gold *options: build
    benches/race.sh {{ peers }} {{ rows }} {{ gold }} --python {{ python }} {{ options }}

# Say how good the answers are: just eval gold.json --report report.html
eval *args: build
    cargo run --release --locked --quiet -- eval {{ args }}

# Run the network by itself, against ONNX Runtime and OpenVINO, with random weights
race-network *options: build
    {{ python }} benches/network.py {{ options }}

# Show how cost grows with the length of contexts, with one thread and two: just growth rows.jsonl
growth rows: build
    benches/growth.sh {{ rows }}

# Hold the server against the sample application's, with several numbers of clients: just race-serve rows.jsonl
race-serve rows *options: build
    PYTHON={{ python }} benches/serve.sh {{ rows }} {{ options }}

# Load the server with twice what it can take, and check every answer: just soak rows.jsonl --minutes 10
soak rows *options: build
    benches/soak.sh {{ rows }} {{ options }}

# Show that memory does not grow with rows: just memory rows.jsonl
memory rows: build
    benches/memory.sh {{ rows }}

# Check licences, advisories and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny check
