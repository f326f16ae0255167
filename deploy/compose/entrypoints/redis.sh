#!/bin/sh
# Render redis.conf and become the command.
set -eu
. "$(dirname "$0")/rendering.sh"

port REDIS_PORT
wanted DATA_DIR REDIS_MAX_MEMORY
password=$(plain_secret redis_password)

# LiveKit keeps its trunks, dispatch rules and rooms here. The dialer makes them again where they are
# gone, so that a lost second costs nothing; nothing may be thrown out for want of memory.
cat >"$RENDERED_DIR/redis.conf" <<END
bind 127.0.0.1
port $REDIS_PORT
protected-mode yes
requirepass $password
dir $DATA_DIR
appendonly yes
appendfsync everysec
save 3600 1 300 100
maxmemory $REDIS_MAX_MEMORY
maxmemory-policy noeviction
daemonize no
logfile ""
END
exec "$@"
