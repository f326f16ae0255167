"""A trunks.yaml in which all is right and much is said, to be read and to be spoiled."""

from __future__ import annotations

import pytest

from trunks import reading
from trunks.faults import Fault, FileError
from trunks.reading import File

ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": "AC0123456789",
    "TWILIO_AUTH_TOKEN": "token-of-twilio",
    "SIP_USERNAME": "acme",
    "SIP_PASSWORD": "sixteen-characters-at-least",
    "SHORT": "fifteen-letters",
    "WEBHOOK_SECRET": "sixteen-letters-of-a-webhook",
    "WHSEC_SHORT": "whsec_c2l4dGVlbi1sZXR0ZXJzLg==",
    "WHSEC_BROKEN": "whsec_no base64 however long it may be",
    "BRIDGE": "203.0.113.7",
    "LIVEKIT_URL": "ws://127.0.0.1:7880/",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "secret-of-livekit",
}

GOOD = """\
version: 1
deployment: acme
carriers:
  main:
    kind: twilio
    account_sid: ${TWILIO_ACCOUNT_SID}
    auth_token: ${TWILIO_AUTH_TOKEN}
  other:
    kind: generic
trunks:
  main:
    carrier: main
    domain: acme-main
    outbound:
      username: ${SIP_USERNAME}
      password: ${SIP_PASSWORD}
      destination_country: NO
      prefixes: [+1, "+44"]
      headers: {X-Account: acme}
    inbound:
      deliver_to: [{url: "sip:${BRIDGE}:5060"}]
      allowed_addresses: [54.172.60.0/30]
    recording: off
  second:
    carrier: other
    address: sip.example.net:5061
    transport: tls
    encryption: require
    outbound: {}
numbers:
  +14155550100: {trunk: main, route: front}
  "+1 415 555-0101":
    trunk: second
inbound_routes:
  front:
    agent: receptionist
    hours: office
    closed: {message: We are closed.}
    overflow: +14155550199
    blocked_callers: [+14155550155, "+1900*", anonymous]
    webhook_url: https://backend.example.com/agent
    webhook_secret: ${WEBHOOK_SECRET}
hours:
  office:
    time_zone: America/New_York
    weekly: {mon: ["09:00-17:00"]}
    holidays: [2026-12-25]
"""


def parse(text: str, *, i_know: bool = False) -> File:
    """Read a file with our environment."""
    return reading.parse(text, environment=ENVIRONMENT, deployment="tel", i_know=i_know)


def faults(text: str) -> tuple[Fault, ...]:
    """Read a file that is wrong; gives what is told of it."""
    with pytest.raises(FileError) as caught:
        parse(text)
    return caught.value.faults
