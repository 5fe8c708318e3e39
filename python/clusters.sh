#!/usr/bin/env bash
# Runs the tests on clusters of Ray and Spark, with the package that check.sh has installed. Spark needs Java 17.
#
# usage: python/clusters.sh [PYTEST ARGUMENT...]
#
# Environment: BERTQA_CACHE.
set -euo pipefail
cd "$(dirname "$0")"

venv=${BERTQA_CACHE:-$HOME/.cache/bertqa}/python
"$venv/bin/pip" install --quiet --requirement requirements-clusters.txt
cd tests
"$venv/bin/pytest" --config-file ../pyproject.toml --rootdir .. test_ray.py test_spark.py "$@"
