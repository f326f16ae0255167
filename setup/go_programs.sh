# The programs that are built from pinned Go modules. Sourced by prepare.sh.

oldest_go=1.26

require_go() {
    local found
    found=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || found=
    if [ -z "$found" ]; then
        give_up "Go is missing: install Go $oldest_go or newer from https://go.dev/dl"
    fi
    if [ "$(printf '%s\n' "$oldest_go" "$found" | sort -V | head -n 1)" != "$oldest_go" ]; then
        give_up "Go $found is too old: install Go $oldest_go or newer from https://go.dev/dl"
    fi
}

# Go would keep modules in ~/go, which is not the user's cache: only where that is in use already.
choose_module_cache() {
    if [ ! -d "$(go env GOMODCACHE)" ]; then
        export GOMODCACHE="${XDG_CACHE_HOME:-$HOME/.cache}/telephony/go-modules"
        export GOFLAGS="$(go env GOFLAGS) -modcacherw"
    fi
}

pinned() { awk -v module="$1" '$1 == module { print $2 }' sandbox/servers/go.mod; }

built() { # NAME INPUT...: the last line that the builder prints is the binary's path
    local name=$1
    .venv/bin/python -m sandbox.servers_build "$name" | tee .setup/built
    stamp "$name" "$(tail -n 1 .setup/built)" "${@:2}"
}

server_inputs="sandbox/servers/go.mod sandbox/servers/go.sum"
livekit_server_current() { stamped livekit-server $server_inputs; }
build_livekit_server() { built livekit-server $server_inputs; }
livekit_sip_current() { stamped livekit-sip $server_inputs; }
build_livekit_sip() { built livekit-sip $server_inputs; }
carrier_current() { stamped carrier sandbox/carrier; }
build_carrier() { built carrier sandbox/carrier; }
compose_reader_current() { stamped compose-reader setup/compose_reader; }
build_compose_reader() { built compose-reader setup/compose_reader; }
