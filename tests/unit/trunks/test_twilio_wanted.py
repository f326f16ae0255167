"""What Twilio will not take is said with its place in the file, before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from tests.kit.twilio_world import a_file, a_trunk, an_outbound
from trunks.resources import Complaint
from trunks.twilio_wanted import Fingerprints, complaints, named, unnamed


def complained(**trunks: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """Give places and codes of what is complained about."""
    found: list[Complaint] = complaints(a_file(numbers={}, **trunks), "main")
    return [(complaint.path, complaint.code) for complaint in found]


def test_a_trunk_with_all_that_twilio_has_is_right() -> None:
    assert complained(main=a_trunk()) == []


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"outbound": {}}, ("outbound",), "credentials_needed"),
        ({"outbound": an_outbound(username="u" * 33)}, ("outbound", "username"), "invalid_value"),
        (
            {"outbound": an_outbound(password=SecretStr("no-digits-in-this-One"))},
            ("outbound", "password"),
            "invalid_value",
        ),
        (
            {"outbound": an_outbound(password=SecretStr("all-small-letters-2026"))},
            ("outbound", "password"),
            "invalid_value",
        ),
        (
            {"outbound": an_outbound(from_addresses=["203.0.113.7/32", "2001:db8::/64"])},
            ("outbound", "from_addresses", 1),
            "not_supported",
        ),
        (
            {"outbound": an_outbound(from_addresses=[f"198.51.100.{n}/32" for n in range(101)])},
            ("outbound", "from_addresses"),
            "out_of_range",
        ),
        ({"inbound": {"allowed_addresses": ["54.172.60.0/30"]}}, ("inbound",), "required"),
        (
            {"inbound": {"deliver_to": [{"url": "sips:203.0.113.7:5061"}]}},
            ("inbound", "deliver_to", 0, "url"),
            "not_a_sip_uri",
        ),
        (
            {
                "secure": True,
                "transport": "tls",
                "encryption": "require",
                "inbound": {"deliver_to": [{"url": "sip:203.0.113.7:5060"}]},
            },
            ("inbound", "deliver_to", 0, "url"),
            "secure_needs_tls",
        ),
        (
            {
                "encryption": "require",
                "inbound": {"deliver_to": [{"url": "sip:203.0.113.7:5061;transport=tls"}]},
            },
            ("encryption",),
            "secure_needs_tls",
        ),
        (
            {
                "inbound": {
                    "deliver_to": [{"url": "sip:203.0.113.7:5060"}],
                    "username": "twilio",
                    "password": SecretStr("Longer-than-16-characters"),
                }
            },
            ("inbound", "username"),
            "not_supported",
        ),
    ],
)
def test_what_twilio_does_not_take_is_said_with_its_place(
    fields: dict[str, Any], path: tuple[str | int, ...], code: str
) -> None:
    assert complained(main=a_trunk(**fields)) == [(("trunks", "main", *path), code)]


def test_a_name_too_long_for_a_friendly_name_is_said() -> None:
    longest = "m" * (50 - len("acme/"))
    assert complained(**{longest: a_trunk()}) == []
    assert complained(**{longest + "m": a_trunk()}) == [
        (("trunks", longest + "m"), "invalid_value")
    ]


def test_a_friendly_name_with_its_fingerprint_fits_and_is_read_again() -> None:
    fingerprint = Fingerprints("AC1", "secret").of("acme", "password")
    mark = "acme/" + "m" * 45
    name = named(mark, fingerprint)
    assert len(name) <= 64
    assert unnamed(name) == (mark, fingerprint)
    assert unnamed("acme/main") == ("acme/main", "")


def test_a_fingerprint_depends_on_the_password_the_user_the_account_and_its_secret() -> None:
    of = Fingerprints("AC1", "secret").of
    others = [
        of("acme", "other"),
        of("other", "password"),
        Fingerprints("AC2", "secret").of("acme", "password"),
        Fingerprints("AC1", "other").of("acme", "password"),
    ]
    assert of("acme", "password") == of("acme", "password")
    assert len({of("acme", "password"), *others}) == 5


def test_an_edge_is_no_part_of_the_domain_name_at_twilio() -> None:
    desired = a_file()
    [trunk] = [w for w in _wanted(desired) if w.key.kind == "trunk"]
    assert trunk.fields["domain_name"] == "acme-main.pstn.twilio.com"


def test_a_trunk_that_must_encrypt_is_a_secure_one_at_twilio() -> None:
    secured: list[Any] = []
    for fields in ({}, {"secure": True}, {"encryption": "allow"}, {"encryption": "require"}):
        wanted = _wanted(a_file(main=a_trunk(transport="tls", **fields)))
        secured += [w.fields["secure"] for w in wanted if w.key.kind == "trunk"]
    assert secured == [False, True, False, True]


def test_secrets_are_not_shown() -> None:
    assert "Longer-than-16" not in repr(_wanted(a_file()))


def _wanted(desired: Any) -> Any:
    from trunks.twilio_wanted import Wishes

    return Wishes("twilio:main", "main", Fingerprints("AC1", "secret")).all(desired)
