"""Each fault of a trunks.yaml: its code, its place and what is said."""

from __future__ import annotations

import pytest

from tests.unit.trunks.right_file import GOOD, faults

#: What is written in place of what, with « before the fault; its code; what the message says.
BAD = [
    # 63: addresses.
    (
        "address: sip.example.net:5061",
        "address: «sip:sip.example.net",
        "not_a_host",
        "without sip:",
    ),
    ("address: sip.example.net:5061", "address: «a.net;transport=tls", "not_a_host", "parameters"),
    ("address: sip.example.net:5061", "address: «bob@a.net", "not_a_host", "user"),
    ("address: sip.example.net:5061", "address: «a.net:70000", "not_a_port", "65535"),
    ("address: sip.example.net:5061", 'address: «""', "not_a_host", "host"),
    ("address: sip.example.net:5061", "address: «300.1.1.1", "not_a_host", "host"),
    ("    address: sip.example.net:5061\n", "", "address_needed", "host and port"),
    ("domain: acme-main", "domain: «acme.pstn.twilio.com", "not_a_domain", "hyphens"),
    ("    domain: acme-main\n", "", "domain_needed", ".pstn.twilio.com"),
    ('"sip:${BRIDGE}:5060', '«"${BRIDGE}:5060', "not_a_sip_uri", "sip:HOST:PORT"),
    ('"sip:${BRIDGE}:5060', '«"sip:${BRIDGE}:0', "not_a_port", "65535"),
    ('"sip:${BRIDGE}:5060', '«"sip:bob@${BRIDGE}', "not_a_sip_uri", "sip:HOST:PORT"),
    # 64: no numbers.
    ("trunk: second", "trunk: main", "no_numbers", "under numbers"),
    # 66 and 67: who may call in.
    (
        "[54.172.60.0/30]",
        "[«'54.172.60.0/30,54.244.51.0/30']",
        "one_cidr_per_entry",
        "one CIDR per entry",
    ),
    ("54.172.60.0/30", "«pstn.twilio.com", "not_a_cidr", "host names"),
    ("54.172.60.0/30", "«54.172.60.1/30", "not_a_cidr", "Did you mean 54.172.60.0/30?"),
    ("54.172.60.0/30", "«0.0.0.0/0", "open_to_all", "--i-know"),
    ("[54.172.60.0/30]", "[«'::/0']", "open_to_all", "admits everybody"),
    # 68: neither.
    ("allowed_addresses: [54.172.60.0/30]", "allowed_addresses: []", "add_auth_or_cidr", "auth"),
    # 70: one number twice.
    ('"+1 415 555-0101"', '«"+1 415 555-0100"', "duplicate_number", "+14155550100"),
    ('"+1 415 555-0101"', "«+14155550100", "duplicate_key", "line 31"),
    # 71: passwords.
    ("${SIP_PASSWORD}", "«${SHORT}", "password_too_short", "fewer than 16"),
    ("      password: ${SIP_PASSWORD}\n", "", "username_and_password", "go together"),
    ("${SIP_PASSWORD}", "«hunter2hunter2hunter2", "literal_secret", "${NAME}"),
    ("${TWILIO_AUTH_TOKEN}", "«abcdef0123456789", "literal_secret", "environment"),
    ("${TWILIO_AUTH_TOKEN}", "«x${TWILIO_AUTH_TOKEN}", "literal_secret", "environment"),
    ("${TWILIO_AUTH_TOKEN}", "«${TWILIO_TOKEN}", "variable_not_set", "${TWILIO_TOKEN} is not set"),
    ("    auth_token: ${TWILIO_AUTH_TOKEN}\n", "", "credentials_needed", "auth_token, or api_key"),
    # 73: codecs.
    ("outbound: {}", "outbound: {«codecs: []}", "no_codec", "PCMU"),
    ("outbound: {}", "outbound: {codecs: [«G729]}", "not_one_of", "'PCMU', 'PCMA' or 'G722'"),
    # Numbers.
    ("overflow: +14155550199", "overflow: «4155550199", "invalid_type", "quotes"),
    ("overflow: +14155550199", "overflow: «'4155550199'", "not_e164", "E.164"),
    ("overflow: +14155550199", "overflow: «+1415555019", "invalid_number", "numbering plan"),
    ("overflow: +14155550199", "overflow: «+14155550199x5", "use_dtmf_field", "Extensions"),
    ('"+1 415 555-0101"', "«+0155", "not_e164", "country code"),
    ("prefixes: [+1", "prefixes: [«1", "invalid_type", "quotes"),
    ("prefixes: [+1", "prefixes: [«'1'", "not_a_prefix", "+1"),
    ("destination_country: NO", "destination_country: «XX", "not_a_country", "ISO 3166"),
    ("[+14155550155,", "[«'+1*900',", "invalid_number", "not a phone number"),
    # Webhooks.
    ("https://backend.example.com/agent", "«ftp://backend/agent", "not_a_webhook", "https://"),
    ("https://backend.example.com/agent", "«backend", "not_a_webhook", "https://"),
    ("${WEBHOOK_SECRET}", "«a-secret-of-a-webhook", "literal_secret", "${NAME}"),
    ("${WEBHOOK_SECRET}", "«${SHORT}", "password_too_short", "fewer than 24"),
    ("${WEBHOOK_SECRET}", "«${WHSEC_SHORT}", "password_too_short", "base64"),
    ("${WEBHOOK_SECRET}", "«${WHSEC_BROKEN}", "password_too_short", "base64"),
    ("    webhook_secret: ${WEBHOOK_SECRET}\n", "", "webhook_and_secret", "go together"),
    # Names.
    ("    carrier: other", "    carrier: «othr", "unknown_name", "Did you mean other?"),
    ("trunk: main, route", "trunk: «mian, route", "unknown_name", "Did you mean main?"),
    ("route: front", "route: «front-desk", "unknown_name", "Did you mean front?"),
    ("hours: office", "hours: «ofice", "unknown_name", "Did you mean office?"),
    ("kind: generic", "kind: «twillio", "not_one_of", "'twilio', 'telnyx'"),
    ("transport: tls", "«transprot: tls", "unknown_field", "Did you mean transport?"),
    ("auth_token: ${", "«auth_tokn: ${", "unknown_field", "Did you mean auth_token?"),
    ("{mon: [", "{«monday: [", "unknown_field", "mon"),
    ("transport: tls", "transport: «TLS", "not_one_of", "'udp', 'tcp', 'tls' or 'auto'"),
    ("kind: twilio", "kind: twilio\n    «kind: twilio", "duplicate_key", "line 5"),
    # Headers.
    ("headers: {X-Account: acme}", "«headers: {Via: acme}", "header_not_allowed", "not Via"),
    (
        "headers: {X-Account: acme}",
        '«headers: {X-A: "a\\r\\n"}',
        "header_not_allowed",
        "not printable",
    ),
    # Encryption.
    ("    transport: tls", "    secure: «true", "secure_needs_tls", "transport: tls"),
    # Hours and routes.
    ("America/New_York", "«New York", "not_a_time_zone", "Did you mean America/New_York?"),
    ("America/New_York", "«America/New_Yrok", "not_a_time_zone", "Did you mean America/New_York?"),
    ("America/New_York", "«../../etc/passwd", "not_a_time_zone", "no such time zone"),
    ('["09:00-17:00"]', '[«"9-17"]', "not_a_span", "09:00-17:00"),
    ('["09:00-17:00"]', '[«"09:00-09:00"]', "not_a_span", "a whole day is 00:00-24:00"),
    ('mon: ["09', '«mon: ["16:00-18:00", "09', "hours_overlap", "overlap"),
    (
        '{mon: ["09:00-17:00"]}',
        '{sun: ["22:00-02:00"], «mon: ["01:00-09:00"]}',
        "hours_overlap",
        "midnight",
    ),
    ("[2026-12-25]", "[«2026-13-25]", "invalid_value", "date"),
    ("    hours: office\n", "", "closed_without_hours", "names none"),
    (
        "hours: office\n    closed: {message: We are closed.}\n    overflow: +14155550199\n",
        "hours: «office\n",
        "closed_needed",
        "closed or overflow",
    ),
    ("trunk: main, route: front", "trunk: «second, route: front", "takes_no_calls", "inbound"),
    (
        "{trunk: main, route: front}",
        "{trunk: main, route: front, «inbound: {agent: a}}",
        "route_twice",
        "keep one",
    ),
    (
        "{trunk: main, route: front}",
        "{trunk: main, inbound: {agent: a, overflow: «+14155550100}}",
        "overflow_loops",
        "circles",
    ),
    (
        "{trunk: main, route: front}",
        "{trunk: main, inbound: {agent: a, overflow: «+14155550102}}\n"
        "  +14155550102: {trunk: main, route: front}",
        "overflow_loops",
        "answered here as well",
    ),
    ("overflow: +14155550199", "overflow: «+14155550100", "overflow_loops", "itself"),
    ("    outbound: {}\n", "", "does_nothing", "neither"),
    # The file itself.
    ("version: 1", "version: «2", "not_one_of", "1"),
    ("version: 1\n", "", "required", "missing"),
    ("deployment: acme", "deployment: «Acme Inc.", "invalid_value", "lower case"),
    ("    outbound: {}", "    «outbound: []", "invalid_type", "mapping"),
    ("weekly: {mon", "weekly: {? «[a] : b, mon", "not_a_name", "plain text"),
    ("hours:\n  office:\n", "hours:\n  office: {\n", "not_yaml", "no YAML"),
]


@pytest.mark.parametrize(("right", "wrong", "code", "said"), BAD)
def test_each_fault_has_its_code_and_its_place(
    right: str, wrong: str, code: str, said: str
) -> None:
    assert GOOD.count(right) == 1, "the case must change one place"
    marked = GOOD.replace(right, wrong)
    found = faults(marked.replace("«", ""))
    [fault] = [fault for fault in found if fault.code == code]
    assert said in fault.message
    if "«" in marked:
        before = marked.partition("«")[0].split("\n")
        assert (fault.line, fault.column) == (len(before), len(before[-1]) + 1)
    assert str(fault).startswith(f"trunks.yaml:{fault.line}:{fault.column}: {fault.path}")
