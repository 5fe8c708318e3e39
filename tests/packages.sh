#!/usr/bin/env bash
# Installs what packaging/release.sh built in clean systems, and runs it there: the archive and the package on Debian's
# oldest release that its mirrors have and on its newest, the wheel in a new environment of this machine's Python. The
# archives' programs run where there is nothing else, those for another processor under qemu-user.
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
archive=$(ls dist/bertqa-*-"$(uname -m)"-unknown-linux-musl.tar.gz)
package=$(ls dist/bertqa_*_"$(dpkg --print-architecture)".deb)
wheel=$(ls dist/bertqa-*_"$(uname -m)".whl)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '\n== %s\n' "$(python3 --version)"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-index "$wheel"
"$work/venv/bin/bertqa" run samples/questions.jsonl --output "$work/wheel.jsonl" --quiet
"$work/venv/bin/python" -c 'import bertqa; print(bertqa.pipeline("question-answering")("Who?", "Ada did."))'

# No library, no folder, no file: whatever a system's C library is, as Alpine's, it can't matter.
for other in dist/bertqa-*-unknown-linux-musl.tar.gz; do
    machine=${other#dist/bertqa-*-} machine=${machine%%-*}
    root=$(mktemp -d)
    printf '\n== nothing but the program for %s\n' "$machine"
    tar --extract --file "$other" --directory "$root" --strip-components 1 --wildcards '*/bertqa'
    cp samples/questions.jsonl "$root"
    emulated=()
    if [[ $machine != $(uname -m) ]]; then
        emulator=qemu-$machine-static
        command -v "$emulator" > /dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends qemu-user-static; }
        cp "$(command -v "$emulator")" "$root/emulator"
        emulated=(/emulator)
    fi
    chroot "$root" "${emulated[@]}" /bertqa run /questions.jsonl --output /answers.jsonl --quiet
    head -2 "$root/answers.jsonl"
    # In int8, another processor's rounding may choose another answer where two are close.
    if [[ ${#emulated[@]} == 0 ]]; then
        cmp "$work/wheel.jsonl" "$root/answers.jsonl"
    else
        [[ $(wc -l < "$root/answers.jsonl") == "$(wc -l < samples/questions.jsonl)" ]]
    fi
    rm -rf "$root"
done

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
