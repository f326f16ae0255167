#!/bin/sh
# Render the scrape configuration and become the command.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted RULES_DIR
port API_PORT LIVEKIT_METRICS_PORT SIP_METRICS_PORT CADDY_ADMIN_PORT PROMETHEUS_PORT
plain_secret metrics_token >/dev/null

alerting() {
    [ -n "${ALERTMANAGER:-}" ] || return 0
    printf 'alerting:\n  alertmanagers:\n    - static_configs: [{targets: ["%s"]}]\n' "$ALERTMANAGER"
}

job() { # NAME PORT
    printf '  - job_name: %s\n    static_configs: [{targets: ["127.0.0.1:%s"]}]\n' "$1" "$2"
}

cat >"$RENDERED_DIR/prometheus.yml" <<END
global:
  scrape_interval: 15s
  scrape_timeout: 10s
  evaluation_interval: 15s
rule_files: ["$RULES_DIR/alerts.yml"]
$(alerting)
scrape_configs:
$(job gateway "$API_PORT")
    authorization: {credentials_file: "$SECRETS_DIR/metrics_token"}
$(job livekit-server "$LIVEKIT_METRICS_PORT")
$(job livekit-sip "$SIP_METRICS_PORT")
$(job caddy "$CADDY_ADMIN_PORT")
$(job prometheus "$PROMETHEUS_PORT")
END
exec "$@"
