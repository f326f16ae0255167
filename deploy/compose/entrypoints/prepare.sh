#!/bin/sh
# Bring the database to this version's tables and make a token for each worker.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted WORKER_IDS WORKER_TOKENS_DIR
dialer migrate
for worker in $WORKER_IDS; do
    dialer worker-token "$worker" >"$WORKER_TOKENS_DIR/.$worker"
    mv "$WORKER_TOKENS_DIR/.$worker" "$WORKER_TOKENS_DIR/$worker"
done
echo "Tokens are made for: $WORKER_IDS"
