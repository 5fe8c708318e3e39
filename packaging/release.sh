#!/usr/bin/env bash
# Builds what a release consists of into dist/: for each target an archive, a package for Debian and a wheel for Python,
# the wheels' source, what they are made of (CycloneDX), and SHA256SUMS.
#
# usage: packaging/release.sh [x86_64|aarch64 ...]       (both without any; the machine's own is built in any case)
#
# The programs are linked statically, with musl, and run on any Linux; the library in the wheels needs glibc 2.17 or newer
# (manylinux2014). zig compiles what is C and links, of any version of Linux, for both processors. The same commit gives the
# same bytes, wherever and whenever it is built. Needs Python with venv, rustup's Rust, and Debian's dpkg-deb.
#
# Environment: BERTQA_CACHE (where the tools go), CARGO_TARGET_DIR, CARGO_HOME, CARGO_FLAGS (more for cargo).
set -euo pipefail
cd "$(dirname "$0")/.."

tools=(cargo-zigbuild==0.24.0 maturin==1.16.0 ziglang==0.17.1)
cyclonedx=0.5.7

cache=${BERTQA_CACHE:-$HOME/.cache/bertqa}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target_dir=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target_dir
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

venv=$cache/release
if [[ $(cat "$venv/installed" 2> /dev/null) != "${tools[*]}" ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "${tools[@]}"
    echo "${tools[*]}" > "$venv/installed"
fi
export PATH=$venv/bin:$PATH

# What compilers are told: no path of this machine is left in what they make.
prepare() {
    local name=$1 flags from to
    rustup target add "$name" 2> /dev/null
    export RUSTFLAGS="" flags=""
    for from in "$PWD" "$target_dir" "$cargo_home"; do
        case $from in "$PWD") to=/bertqa ;; "$target_dir") to=/target ;; *) to=/cargo ;; esac
        RUSTFLAGS+=" --remap-path-prefix=$from=$to"
        flags+=" -ffile-prefix-map=$from=$to"
    done
    export "CFLAGS_${name//-/_}=$flags"
    # On ARM, systems have pages of 4 or of 64 KiB; an allocator for the larger runs on both.
    if [[ $name == aarch64* ]]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; else unset JEMALLOC_SYS_WITH_LG_PAGE; fi
}

# Builds the program for a processor; $program is where it is.
build() {
    local name=$1-unknown-linux-musl
    prepare "$name"
    # shellcheck disable=SC2086
    cargo zigbuild --profile dist --locked --features stores --bin bertqa --target "$name" ${CARGO_FLAGS:-}
    program=$target_dir/$name/dist/bertqa
    packaging/check.sh "$program"
}

# The package for Python.
wheel() {
    local name=$1-unknown-linux-gnu
    prepare "$name"
    # shellcheck disable=SC2086
    (cd python && maturin build --profile dist --locked --quiet --zig --target "$name" \
        --compatibility manylinux2014 --out "$dist" ${CARGO_FLAGS:-})
}

# The source of the package for Python: with the weights of the built-in model, which a crate's package leaves out.
source_package() {
    mkdir "$work/source"
    git archive HEAD | tar --directory "$work/source" --extract
    sed -i 's|"/models/default/model.safetensors", ||' "$work/source/Cargo.toml"
    (cd "$work/source/python" && maturin sdist --out "$dist")
}

# Manual pages and completions are the same for all processors; the program for this one writes them.
write_pages() {
    rm -rf "$pages" && mkdir -p "$pages/man" "$pages/completions"
    "$1" man "$pages/man"
    "$1" completions bash > "$pages/completions/bertqa.bash"
    "$1" completions zsh > "$pages/completions/_bertqa"
    "$1" completions fish > "$pages/completions/bertqa.fish"
}

# The same files give the same archive: in order, of nobody, and as old as the commit.
archive() {
    local folder=$1 machine=$2 files
    files=$folder/bertqa-$version-$machine-unknown-linux-musl
    mkdir -p "$files/man" "$files/completions"
    install -m 755 "$program" "$files/bertqa"
    install -m 644 LICENSE README.md CHANGELOG.md deploy/bertqa.service "$files"
    # The weights in the program have a licence of their own.
    install -m 644 models/default/README.md "$files/MODEL.md"
    install -m 644 "$pages"/man/* "$files/man"
    install -m 644 "$pages"/completions/* "$files/completions"
    tar --directory "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        --format=gnu --create "$(basename "$files")" | gzip --no-name --best > "$dist/$(basename "$files").tar.gz"
}

package() {
    local folder=$1 machine=$2 architecture root
    case $machine in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; esac
    root=$folder/deb
    mkdir -p "$root/DEBIAN"
    install -D -m 755 "$program" "$root/usr/bin/bertqa"
    install -D -m 644 packaging/debian/copyright "$root/usr/share/doc/bertqa/copyright"
    install -D -m 644 models/default/README.md "$root/usr/share/doc/bertqa/MODEL.md"
    gzip --no-name --best --stdout CHANGELOG.md > "$root/usr/share/doc/bertqa/changelog.gz"
    for page in "$pages"/man/*; do
        install -D -m 644 "$page" "$root/usr/share/man/man1/$(basename "$page")"
        gzip --no-name --best "$root/usr/share/man/man1/$(basename "$page")"
    done
    install -D -m 644 "$pages/completions/bertqa.bash" "$root/usr/share/bash-completion/completions/bertqa"
    install -D -m 644 "$pages/completions/_bertqa" "$root/usr/share/zsh/vendor-completions/_bertqa"
    install -D -m 644 "$pages/completions/bertqa.fish" "$root/usr/share/fish/vendor_completions.d/bertqa.fish"
    install -D -m 644 deploy/bertqa.service "$root/lib/systemd/system/bertqa.service"
    sed -i 's|/usr/local/bin/|/usr/bin/|; /^#   cp bertqa/d' "$root/lib/systemd/system/bertqa.service"
    install -m 755 packaging/debian/postinst packaging/debian/prerm "$root/DEBIAN"
    sed "s/@version@/$version/; s/@architecture@/$architecture/" packaging/debian/control \
        > "$root/DEBIAN/control"
    # It takes the times of files from SOURCE_DATE_EPOCH where they are newer.
    dpkg-deb --root-owner-group -Zxz --build "$root" "$dist/bertqa_${version}_$architecture.deb" > /dev/null
}

dist=$PWD/dist
rm -rf "$dist" && mkdir "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pages=$work/pages

machines=("$(uname -m)")
for machine in "${@:-x86_64 aarch64}"; do
    for one in $machine; do [[ $one == "${machines[0]}" ]] || machines+=("$one"); done
done
for machine in "${machines[@]}"; do
    build "$machine"
    [[ -d $pages ]] || write_pages "$program"
    mkdir "$work/$machine"
    archive "$work/$machine" "$machine"
    package "$work/$machine" "$machine"
    wheel "$machine"
done

source_package

if [[ $("$cache/tools/bin/cargo-cyclonedx" cyclonedx --version 2> /dev/null) != *" $cyclonedx" ]]; then
    env --unset=RUSTFLAGS cargo install cargo-cyclonedx --version "$cyclonedx" --locked --quiet --root "$cache/tools" \
        --target-dir "$cache/tools/target"
fi
"$cache/tools/bin/cargo-cyclonedx" cyclonedx --format json --spec-version 1.5 --describe crate --target all --quiet
mv bertqa.cdx.json "$dist/bertqa-$version.cdx.json"

cd "$dist"
sha256sum -- * > SHA256SUMS
cat SHA256SUMS
