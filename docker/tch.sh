#!/usr/bin/env bash
# Prints the version of the crate tch that fits a version of torch:
#
#     cargo update tch --precise "$(docker/tch.sh 1.13.1)"
#
# Cargo.lock has the newest; the engine is written for all of them.
set -euo pipefail

torch=${1:?usage: docker/tch.sh TORCH_VERSION}
case $torch in
    1.13 | 1.13.*) echo 0.10.3 ;;
    # From torch 2.1 and tch 0.14 on, each has a version for each of the other.
    2.[1-9] | 2.[1-9].* | 2.1[0-3] | 2.1[0-3].*)
        minor=${torch#2.}
        echo "0.$((${minor%%.*} + 13)).0"
        ;;
    *)
        echo "tch.sh: no version of tch is known for torch $torch; 1.13 and 2.1 to 2.13 have one" >&2
        exit 1
        ;;
esac
