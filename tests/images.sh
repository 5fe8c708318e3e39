#!/usr/bin/env bash
# Builds the cpu image from docker/Dockerfile as it stands, starts it as it is meant to run, and asks it.
#
# usage: tests/images.sh            (as root, on Debian)
#
# No registry of images is needed: the base is made by debootstrap, and Rust is that of rustc on PATH. What cargo fetches
# and builds stays in the cache, as the base does; the first time takes as long as a build from nothing. Certificates of
# the machine's own (/usr/local/share/ca-certificates) and cargo's configuration hold in the build too.
#
# Environment: BERTQA_CACHE, CARGO_HOME, PORT (8099 without it).
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${BERTQA_CACHE:-$HOME/.cache/bertqa}/images
cargo_home=${CARGO_HOME:-$HOME/.cargo}
base=docker.io/library/debian:bookworm-slim
port=${PORT:-8099}
url=http://127.0.0.1:$port
name=bertqa-test-$$
most_bytes=150000000

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

if ! buildah inspect --type image "$base" > /dev/null 2>&1; then
    folder=$(mktemp -d)
    debootstrap --variant=minbase bookworm "$folder/root" > "$folder/log" || { cat "$folder/log" && exit 1; }
    tar --directory "$folder/root" --create --file "$folder/base.tar" .
    printf 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n' > "$folder/Dockerfile"
    buildah bud --quiet --tag "$base" "$folder" > /dev/null
    rm -rf "$folder"
    say "made $base"
fi

volumes=()
for path in /usr/local/share/ca-certificates "$cargo_home/config.toml"; do
    if [[ -e $path ]]; then volumes+=(--volume "$path:${path/#$cargo_home//root/.cargo}:ro"); fi
done
buildah bud --isolation chroot --pull-never --format docker --layers --file docker/Dockerfile \
    --build-context toolchain="$(rustc --print sysroot)" "${volumes[@]}" --tag bertqa:cpu .
podman images --filter reference=bertqa:cpu
say "built bertqa:cpu"

bytes=$(podman image inspect --format '{{.Size}}' bertqa:cpu)
((bytes < most_bytes)) || fail "the image has $bytes bytes, of at most $most_bytes"
say "$bytes bytes"
user=$(podman image inspect --format '{{.Config.User}}' bertqa:cpu)
[[ $user == 10001:10001 ]] || fail "its user is $user"

trap 'podman rm --force "$name" > /dev/null 2>&1 || true' EXIT
as_meant=(--network host --read-only --read-only-tmpfs=false --cap-drop all
    --security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --memory 1g)

run() { podman run --rm "${as_meant[@]}" "$@"; }
run bertqa:cpu --version
# Nothing can be written but what is mounted for it, and there is no shell to do it with.
if said=$(run bertqa:cpu man /tmp 2>&1); then fail "it wrote into its root"; fi
[[ $said == *"Read-only file system"* ]] || fail "no word of a read-only file system: $said"
if run --entrypoint /bin/sh bertqa:cpu -c true 2> /dev/null; then fail "it has a shell"; fi

podman run --detach --name "$name" "${as_meant[@]}" --env BERTQA_PORT="$port" bertqa:cpu > /dev/null
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
say "ended with status 0 after SIGTERM"
