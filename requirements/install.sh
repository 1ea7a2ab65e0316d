#!/bin/sh
# Makes .venv and installs one of the lock files into it: install.sh PYTHON lab|notebooks|dev
set -eu
cd "$(dirname "$0")/.."
python=$1
set_name=$2
say() { printf '%s\n' "$1" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    say "setup: $python is not Python 3.11 or newer; next: make PYTHON=/path/to/python3.11 ${MAKECMDGOALS:-setup}"
    exit 2
}
if [ ! -x .venv/bin/python ]; then
    say "setup: creating .venv with $("$python" --version)"
    "$python" -m venv .venv || {
        say "setup: $python cannot make a virtual environment; next: install its venv module (Debian: apt-get install python3-venv)"
        exit 2
    }
fi
if [ ! -x .venv/bin/uv ]; then
    say "setup: installing uv, which installs the rest"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
fi
say "setup: installing $(grep -cE '^[a-z0-9]' "requirements/$set_name.txt") locked packages (requirements/$set_name.txt)"
.venv/bin/uv pip install --python .venv/bin/python --require-hashes --only-binary :all: -r "requirements/$set_name.txt"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
