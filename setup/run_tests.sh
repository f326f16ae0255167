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
    summary+=("$(printf '%-20s %4d s  %s' "$name" "$((SECONDS - began))" \
        "$([ "$status" -eq 0 ] && echo passed || echo "FAILED ($status)")")")
    return "$status"
}

# The carrier's tests wait for their timers, half a minute: they run beside the first tier.
carriers_printed=$(mktemp)
go test -C sandbox/carrier ./... >"$carriers_printed" 2>&1 &
carriers=$!
trap 'kill "$carriers" 2>/dev/null; rm -f "$carriers_printed"' EXIT
carrier_tests() {
    wait "$carriers"
    local status=$?
    cat "$carriers_printed"
    return "$status"
}

run_tiers() {
    local tiers folders at_once
    for tiers in unit carrier contract,integration sip,browser faults; do
        if [ "$tiers" = carrier ]; then
            run_tier carrier carrier_tests || return
            continue
        fi
        # A call in real time mostly waits: two processes have a sandbox each, and what a busy
        # machine would break is marked `alone`.
        case $tiers in
        # A third process fills what the others' waiting leaves of two cores.
        unit) at_once=(-n 3) ;;
        # What has to be together begins (tests/kit/shares.py), the rest goes to whoever is free.
        contract,integration) at_once=(-n 4 --dist loadgroup) ;;
        *) at_once=(-n 2 --dist loadfile) ;;
        esac
        IFS=, read -ra folders <<<"$tiers"
        # No tests in a tier is a failure too: pytest then ends with status 5.
        run_tier "$tiers" .venv/bin/python -m pytest "${folders[@]/#/tests/}" -m "not slow" --seed 1 "${at_once[@]}" "$@" || return
    done
}

run_tiers "$@"
printf '\n'
printf '%s\n' "${summary[@]}"
exit "$status"
