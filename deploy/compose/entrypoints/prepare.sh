#!/bin/sh
# Bring the database to this version's tables and make a token for each worker.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted WORKER_IDS WORKER_TOKENS_DIR
dialer migrate
# shellcheck disable=SC2086 # they are words
set -- $WORKER_IDS
dialer worker-token "$@" >"$WORKER_TOKENS_DIR/.made"
while read -r token; do
    printf '%s\n' "$token" >"$WORKER_TOKENS_DIR/.$1"
    mv "$WORKER_TOKENS_DIR/.$1" "$WORKER_TOKENS_DIR/$1"
    shift
done <"$WORKER_TOKENS_DIR/.made"
rm "$WORKER_TOKENS_DIR/.made"
[ $# -eq 0 ] || give_up "no tokens were made for: $*"
echo "Tokens are made for: $WORKER_IDS"
