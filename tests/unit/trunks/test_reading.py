"""Reading trunks.yaml: what is taken, what is doubtful, and what is no file at all.

Each fault of a file has its line in test_reading_faults.py.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.unit.trunks.right_file import ENVIRONMENT, GOOD, faults, parse
from trunks import reading
from trunks.accounts import Twilio
from trunks.desired import Desired
from trunks.faults import FileError


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
    assert desired.hours["office"].is_open(datetime(2026, 11, 23, 15, tzinfo=UTC))


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


WITH_PORTS = """\
livekit:
  url: ws://127.0.0.1:7880
  api_key: devkey
  api_secret: ${LIVEKIT_API_SECRET}
  rtp_ports: %s
"""


@pytest.mark.parametrize(
    ("ports", "code"),
    [
        # 74: main has 30 calls and 30 more a second, which rest their ports for 30 s; second 1.
        ("10000-10959", None),
        ("10000-10960", None),
        ("10000-10958", "rtp_ports_too_few"),
        ("10000-10001", "rtp_ports_too_few"),
        ("10000-20000", None),
        ("20000-10000", "not_a_port_range"),
        ('"10000"', "not_a_port_range"),
        ("0-20000", "not_a_port_range"),
        ("10000-70000", "not_a_port_range"),
        ("10000-10000", "not_a_port_range"),
    ],
)
def test_the_bridges_ports_must_do_for_the_calls_that_may_be_up(
    ports: str, code: str | None
) -> None:
    busy = GOOD.replace("prefixes: [+1,", "concurrency: 30\n      cps: 30\n      prefixes: [+1,")
    text = busy + WITH_PORTS % ports
    if code is None:
        assert parse(text).warnings == []
        return
    [fault] = faults(text)
    assert (fault.code, fault.path) == (code, "livekit.rtp_ports")
    assert text.splitlines()[fault.line - 1] == f"  rtp_ports: {ports}"
    if code == "rtp_ports_too_few":
        assert "main 930 + second 30 = 960 are needed" in fault.message


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
