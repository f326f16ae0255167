#!/usr/bin/env bash
# Pin every Python package with its hashes; the locks name no index, so any mirror will do.
set -euo pipefail
cd "$(dirname "$0")/.."
. setup/python_packages.sh
have_uv || get_uv
lock() {
    "$(uv_command)" pip compile --quiet --upgrade --universal --python-version 3.11 \
        --generate-hashes --no-header --output-file "$2" "$1"
}
lock requirements.in requirements.lock
lock requirements-dev.in requirements-dev.lock
lock setup/uv.in setup/uv.lock
