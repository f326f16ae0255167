#!/usr/bin/env bash
# Ask the SIP bridge for its health; its image has neither curl nor wget, but bash.
# 429 says that it is busy: it is there, and taking it for ill would help nobody.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$SIP_HEALTH_PORT"
printf 'GET / HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ] || [ "$status" = 429 ]
