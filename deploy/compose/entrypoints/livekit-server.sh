#!/bin/sh
# Render livekit-server's configuration and become the command.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted LIVEKIT_API_KEY WEBHOOK_URL
port LIVEKIT_PORT LIVEKIT_TCP_PORT LIVEKIT_UDP_PORT LIVEKIT_METRICS_PORT REDIS_PORT
PUBLIC_IP=${PUBLIC_IP:-}
ipv4 PUBLIC_IP
api_secret=$(plain_secret livekit_api_secret)
redis_password=$(plain_secret redis_password)
[ "${#api_secret}" -ge 32 ] || give_up "the secret livekit_api_secret needs 32 characters or more"

# A caller's room is made by the bridge that joins it: livekit-sip's token cannot make one beforehand.
# Where no calls come in, joining makes none; the dialer does.
rooms() {
    case ${INBOUND_CALLS:-true} in
    true) echo '{auto_create: true, empty_timeout: 30, departure_timeout: 10}' ;;
    false) echo '{auto_create: false}' ;;
    *) give_up "INBOUND_CALLS is true or false" ;;
    esac
}
rooms=$(rooms)

where() {
    if on_loopback; then
        printf '  use_external_ip: false\n  node_ip: %s\n' "$PUBLIC_IP"
        printf '  enable_loopback_candidate: true\n  interfaces: {includes: [lo]}\n'
    elif [ -n "$PUBLIC_IP" ]; then
        printf '  use_external_ip: false\n  node_ip: %s\n' "$PUBLIC_IP"
        # Heeded beside node_ip from v1.13.6 on (livekit/livekit#4754).
        printf '  advertise_internal_ip: true\n  interfaces: {excludes: [docker0]}\n'
    else
        # By STUN at each start. Workers and bridge, on this machine too, take the internal address:
        # few networks let a machine talk to itself by its public one.
        printf '  use_external_ip: true\n  skip_external_ip_validation: true\n'
        printf '  advertise_internal_ip: true\n  interfaces: {excludes: [docker0]}\n'
    fi
}

cat >"$RENDERED_DIR/livekit-server.yaml" <<END
port: $LIVEKIT_PORT
bind_addresses: ["127.0.0.1"]
prometheus: {port: $LIVEKIT_METRICS_PORT}
rtc:
  tcp_port: $LIVEKIT_TCP_PORT
  udp_port: $LIVEKIT_UDP_PORT
$(where)
redis:
  address: 127.0.0.1:$REDIS_PORT
  password: "$redis_password"
keys:
  "$LIVEKIT_API_KEY": "$api_secret"
room: $rooms
webhook:
  api_key: "$LIVEKIT_API_KEY"
  urls: ["$WEBHOOK_URL"]
logging: {level: info, json: true}
END
exec "$@"
