#!/usr/bin/env bash
# Check style, types, the direction of imports and the Go code; say all that is wrong, not the first.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH:/usr/local/go/bin"
. setup/go_programs.sh
choose_module_cache
status=0

check() {
    printf '== %s\n' "$*"
    "$@" </dev/null || status=1
}

formatted_go() {
    local unformatted
    unformatted=$(gofmt -l sandbox/carrier setup/compose_reader) || return 1
    [ -z "$unformatted" ] || { printf 'not formatted: %s\n' "$unformatted"; return 1; }
}

check ruff check .
check ruff format --check .
check lint-imports --no-cache
check pyright
check formatted_go
check go vet -C sandbox/carrier ./...
check go vet -C setup/compose_reader ./...
exit "$status"
