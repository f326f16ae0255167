#!/bin/sh
# Ask Redis with its password, which no argument shows.
set -eu
. "$(dirname "$0")/rendering.sh"
REDISCLI_AUTH=$(secret redis_password)
export REDISCLI_AUTH
[ "$(redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping)" = PONG ]
