"""Where carriers are told to send calls."""

from __future__ import annotations

import pytest

from tests.kit.trunk_files import desired
from trunks.sip_destinations import Destination, destinations


@pytest.mark.parametrize(
    ("url", "transport", "expected"),
    [
        ("sip:sip.example.com:5070", "udp", Destination("sip.example.com", 5070, "udp")),
        ("sip:sip.example.com", "udp", Destination("sip.example.com", 5060, "udp")),
        ("sip:sip.example.com", "auto", Destination("sip.example.com", 5060, "udp")),
        ("sip:sip.example.com", "tls", Destination("sip.example.com", 5061, "tls")),
        ("sips:sip.example.com", "udp", Destination("sip.example.com", 5061, "tls")),
        ("sip:203.0.113.7:5060;transport=tcp", "udp", Destination("203.0.113.7", 5060, "tcp")),
        ("sip:[2001:db8::7]", "udp", Destination("[2001:db8::7]", 5060, "udp")),
        ("sip:[2001:db8::7]:5070", "udp", Destination("[2001:db8::7]", 5070, "udp")),
    ],
)
def test_a_uri_of_the_file_names_host_port_and_transport(
    url: str, transport: str, expected: Destination
) -> None:
    file = desired(
        ("trunks/main/transport", transport), ("trunks/main/inbound/deliver_to", [{"url": url}])
    )
    assert list(destinations(file.trunks["main"])) == [expected]


def test_the_lowest_priority_is_first_and_what_is_not_enabled_is_left_out() -> None:
    deliver_to = [
        {"url": "sip:third.example.com", "priority": 30},
        {"url": "sip:first.example.com", "priority": 10},
        {"url": "sip:none.example.com", "priority": 1, "enabled": False},
        {"url": "sip:second.example.com", "priority": 20},
    ]
    file = desired(("trunks/main/inbound/deliver_to", deliver_to))
    hosts = [one.host for one in destinations(file.trunks["main"])]
    assert hosts == ["first.example.com", "second.example.com", "third.example.com"]


def test_a_trunk_that_takes_no_calls_has_no_destination() -> None:
    assert list(destinations(desired(("trunks/main/inbound", None)).trunks["main"])) == []
