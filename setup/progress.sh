# Steps that are shown, counted and timed; their own words go to a file. Sourced by prepare.sh.

log_folder=.setup
titles=()
checks=()
works=()

give_up() {
    printf '%s\n' "$1" >&2
    exit 1
}

# step TITLE CHECK WORK: WORK is done when CHECK fails; both are names of functions.
step() {
    titles+=("$1")
    checks+=("$2")
    works+=("$3")
}

# Do what has to be done, as "[2/5] title ..."; say nothing when nothing has to be done.
run_steps() {
    local i number=0 pending=()
    for i in "${!titles[@]}"; do
        if ! ${checks[$i]} >/dev/null 2>&1; then pending+=("$i"); fi
    done
    for i in ${pending[@]+"${pending[@]}"}; do
        number=$((number + 1))
        run_step "[$number/${#pending[@]}] ${titles[$i]}" "${works[$i]}"
    done
}

run_step() {
    local title=$1 work=$2 log=$log_folder/$2.log began=$SECONDS status=0
    printf '%s ...\n' "$title"
    # Its own process group, so that Ctrl-C ends the compiler's children too.
    set -m
    ( set +m; set -euo pipefail; $work ) >"$log" 2>&1 </dev/null &
    local child=$!
    set +m
    trap 'kill -TERM -- -'"$child"' 2>/dev/null; exit 130' INT TERM HUP
    tick "$child" "$began" "$log"
    wait "$child" || status=$?
    trap - INT TERM HUP
    if [ "$status" -ne 0 ]; then
        printf '    failed after %d s; the end of %s:\n' "$((SECONDS - began))" "$log" >&2
        tail -n 20 "$log" | sed 's/^/    | /' >&2
        exit 1
    fi
    printf '    done in %d s\n' "$((SECONDS - began))"
}

# Show that something goes on: every few seconds, with the last word of the log.
tick() {
    local child=$1 began=$2 log=$3 waited=0
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        waited=$((waited + 1))
        if [ $((waited % 20)) -eq 0 ]; then
            printf '    %3d s  %s\n' "$((SECONDS - began))" \
                "$(tail -n 1 "$log" 2>/dev/null | tr '\r\t' '  ' | cut -c 1-90)"
        fi
    done
}

# Stamps: a step is current while the hash of its inputs is the noted one and its product exists.
# The cache's place is an input too: products in another one are not found.
inputs_hash() {
    {
        printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}"
        find "$@" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum
}

stamp() { # NAME PRODUCT INPUT...
    local name=$1 product=$2
    shift 2
    { inputs_hash "$@"; printf '%s\n' "$product"; } >"$log_folder/$name.stamp"
}

stamped() { # NAME INPUT...
    local file=$log_folder/$1.stamp
    shift
    [ -f "$file" ] && [ -e "$(sed -n 2p "$file")" ] &&
        [ "$(sed -n 1p "$file")" = "$(inputs_hash "$@")" ]
}
