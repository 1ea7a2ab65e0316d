#!/bin/sh
# Resolves pyproject.toml once for every Python from 3.11 on and writes the lock files with hashes.
# dev holds everything; notebooks, lab, app and load are cut from it, so that all agree on every version.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || { python3 -m venv .venv && .venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt; }
lock() { "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"; }
lock pyproject.toml --group dev -o requirements/dev.txt
lock pyproject.toml --group notebooks -c requirements/dev.txt -o requirements/notebooks.txt
lock pyproject.toml --group lab -c requirements/dev.txt -o requirements/lab.txt
lock pyproject.toml -c requirements/dev.txt -o requirements/app.txt
lock requirements/load.in -c requirements/dev.txt -o requirements/load.txt
