"""Reading trunks.yaml: what is taken, and what is refused with which code on which line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from trunks import reading
from trunks.accounts import Twilio
from trunks.desired import Desired
from trunks.faults import Fault, FileError
from trunks.reading import File

ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": "AC0123456789",
    "TWILIO_AUTH_TOKEN": "token-of-twilio",
    "SIP_USERNAME": "acme",
    "SIP_PASSWORD": "sixteen-characters-at-least",
    "SHORT": "fifteen-letters",
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
    blocked_callers: [+14155550155]
hours:
  office:
    time_zone: America/New_York
    weekly: {mon: ["09:00-17:00"]}
    holidays: [2026-12-25]
"""


def parse(text: str, *, i_know: bool = False) -> File:
    return reading.parse(text, environment=ENVIRONMENT, deployment="tel", i_know=i_know)


def faults(text: str) -> tuple[Fault, ...]:
    with pytest.raises(FileError) as caught:
        parse(text)
    return caught.value.faults


def test_the_whole_of_a_right_file_is_taken() -> None:
    file = parse(GOOD)
    desired = file.desired
    assert file.warnings == []
    assert desired.deployment == "acme" and desired.mark("main") == "acme/main"
    main, second = desired.trunks["main"], desired.trunks["second"]
    assert main.recording == "off" and main.outbound and main.inbound
    assert main.outbound.destination_country == "NO"
    assert main.outbound.prefixes == ("+1", "+44")
    assert main.inbound.deliver_to[0].url == "sip:203.0.113.7:5060"
    assert second.outbound and second.outbound.codecs == ("PCMU", "PCMA")
    assert desired.address_of("main") == "acme-main.pstn.twilio.com"
    assert desired.address_of("second") == "sip.example.net:5061"
    assert desired.numbers_by_trunk == {"main": ("+14155550100",), "second": ("+14155550101",)}
    assert list(desired.trunks_at("main")) == ["main"]
    route = desired.route_of("+14155550100")
    assert route and route.overflow == "+14155550199"
    assert desired.route_of("+14155550101") is None
    assert desired.hours["office"].holidays == (date(2026, 12, 25),)
    assert desired.hours["office"].open_at(datetime(2026, 11, 23, 15, tzinfo=UTC))


def test_livekit_and_deployment_come_from_the_environment_where_the_file_is_silent() -> None:
    desired = parse(GOOD.replace("deployment: acme\n", "")).desired
    assert desired.deployment == "tel"
    assert desired.livekit.url == "ws://127.0.0.1:7880"
    assert desired.livekit.api_secret.get_secret_value() == "secret-of-livekit"


def test_an_edge_is_part_of_the_address() -> None:
    at_edge = GOOD.replace("kind: twilio", "kind: twilio\n    edge: ashburn")
    assert parse(at_edge).desired.address_of("main") == "acme-main.pstn.ashburn.twilio.com"


def test_no_secret_is_shown_by_what_was_read() -> None:
    desired = parse(GOOD).desired
    carrier = desired.carriers["main"]
    assert isinstance(carrier, Twilio) and carrier.auth_token
    assert carrier.auth_token.get_secret_value() == "token-of-twilio"
    for secret in ("token-of-twilio", "sixteen-characters", "secret-of-livekit"):
        assert secret not in repr(desired)


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
    ('["09:00-17:00"]', '[«"17:00-09:00"]', "not_a_span", "a night is two spans"),
    ('mon: ["09', '«mon: ["16:00-18:00", "09', "hours_overlap", "overlap"),
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


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        # 65: TLS on the port of UDP and TCP.
        ("sip.example.net:5061", "sip.example.net:5060", "tls_on_5060"),
        ("sip:${BRIDGE}:5060", "sip:${BRIDGE}:5060;transport=tls", "tls_on_5060"),
        ("    transport: tls\n", "", "keys_in_the_clear"),
    ],
)
def test_what_is_only_doubtful_is_a_warning(right: str, wrong: str, code: str) -> None:
    [warning] = parse(GOOD.replace(right, wrong)).warnings
    assert warning.code == code and warning.warning
    assert "warning: trunks." in str(warning)


def test_who_knows_what_it_means_may_open_a_trunk_to_all() -> None:
    file = parse(GOOD.replace("54.172.60.0/30", "0.0.0.0/0"), i_know=True)
    assert [warning.code for warning in file.warnings] == ["open_to_all"]


def test_a_short_password_is_no_matter_on_this_machine() -> None:
    local = GOOD.replace("sip.example.net:5061", "127.0.0.1:5090").replace(
        "outbound: {}", "outbound: {username: a, password: '${SHORT}'}"
    )
    assert parse(local).desired.address_of("second") == "127.0.0.1:5090"


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_lines() -> None:
    wrong = GOOD.replace("transport: tls", "transport: pigeon")
    wrong = wrong.replace("acme-main", "Acme Main").replace("America/New_York", "Nowhere")
    told = faults(wrong)
    assert [fault.code for fault in told] == ["not_a_domain", "not_one_of", "not_a_time_zone"]
    assert [fault.line for fault in told] == sorted(fault.line for fault in told)


def test_a_fault_never_repeats_a_secret() -> None:
    literal = faults(GOOD.replace("${SIP_PASSWORD}", "hunter2hunter2hunter2"))
    short = faults(GOOD.replace("${SIP_PASSWORD}", "${SHORT}"))
    told = " ".join(str(fault) for fault in (*literal, *short))
    assert "hunter2" not in told and ENVIRONMENT["SHORT"] not in told


def test_missing_livekit_settings_name_the_variable() -> None:
    with pytest.raises(FileError) as caught:
        reading.parse(GOOD, environment={**ENVIRONMENT, "LIVEKIT_URL": ""}, deployment="tel")
    [fault] = caught.value.faults
    assert (fault.path, fault.line) == ("livekit.url", 1) and "LIVEKIT_URL" in fault.message


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.yaml:1:1: It cannot be read"):
        reading.load(tmp_path / "nothing.yaml", environment={}, deployment="tel")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"version: \xe9")
    with pytest.raises(FileError, match="cannot be read"):
        reading.load(latin, environment={}, deployment="tel")


@pytest.mark.parametrize(
    "text", ["", "- a list", "just text", "null", "--- 1\n--- 2", "\x00", "!!int x"]
)
def test_what_is_no_mapping_is_refused_without_a_traceback(text: str) -> None:
    assert faults(text)[0].code in ("invalid_type", "not_yaml")


def test_aliases_that_unfold_without_end_are_refused() -> None:
    layers = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert [fault.code for fault in faults(f"a0: &a0 [x]\n{layers}")] == ["too_large"]
    assert [fault.code for fault in faults("a: &a [*a]")] == ["too_large"]


def test_thousands_of_numbers_are_read() -> None:
    many = "".join(f"  +1415555{at:04d}: {{trunk: main}}\n" for at in range(200, 5_200))
    file = parse(GOOD.replace("inbound_routes:", f"{many}inbound_routes:"))
    assert len(file.desired.numbers) == 5_002


def test_fields_are_known_at_every_depth() -> None:
    assert "domain" in reading.fields_at(("trunks", "main"))
    assert "weight" in reading.fields_at(("trunks", "main", "inbound", "deliver_to", 0))
    assert "sun" in reading.fields_at(("hours", "office", "weekly"))
    assert reading.fields_at(()) == sorted(Desired.model_fields)
