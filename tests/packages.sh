#!/usr/bin/env bash
# Installs what packaging/release.sh built in clean systems, and runs it there: the archive and the package on Debian's
# oldest release that its mirrors have and on its newest, the wheel in a new environment of this machine's Python.
#
# usage: tests/packages.sh            (as root, on Debian; after packaging/release.sh)
#
# The systems are made by debootstrap and stay in the cache. Environment: BERTQA_CACHE, DEBIANS ("bullseye trixie").
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${BERTQA_CACHE:-$HOME/.cache/bertqa}/packages
read -ra debians <<< "${DEBIANS:-bullseye trixie}"
command -v debootstrap > /dev/null || { apt-get update -q && apt-get install -qy debootstrap; }
mkdir -p "$cache"

(cd dist && sha256sum --check --quiet SHA256SUMS)
archive=$(ls dist/bertqa-*-"$(uname -m)"-unknown-linux-gnu.tar.gz)
package=$(ls dist/bertqa_*_"$(dpkg --print-architecture)".deb)
wheel=$(ls dist/bertqa-*_"$(uname -m)".whl)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '\n== %s\n' "$(python3 --version)"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-index "$wheel"
"$work/venv/bin/bertqa" run samples/questions.jsonl --output "$work/wheel.jsonl" --quiet
"$work/venv/bin/python" -c 'import bertqa; print(bertqa.pipeline("question-answering")("Who?", "Ada did."))'

for debian in "${debians[@]}"; do
    if [[ ! -e $cache/$debian/made ]]; then
        rm -rf "${cache:?}/$debian"
        debootstrap --variant=minbase "$debian" "$cache/$debian" > "$cache/log" || { cat "$cache/log" && exit 1; }
        touch "$cache/$debian/made"
    fi
    root=$(mktemp -d)
    cp --archive "$cache/$debian/." "$root"
    inside() { chroot "$root" "$@"; }
    install -D samples/questions.jsonl "$root/work/questions.jsonl"
    printf '\n== Debian %s, %s\n' "$(cat "$root/etc/debian_version")" "$(inside ldd --version | sed -n 1p)"

    tar --extract --file "$archive" --directory "$root/work" --strip-components 1
    inside /work/bertqa run /work/questions.jsonl --output /work/archive.jsonl --quiet
    install "$package" "$root/work/bertqa.deb"
    inside dpkg --install /work/bertqa.deb
    inside bertqa run /work/questions.jsonl --output /work/package.jsonl --quiet
    head -2 "$root/work/package.jsonl"
    cmp "$root/work/archive.jsonl" "$root/work/package.jsonl"
    cmp "$root/work/archive.jsonl" "$work/wheel.jsonl"
    inside sh -ec 'test -s /lib/systemd/system/bertqa.service
        test -s /usr/share/bash-completion/completions/bertqa
        dpkg --verify bertqa
        dpkg --remove bertqa > /dev/null
        ! test -e /usr/bin/bertqa'
    rm -rf "$root"
done
