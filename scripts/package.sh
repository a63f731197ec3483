#!/usr/bin/env sh
# Build wheel and sdist into dist/, and check them: what they say of themselves, what they hold, and napari's manifest
# from the installed wheel. PYTHON says which Python.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rm -rf dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
bin=$work/venv/bin
"$bin/python" -m pip install -q --disable-pip-version-check "build>=1.2" "twine>=6.1" "npe2>=0.7"
"$bin/python" -m build --outdir dist
"$bin/twine" check --strict dist/*
"$bin/python" scripts/check_wheel.py dist/*.whl
# without what it needs: a manifest names Python, and imports none of it
"$bin/python" -m pip install -q --disable-pip-version-check --no-deps dist/*.whl
cd "$work"
"$bin/npe2" validate napari-instseg
