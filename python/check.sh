#!/usr/bin/env bash
# Builds the wheel, installs it into a virtual environment, and checks its types and runs its tests there.
#
# usage: python/check.sh [PYTEST ARGUMENT...]
#
# The environment is kept in the cache, and the wheel in python/dist. Environment: PYTHON (3.10 or later), BERTQA_CACHE.
set -euo pipefail
cd "$(dirname "$0")"

venv=${BERTQA_CACHE:-$HOME/.cache/bertqa}/python
if ! cmp --silent requirements.txt "$venv/installed"; then
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement requirements.txt
    cp requirements.txt "$venv/installed"
fi

rm -rf dist
"$venv/bin/maturin" build --release --locked --quiet --out dist
"$venv/bin/pip" install --quiet --force-reinstall --no-deps dist/*.whl

# PyPI takes no more.
most=$((100 * 1000 * 1000))
size=$(stat --format %s dist/*.whl)
((size < most)) || { echo "the wheel has $size bytes, more than PyPI's $most" >&2; exit 1; }

# Where no folder named bertqa is, which would be taken for the package.
cd tests
"$venv/bin/mypy" --config-file ../pyproject.toml ../lib/bertqa typing_examples.py
"$venv/bin/stubtest" bertqa._bertqa
# Those on clusters fetch much, and hang on how soon an actor comes up: clusters.sh runs them.
"$venv/bin/pytest" --config-file ../pyproject.toml --rootdir .. --ignore test_ray.py --ignore test_spark.py "$@"
