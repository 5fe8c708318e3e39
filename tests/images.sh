#!/usr/bin/env bash
# Builds images from docker/Dockerfile and docker/torch.Dockerfile as they stand, starts them as they are meant to run, and
# asks them.
#
# usage: tests/images.sh [TARGET...]            (as root, on Debian; cpu without any)
#
# No registry of images is needed: Debian is made by debootstrap, and images/Dockerfile makes what stands in for the other
# bases, under their names. Rust is that of rustc on PATH. What cargo fetches and builds stays in the cache, as the bases
# do; the first time takes as long as a build from nothing. Certificates of the machine's own
# (/usr/local/share/ca-certificates) and the configuration of cargo and pip hold in the builds too. Images for devices are
# built, but not asked: there is no device.
#
# Environment: BERTQA_CACHE, CARGO_HOME, PIP_INDEX_URL, PORT (8099 without it).
set -euo pipefail
cd "$(dirname "$0")/.."

targets=("${@:-cpu}")
cache=${BERTQA_CACHE:-$HOME/.cache/bertqa}/images
cargo_home=${CARGO_HOME:-$HOME/.cargo}
debian=docker.io/library/debian:bookworm-slim
port=${PORT:-8099}
url=http://127.0.0.1:$port
name=bertqa-test-$$

say() { printf '%5ss  %s\n' "$SECONDS" "$*"; }
fail() {
    echo "images.sh: $1" >&2
    exit 1
}

missing=()
for program in buildah debootstrap podman runc; do
    command -v "$program" > /dev/null || missing+=("$program")
done
if [[ ${#missing[@]} != 0 ]]; then
    apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"
fi

# Caches of `RUN --mount=type=cache` are below TMPDIR.
export TMPDIR=$cache/tmp
mkdir -p "$TMPDIR"
storage=(--storage-driver overlay --root "$cache/storage" --runroot "$cache/run")
buildah() { command buildah "${storage[@]}" "$@"; }
# Health checks are asked for below: podman's own need systemd.
export DISABLE_HC_SYSTEMD=true
podman() { command podman "${storage[@]}" --runtime runc --cgroup-manager cgroupfs "$@"; }

has() { buildah inspect --type image "$1" > /dev/null 2>&1; }
if ! has "$debian"; then
    folder=$(mktemp -d)
    debootstrap --variant=minbase bookworm "$folder/root" > "$folder/log" || { cat "$folder/log" && exit 1; }
    tar --directory "$folder/root" --create --file "$folder/base.tar" .
    printf 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n' > "$folder/Dockerfile"
    buildah bud --quiet --tag "$debian" "$folder" > /dev/null
    rm -rf "$folder"
    say "made $debian"
fi

volumes=()
mounted() { if [[ -e $1 ]]; then volumes+=(--volume "$1:$2:ro"); fi; }
mounted /usr/local/share/ca-certificates /usr/local/share/ca-certificates
mounted "$cargo_home/config.toml" /root/.cargo/config.toml
mounted /etc/pip.conf /etc/pip.conf
mounted "$HOME/.config/pip/pip.conf" /root/.config/pip/pip.conf
bud() {
    buildah bud --isolation chroot --pull-never --format docker --layers "${volumes[@]}" "$@"
}

# The default of a variable of docker-bake.hcl: a text, or that of another.
default_of() {
    local value
    value=$(sed -n "/^variable \"$1\"/,/^}/s/^ *default = //p" docker/docker-bake.hcl)
    case $value in
        \"*\") sed 's/^"//; s/"$//' <<< "$value" ;;
        *) default_of "$value" ;;
    esac
}

# Where torch is from. Processors' own index has none of NVIDIA's libraries, PyPI's torch brings gigabytes of them.
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2> /dev/null || echo https://pypi.org/simple)}

make_base() {
    local stage=torch torch=$torch_version
    case $1 in
        python:*) stage=python ;;
        *-neuron*) stage=neuron ;;
    esac
    # AWS's say in their tags what torch they have.
    if [[ $1 =~ :([0-9.]+)-(gpu|neuron) ]]; then torch=${BASH_REMATCH[1]}; fi
    bud --file tests/images/Dockerfile --target "$stage" --build-arg TORCH="$torch" --tag "$2" docker/tests/neuron
    say "made $2"
}

