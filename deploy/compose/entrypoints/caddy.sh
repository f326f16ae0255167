#!/bin/sh
# Check the names, render the site that only fetches the bridge's certificate, become the command.
set -eu
. "$(dirname "$0")/rendering.sh"

wanted API_DOMAIN LIVEKIT_DOMAIN CERTIFICATES
SIP_TLS_DOMAIN=${SIP_TLS_DOMAIN:-}
name_of_host API_DOMAIN
name_of_host LIVEKIT_DOMAIN
name_of_host SIP_TLS_DOMAIN
port API_PORT LIVEKIT_PORT HTTP_PORT HTTPS_PORT CADDY_ADMIN_PORT
case $CERTIFICATES in
internal | *?@?*.?*) ;;
*) give_up "CERTIFICATES has to be your mail address, or internal, not '$CERTIFICATES'" ;;
esac

rm -f "$RENDERED_DIR/sip.caddy"
if [ -n "$SIP_TLS_DOMAIN" ]; then
    printf '%s {\n\timport secured\n\trespond 404\n}\n' "$SIP_TLS_DOMAIN" >"$RENDERED_DIR/sip.caddy"
fi
exec "$@"
