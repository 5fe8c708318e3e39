#!/usr/bin/env bash
# Lays a libtorch for the processor under the cache, from the wheel of torch on PyPI, and prints its folder:
#
#     docker/libtorch.sh VERSION [DIR]
#
# Without the CUDA libraries it is a tenth of the wheel. DIR/env has what a build and its programs need:
#
#     . "$(docker/libtorch.sh 2.13.0)/env" && cargo build --release --features torch
#
# Needs Python with pip, and a C compiler with binutils.
set -euo pipefail

version=${1:?usage: docker/libtorch.sh VERSION [DIR]}
folder=${2:-${BERTQA_CACHE:-$HOME/.cache/bertqa}/libtorch/$version}
python=${PYTHON:-python3}

if [ -e "$folder/env" ]; then
    echo "$folder"
    exit
fi

mkdir -p "$(dirname "$folder")"
folder=$(realpath "$folder")
# Beside its place, so that an interrupted download is never taken for a libtorch.
work=$(mktemp -d "$(dirname "$folder")/.libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wheels" "$work/libtorch/lib"

# Every version that there is a tch for has wheels of Python 3.11 or, the oldest, 3.10.
download() {
    local machine minor python_version platforms=()
    machine=$(uname -m)
    for minor in {5..40}; do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
    for minor in 1 2010 2014; do platforms+=(--platform "manylinux${minor}_$machine"); done
    for python_version in 3.11 3.10; do
        if "$python" -m pip download --quiet --disable-pip-version-check --only-binary :all: --no-cache-dir \
            --python-version "$python_version" --implementation cp --abi "cp${python_version/./}" --abi none \
            "${platforms[@]}" --dest "$work/wheels" "$@" >&2; then
            return
        fi
    done
    return 1
}

# Takes members of wheels whose names match a glob out into a folder: without their paths, or below a part of these.
extract() {
    "$python" - "$@" <<'PYTHON'
import fnmatch, pathlib, shutil, sys, zipfile

wheels, pattern, target, *below = sys.argv[1:]
found = False
for wheel in pathlib.Path(wheels).glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if fnmatch.fnmatch(name, pattern) and not name.endswith("/"):
                path = pathlib.Path(target, name.removeprefix(below[0]) if below else pathlib.PurePath(name).name)
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                found = True
sys.exit(not found)
PYTHON
}

lib=$work/libtorch/lib
needed() { readelf -d "$lib"/*.so* | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; }
missing() {
    local name
    for name in $(needed); do
        case $name in
            ld-linux* | libc.so* | libm.so* | libdl.so* | librt.so* | libutil.so* | libpthread.so* | libgcc_s.so* | libstdc++.so*) ;;
            *) [ -e "$lib/$name" ] || echo "$name" ;;
        esac
    done
}
complete() {
    local name more=true
    while $more; do
        more=false
        for name in $(missing); do
            if extract "$work/wheels" "*/$name" "$lib"; then more=true; fi
        done
    done
}

download --no-deps "torch==$version"
extract "$work/wheels" "torch/include/*" "$work/libtorch" torch/
extract "$work/wheels" "torch/lib/libtorch_cpu.so" "$lib"
extract "$work/wheels" "torch/lib/libc10.so" "$lib"
complete

# What is still missing of CUDA's runtime, which the processor's part also asks for, comes in wheels of its own.
if [ -n "$(missing)" ]; then
    extract "$work/wheels" "torch-*/METADATA" "$work"
    rm -f "$work/wheels"/torch-*.whl
    toolkit=$(sed -n 's/^Requires-Dist: cuda-toolkit\[.*\]==\([0-9.]*\).*/cuda-toolkit[cudart,cupti]==\1/p' "$work/METADATA")
    separate=$(sed -n 's/^Requires-Dist: \(nvidia-cuda-\(runtime\|cupti\)-cu[0-9]*\) *(\{0,1\}==\([0-9.]*\).*/\1==\3/p' "$work/METADATA")
    # shellcheck disable=SC2086
    download $toolkit $separate
    complete
fi
if [ -n "$(missing)" ]; then
    echo "libtorch.sh: torch $version needs these libraries, which are in none of its wheels: $(missing | tr '\n' ' ')" >&2
    exit 1
fi

# The wheel's libtorch.so only pulls in the others, among them CUDA's; programs link against the name.
"${CC:-cc}" -shared -Wl,-soname,libtorch.so -o "$lib/libtorch.so" -x c /dev/null

# Wheels before 2.7 are built with the C++ ABI from before 2011, but for arm's; it shows in functions that take a string.
abi=0
if readelf --dyn-syms --wide "$lib/libc10.so" | grep 'torchCheckFail.*__cxx11' >/dev/null; then abi=1; fi
cat >"$work/libtorch/env" <<ENV
export LIBTORCH='$folder'
export LIBTORCH_CXX11_ABI=$abi
export LD_LIBRARY_PATH='$folder/lib'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
ENV
rm -rf "$folder"
mv "$work/libtorch" "$folder"
echo "$folder"
