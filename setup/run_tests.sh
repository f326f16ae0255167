#!/usr/bin/env bash
# Run every tier of tests, the fast ones first (those marked slow belong to `make faults`); stop at the first tier that fails.
# Usage: setup/run_tests.sh [pytest's arguments]
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"

summary=()
run_tier() { # NAME COMMAND...
    local began=$SECONDS name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@"
    status=$?
    summary+=("$(printf '%-12s %4d s  %s' "$name" "$((SECONDS - began))" \
        "$([ "$status" -eq 0 ] && echo passed || echo "FAILED ($status)")")")
    return "$status"
}

run_tiers() {
    run_tier carrier go test -C sandbox/carrier ./... || return
    local tier at_once
    for tier in unit contract integration sip faults browser; do
        # Calls in real time want the machine for themselves; what computes, or waits for a database,
        # does not.
        case $tier in
        unit) at_once=(-n 2) ;;
        contract | integration) at_once=(-n 4 --dist worksteal) ;;
        *) at_once=() ;;
        esac
        # No tests in a tier is a failure too: pytest then ends with status 5.
        run_tier "$tier" .venv/bin/python -m pytest "tests/$tier" -m "not slow" --seed 1 "${at_once[@]}" "$@" || return
    done
}

run_tiers "$@"
printf '\n'
printf '%s\n' "${summary[@]}"
exit "$status"
