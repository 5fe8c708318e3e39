#!/usr/bin/env bash
# Starts the server of a target in the background, as a container named bertqa, and waits until it is ready:
#
#     docker/up.sh [TARGET|auto] [options of bertqa serve]
#
# The port is PORT, or 8080. BERTQA_API_KEY, HF_TOKEN, HF_ENDPOINT, NEURON_RT_NUM_CORES and NEURON_RT_VISIBLE_CORES are
# passed on. What the cpu image fetches from the hub is kept in the volume bertqa-models.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(docker/instance.sh target "${1:-auto}")
shift || true
devices=$(docker/instance.sh devices "$target")
read -ra devices <<< "$devices"

docker rm --force bertqa > /dev/null 2>&1 || true
docker run --detach --name bertqa --restart unless-stopped "${devices[@]}" --publish "${PORT:-8080}:8080" \
    --volume bertqa-models:/var/cache/bertqa --env HF_TOKEN --env HF_ENDPOINT \
    --env BERTQA_API_KEY --env NEURON_RT_NUM_CORES --env NEURON_RT_VISIBLE_CORES \
    "${REPOSITORY:-bertqa}:$target" serve "$@" > /dev/null

while true; do
    state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' bertqa)
    case $state in
        "running healthy") break ;;
        "running starting" | "created "*) sleep 1 ;;
        *)
            docker logs --tail 20 bertqa >&2
            echo "up.sh: the server did not start ($state)" >&2
            docker rm --force bertqa > /dev/null
            exit 1
            ;;
    esac
done
echo "http://localhost:${PORT:-8080} answers, on $target"
