# What the entrypoints share; sourced, and plain POSIX: the images have no more than that.

RENDERED_DIR=${RENDERED_DIR:-/run/gateway}
SECRETS_DIR=${SECRETS_DIR:-/run/secrets}

# What is rendered holds secrets: nobody else may read it.
umask 077

give_up() { # SENTENCE: say what is wrong and end as misconfigured
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 78
}

wanted() { # NAME...: each has to be set and not empty
    for name in "$@"; do
        eval "value=\${$name:-}"
        [ -n "$value" ] || give_up "$name is not set; .env.example tells what it is"
    done
}

secret() { # NAME: print what the file holds, without the newline at its end
    [ -r "$SECRETS_DIR/$1" ] || give_up "the secret $1 cannot be read; run ./make-secrets"
    cat "$SECRETS_DIR/$1"
}

plain_secret() { # NAME: one that stands in URLs and configuration as it is
    plain=$(secret "$1") || exit
    case $plain in
    '') give_up "the secret $1 is empty; run ./make-secrets" ;;
    *[!A-Za-z0-9_-]*) give_up "the secret $1 may hold letters, digits, - and _ only" ;;
    esac
    printf '%s' "$plain"
}

port() { # NAME...: each has to be a port
    for name in "$@"; do
        eval "value=\${$name:-}"
        case $value in
        '' | *[!0-9]* | ??????*) give_up "$name has to be a port, not '$value'" ;;
        esac
        [ "$value" -ge 1 ] && [ "$value" -le 65535 ] ||
            give_up "$name has to be a port, not '$value'"
    done
}

ipv4() { # NAME: empty, or an address
    eval "value=\${$1:-}"
    refusal="$1 has to be an IPv4 address like 203.0.113.7; leave it empty to have it found out"
    case $value in
    '') return 0 ;;
    *[!0-9.]*) give_up "$refusal" ;;
    esac
    echo "$value" | grep -Eq '^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.|$)){4}$' ||
        give_up "$refusal"
}

name_of_host() { # NAME: letters, digits, dots and dashes
    eval "value=\${$1:-}"
    case $value in
    *[!A-Za-z0-9.-]*) give_up "$1 has to be a name like sip.example.com, not '$value'" ;;
    esac
}

# A trial on one machine, which nobody else can reach.
on_loopback() { case $PUBLIC_IP in 127.*) true ;; *) false ;; esac; }