build_torch() {
    local target=$1 variable base name
    variable=${target^^}
    base=$(default_of "${variable//-/_}_BASE")
    name=$base
    if [[ $base != */* ]]; then name=docker.io/library/$base; fi
    torch_version=$(default_of TORCH_VERSION)
    if ! has "$name"; then make_base "$base" "$name"; fi
    local arguments=(--file docker/torch.Dockerfile --build-arg BASE="$base" --build-arg TARGET="${target#torch-}"
        --build-arg TORCH_VERSION="$torch_version" --build-arg TORCH_INDEX="$index")
    bud "${arguments[@]}" --target trace --tag "bertqa:trace-$target" .
    # Any user may run it, as docker/compile.sh does.
    run --user 12345:12345 "bertqa:trace-$target" --help > /dev/null
    say "built bertqa:trace-$target"
    bud "${arguments[@]}" --target run --build-context toolchain="$(rustc --print sysroot)" --tag "bertqa:$target" .
}

build() {
    case $1 in
        cpu)
            bud --file docker/Dockerfile --build-context toolchain="$(rustc --print sysroot)" --tag bertqa:cpu .
            most_bytes=150000000
            ;;
        *)
            build_torch "$1"
            # Most of it is torch's own.
            most_bytes=0
            ;;
    esac
    podman images --filter reference="bertqa:$1"
    say "built bertqa:$1"
    local bytes user
    bytes=$(podman image inspect --format '{{.Size}}' "bertqa:$1")
    ((most_bytes == 0 || bytes < most_bytes)) || fail "the image has $bytes bytes, of at most $most_bytes"
    say "$bytes bytes"
    user=$(podman image inspect --format '{{.Config.User}}' "bertqa:$1")
    [[ $user == 10001:10001 ]] || fail "its user is $user"
}

trap 'podman rm --force "$name" > /dev/null 2>&1 || true' EXIT
as_meant=(--network host --read-only --read-only-tmpfs=false --cap-drop all
    --security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --memory 1g)

run() { podman run --rm "${as_meant[@]}" "$@"; }
start() {
    local image=bertqa:$1 said began question answer process line status
    run "$image" --version
    # Nothing can be written but what is mounted for it.
    if said=$(run "$image" man /tmp 2>&1); then fail "it wrote into its root"; fi
    [[ $said == *"Read-only file system"* ]] || fail "no word of a read-only file system: $said"

    podman run --detach --name "$name" "${as_meant[@]}" --env BERTQA_PORT="$port" "$image" > /dev/null
    began=$(date +%s%N)
    until curl --silent --fail --output /dev/null "$url/ready"; do
        [[ $(podman inspect --format '{{.State.Status}}' "$name") == running ]] || { podman logs "$name" && fail "it ended"; }
        (($(date +%s%N) - began < 60000000000)) || fail "it is not ready after a minute"
        sleep 0.1
    done
    say "ready after $((($(date +%s%N) - began) / 1000000)) ms"

    podman exec "$name" bertqa health
    podman healthcheck run "$name" || fail "its health check fails"
    question='{"question": "東京タワーの高さは何メートルですか。", "context": "東京タワーは港区にある高さ333メートルの電波塔で、1958年に完成した。"}'
    answer=$(curl --silent --show-error --fail "$url/inferences" --header 'content-type: application/json' --data "$question")
    echo "$answer"
    [[ $answer == *'"answer":"333メートル"'* ]] || fail "that is not the answer"

    # What the container may do, as the kernel has it.
    process=$(podman inspect --format '{{.State.Pid}}' "$name")
    for line in 'Uid:.10001.10001' 'Gid:.10001.10001' 'CapEff:.0000000000000000' 'CapBnd:.0000000000000000' 'NoNewPrivs:.1'; do
        grep --quiet --extended-regexp "^$line" "/proc/$process/status" || fail "not so: $line"
    done
    podman stop --time 30 "$name" > /dev/null
    status=$(podman inspect --format '{{.State.ExitCode}}' "$name")
    [[ $status == 0 ]] || fail "after SIGTERM its exit status is $status"
    podman rm "$name" > /dev/null
    say "ended with status 0 after SIGTERM"
}

for target in "${targets[@]}"; do
    build "$target"
    case $target in
        cpu)
            if run --entrypoint /bin/sh bertqa:cpu -c true 2> /dev/null; then fail "it has a shell"; fi
            start cpu
            ;;
        torch-cpu) start torch-cpu ;;
        *) run "bertqa:$target" --version ;;
    esac
done
