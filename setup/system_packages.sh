# Debian's packages: installed when the user may, else named in one line. Sourced by prepare.sh.

missing_packages=()

lacks_command() { ! command -v "$1" >/dev/null 2>&1; }

lacks_library() { lacks_command pkg-config || ! pkg-config --exists "$1"; }

# Of administrators, and not on everybody's PATH.
want_unless_sbin() { if [ ! -x "/usr/sbin/$1" ]; then want_unless_command "$1" "$2"; fi; }

want_unless_command() { if lacks_command "$1"; then missing_packages+=("$2"); fi; }

want_unless_library() { if lacks_library "$1"; then missing_packages+=("$2"); fi; }

find_missing_packages() { # demo|test|lint|bench
    missing_packages=()
    if ! python3.11 -c 'import ensurepip' 2>/dev/null && ! have_uv; then
        missing_packages+=(python3-venv)
    fi
    if [ "$1" = lint ]; then return; fi
    want_unless_command gcc gcc
    if [ ! -e /usr/include/stdlib.h ]; then missing_packages+=(libc6-dev); fi
    want_unless_command pkg-config pkg-config
    want_unless_library opus libopus-dev
    want_unless_library opusfile libopusfile-dev
    want_unless_library soxr libsoxr-dev
    want_unless_command redis-server redis-server
    want_unless_command espeak-ng espeak-ng
    if [ "$1" = demo ] || [ "$1" = bench ]; then return; fi
    want_unless_command sipp sip-tester
    want_unless_command baresip baresip
    want_unless_command chromium chromium
    want_unless_command sox sox
    want_unless_command promtool prometheus
    want_unless_command wget wget
    want_unless_command ss iproute2
    want_unless_sbin nft nftables
    want_unless_command openssl openssl
}

packages_present() {
    find_missing_packages "$profile"
    [ "${#missing_packages[@]}" -eq 0 ]
}

# Who may install: root, or whoever sudo asks for no password.
require_installer() {
    find_missing_packages "$profile"
    local all="${missing_packages[*]}"
    if lacks_command apt-get; then
        give_up "missing: $all (names of Debian's packages); install them, then run this again"
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=()
    elif sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        give_up "system packages are missing; run: sudo apt-get install -y --no-install-recommends $all"
    fi
}

install_system_packages() {
    local apt=("${as_root[@]+"${as_root[@]}"}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q)
    local install=(install --no-install-recommends "${missing_packages[@]}")
    # An old list of packages names files that are gone: then, and only then, fetch a new one.
    "${apt[@]}" "${install[@]}" || { "${apt[@]}" update && "${apt[@]}" "${install[@]}"; }
}
