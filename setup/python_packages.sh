# Python's packages, in .venv, exactly as locked; uv in .tools when there is none. Sourced.

have_uv() { command -v uv >/dev/null 2>&1 || [ -x .tools/bin/uv ]; }

uv_command() { if [ -x .tools/bin/uv ]; then echo .tools/bin/uv; else command -v uv; fi; }

require_python() {
    if ! command -v python3.11 >/dev/null 2>&1; then
        give_up "Python 3.11 is missing; on Debian 12: sudo apt-get install -y python3 python3-venv"
    fi
}

get_uv() {
    python3.11 -m venv .tools
    .tools/bin/python -m pip install --quiet --require-hashes -r setup/uv.lock
}

# The tests' packages hold the product's too: either lock will do for the demo.
python_packages_current() {
    [ -x .venv/bin/python ] || return 1
    stamped python-dev requirements-dev.lock && return 0
    [ "$profile" = demo ] && stamped python requirements.lock
}

sync_python_packages() {
    local uv
    uv=$(uv_command)
    rm -f .setup/python.stamp .setup/python-dev.stamp
    "$uv" venv --quiet --allow-existing --python python3.11 .venv
    if [ "$profile" = demo ]; then
        "$uv" pip sync --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
        stamp python .venv/bin/python requirements.lock
    else
        "$uv" pip sync --compile-bytecode --python .venv/bin/python --require-hashes requirements-dev.lock
        stamp python-dev .venv/bin/python requirements-dev.lock
    fi
}
