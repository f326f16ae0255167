#!/bin/sh
# Give the secrets to our own processes as the settings that they read, and become the command.
set -eu
. "$(dirname "$0")/rendering.sh"
umask 022

given() { [ -s "$SECRETS_DIR/$1" ]; }

# A process is given only the files that its service names; what is not there is not set.
for name in livekit_api_secret token_secret secrets_key metrics_token sip_trunk_password \
    openai_api_key; do
    if given "$name"; then
        value=$(secret "$name")
        export "$(echo "$name" | tr '[:lower:]' '[:upper:]')=$value"
    fi
done

if given postgres_password; then
    port POSTGRES_PORT
    password=$(plain_secret postgres_password)
    export DATABASE_URL="postgresql://telephony:$password@127.0.0.1:$POSTGRES_PORT/telephony"
fi
if given redis_password; then
    port REDIS_PORT
    password=$(plain_secret redis_password)
    export REDIS_URL="redis://:$password@127.0.0.1:$REDIS_PORT/0"
fi

# Carriers' own credentials, one NAME=value a line, as files in config/ refer to them; they set
# nothing else, but for the LiveKit that stands in.
config=$(dirname "${TRUNKS_FILE:-/config/trunks.yaml}")
wanted_by_a_file() {
    case $1 in
    LIVEKIT_FALLBACK_URL | LIVEKIT_FALLBACK_API_KEY | LIVEKIT_FALLBACK_API_SECRET) return 0 ;;
    esac
    grep -qsF "\${$1}" "$config"/*.yaml "$config"/*.yml
}
if given carriers_env; then
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '' | '#'*) ;;
        [A-Z]*=*)
            name=${line%%=*}
            case $name in
            *[!A-Z0-9_]*) give_up "carriers_env: a name holds capital letters, digits and _ only" ;;
            esac
            if eval "[ -n \"\${$name+set}\" ]"; then
                give_up "carriers_env: $name is set already, by .env, another secret or a line above"
            elif wanted_by_a_file "$name"; then
                export "${line?}"
            elif [ -d "$config" ]; then
                # No reason not to start: it may be there before the file is.
                echo "carriers_env: $name is left out, no .yaml file in config/ says \${$name}" >&2
            fi
            ;;
        *) give_up "carriers_env: each line is NAME=value" ;;
        esac
    done <"$SECRETS_DIR/carriers_env"
fi

# A worker's token was made for its name by `prepare`.
if [ -n "${WORKER_ID:-}" ]; then
    wanted WORKER_TOKENS_DIR
    [ -r "$WORKER_TOKENS_DIR/$WORKER_ID" ] ||
        give_up "there is no token for $WORKER_ID yet; docker compose up -d makes it"
    WORKER_TOKEN=$(cat "$WORKER_TOKENS_DIR/$WORKER_ID")
    export WORKER_TOKEN
fi

exec "$@"
