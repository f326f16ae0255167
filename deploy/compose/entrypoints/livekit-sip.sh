#!/bin/sh
# Render the SIP bridge's configuration and become the command.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted LIVEKIT_API_KEY LIVEKIT_URL SIP_RTP_PORTS WORKERS WORKER_CAPACITY CERTIFICATES_DIR
port SIP_PORT SIP_TLS_PORT SIP_HEALTH_PORT SIP_METRICS_PORT REDIS_PORT
PUBLIC_IP=${PUBLIC_IP:-}
SIP_TLS_DOMAIN=${SIP_TLS_DOMAIN:-}
ipv4 PUBLIC_IP
name_of_host SIP_TLS_DOMAIN
case ${SIP_HIDDEN_FROM_STRANGERS:-false} in
true | false) ;;
*) give_up "SIP_HIDDEN_FROM_STRANGERS is true or false" ;;
esac
case ${SIP_MAX_CPU_UTILIZATION:-0.9} in
0.[0-9] | 0.[0-9][0-9] | 1 | 1.0) ;;
*) give_up "SIP_MAX_CPU_UTILIZATION is a share of all cores, like 0.9, and at most 1" ;;
esac
api_secret=$(plain_secret livekit_api_secret)
redis_password=$(plain_secret redis_password)

first_rtp=${SIP_RTP_PORTS%-*}
last_rtp=${SIP_RTP_PORTS#*-}
port first_rtp last_rtp
# A call needs a port, and keeps it for half a minute and more after its end; a bridge that finds no
# port for a call panics, and all of its calls are lost.
needed=$((2 * WORKERS * WORKER_CAPACITY))
[ $((last_rtp - first_rtp + 1)) -ge "$needed" ] ||
    give_up "SIP_RTP_PORTS=$SIP_RTP_PORTS are too few: $WORKERS workers of $WORKER_CAPACITY calls need $needed"

where() {
    if on_loopback; then
        printf 'use_external_ip: false\nnat_1_to_1_ip: %s\n' "$PUBLIC_IP"
        printf 'listen_ip: 127.0.0.1\nlocal_net: 127.0.0.0/8\n'
    elif [ -n "$PUBLIC_IP" ]; then
        printf 'use_external_ip: false\nnat_1_to_1_ip: %s\n' "$PUBLIC_IP"
    else
        printf 'use_external_ip: true\n'
    fi
}

# Caddy keeps a folder for each authority that it ever had one from: the newest is the one in use,
# and its own, of a trial, is none for a carrier.
fetched() {
    not_of=local
    [ "${CERTIFICATES:-}" != internal ] || not_of=none
    find "$CERTIFICATES_DIR" -name "$SIP_TLS_DOMAIN.crt" ! -path "*/$not_of/*" -exec ls -t {} + 2>/dev/null |
        head -n 1
}

# Caddy fetches the certificate, at the very first start beside us, and renews it; the bridge reads it
# when it starts.
encryption() {
    [ -n "$SIP_TLS_DOMAIN" ] || return 0
    patience=${CERTIFICATE_PATIENCE_SECONDS:-120}
    certificate=$(fetched)
    while [ -z "$certificate" ] && [ "$patience" -gt 0 ]; do
        sleep 2
        patience=$((patience - 2))
        certificate=$(fetched)
    done
    [ -n "$certificate" ] ||
        give_up "no certificate for SIP_TLS_DOMAIN=$SIP_TLS_DOMAIN yet: Caddy fetches it; see its log"
    printf 'sip_hostname: %s\n' "$SIP_TLS_DOMAIN"
    printf 'tls:\n  port: %s\n  min_version: tls1.2\n' "$SIP_TLS_PORT"
    printf '  certs:\n    - cert_file: "%s"\n      key_file: "%s"\n' \
        "$certificate" "${certificate%.crt}.key"
}
encrypted=$(encryption)

cat >"$RENDERED_DIR/livekit-sip.yaml" <<END
api_key: "$LIVEKIT_API_KEY"
api_secret: "$api_secret"
ws_url: "$LIVEKIT_URL"
redis:
  address: 127.0.0.1:$REDIS_PORT
  password: "$redis_password"
sip_port: $SIP_PORT
rtp_port: $SIP_RTP_PORTS
$(where)
$encrypted
hide_inbound_port: ${SIP_HIDDEN_FROM_STRANGERS:-false}
max_cpu_utilization: ${SIP_MAX_CPU_UTILIZATION:-0.9}
health_port: $SIP_HEALTH_PORT
prometheus_port: $SIP_METRICS_PORT
logging: {level: info, json: true}
END
exec "$@"
