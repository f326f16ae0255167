"""What a user may ask of the sandbox."""

from __future__ import annotations

import argparse

import pytest

from sandbox import options


def test_a_phone_system_is_read_even_with_a_colon_and_an_at_in_its_password() -> None:
    other = options.phone_system("bench:se:cr@t@127.0.0.1:5170")
    assert other == options.PhoneSystem("bench", "se:cr@t", "127.0.0.1:5170")


@pytest.mark.parametrize(
    "text", ["", "bench@127.0.0.1:5170", "bench:secret", "bench:secret@host", "a:b@host:70000"]
)
def test_half_a_phone_system_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="USER:PASS@HOST:PORT"):
        options.phone_system(text)


def test_processes_are_left_out_by_name() -> None:
    assert options.parse(["--without", "carrier, worker"]).without == {"carrier", "worker"}


def test_an_unknown_name_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        options.parse(["--without", "phone"])
    assert left.value.code == 2
    assert "livekit-sip" in capsys.readouterr().err


def test_parts_are_reached_through_proxies() -> None:
    chosen = options.parse(["--via", "redis=127.0.0.1:7000, carrier=127.0.0.1:7001"])
    assert chosen.via == {"redis": "127.0.0.1:7000", "carrier": "127.0.0.1:7001"}


@pytest.mark.parametrize("text", ["speech=127.0.0.1:7000", "redis", "redis=7000"])
def test_a_proxy_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--via", text])


def test_tls_says_how_much_srtp() -> None:
    assert options.parse([]).tls is None
    assert options.parse(["--tls", "require"]).tls == "require"
    with pytest.raises(SystemExit):
        options.parse(["--tls", "sometimes"])


def test_the_far_end_is_a_carrier_or_a_pbx_that_is_known() -> None:
    assert options.parse([]).profile is None
    assert options.parse(["--profile", "asterisk"]).profile == "asterisk"
    with pytest.raises(SystemExit):
        options.parse(["--profile", "panasonic"])


def test_the_bridges_settings_are_a_mapping() -> None:
    chosen = options.parse(["--sip-settings", "{max_cpu_utilization: 0.9}"])
    assert chosen.sip_settings == {"max_cpu_utilization": 0.9}
    with pytest.raises(SystemExit):
        options.parse(["--sip-settings", "nothing"])


def test_a_fallback_is_added_alone() -> None:
    assert options.parse(["--fallback", "--without", "worker-2"]).fallback
    for more in (["--twice", "--database-url", "postgresql://x"], ["--tls", "allow"]):
        with pytest.raises(SystemExit):
            options.parse(["--fallback", *more])
