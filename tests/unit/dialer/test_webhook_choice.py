"""What a webhook is asked, how that is signed, which answers count, and which URLs are called."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import pytest

from dialer.inbound.callable_urls import callable_url, forbidden
from dialer.inbound.choice import Question, WebhookFailed, read, signed, usable_secret
from dialer.inbound.numbers import described
from telephony.errors import Refused

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def test_the_signature_is_that_of_standard_webhooks() -> None:
    headers = signed(SECRET, "msg_1", AT, b'{"a":1}')
    timestamp = str(int(AT.timestamp()))
    assert headers["webhook-timestamp"] == timestamp and headers["webhook-id"] == "msg_1"
    expected = hmac.digest(KEY, f'msg_1.{timestamp}.{{"a":1}}'.encode(), hashlib.sha256)
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1" and base64.b64decode(signature) == expected


def test_a_secret_without_the_prefix_is_taken_as_it_is() -> None:
    text = "0123456789abcdef0123456789abcdef"
    mine = signed(text, "m", AT, b"x")["webhook-signature"]
    assert (
        mine
        == signed("whsec_" + base64.b64encode(text.encode()).decode(), "m", AT, b"x")[
            "webhook-signature"
        ]
    )


@pytest.mark.parametrize("secret", ["", "short", "whsec_", "whsec_AAAA", "whsec_%%%%" + "A" * 40])
def test_a_secret_that_signs_nothing_is_refused(secret: str) -> None:
    with pytest.raises(Refused):
        usable_secret(secret)


def test_the_question_says_who_calls_whom() -> None:
    told = json.loads(Question("call_1", "+14155550190", None, AT).body())
    assert told == {
        "call_id": "call_1",
        "phone_number": "+14155550190",
        "caller_id": None,
        "received_at": "2026-01-01T12:00:00+00:00",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"agent": 5}',
        b'{"agent": null, "reject": false}',
        b'{"agent": "a", "variables": {"n": 1}}',
        b'{"agent": "a", "variables": []}',
        b'{"agent": "a", "agent": "b"}',
        b'{"reject": "yes"}',
        b'{"agent": "a", "variables": {"n": "\\u0000"}}',
        b'{"agent": "' + b"a" * 200 + b'"}',
        b'\xff\xfe{"agent": "a"}',
        b"[" * 100_000,
        b"<html></html>",
    ],
)
def test_an_answer_that_says_nothing_is_none(body: bytes) -> None:
    with pytest.raises(WebhookFailed) as failed:
        read(body)
    assert failed.value.result == "bad_answer"


def test_what_a_newer_webhook_says_beside_it_is_left_alone() -> None:
    answer = read(b'{"agent": "a", "variables": {"n": "x"}, "note": [1]}')
    assert (answer.agent, answer.variables, answer.reject) == ("a", {"n": "x"}, False)
    assert read(b'{"reject": true}').reject


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "example.com",
        "https://",
        "https://user:pass@example.com/",
        "https://user@example.com/",
        "https://example.com/#x",
        "https://example.com/a b",
        "https://example.com:99999/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://[::1",
        "https://example.com/" + "a" * 3000,
        "file:///etc/passwd",
    ],
)
def test_a_url_that_is_never_called_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        callable_url(url)
    assert refused.value.code == "webhook_url_forbidden"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "64:ff9b:1::a00:1",
        "::ffff:0:a00:1",
    ],
)
def test_an_address_of_our_own_network_is_never_called(address: str) -> None:
    assert forbidden(ip_address(address), scheme="https", port=443, allowed=())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_the_public_network_is_called_by_https_alone(address: str) -> None:
    there = ip_address(address)
    assert forbidden(there, scheme="https", port=443, allowed=()) is None
    assert forbidden(there, scheme="https", port=8443, allowed=()) is None
    assert forbidden(there, scheme="http", port=80, allowed=())
    assert forbidden(there, scheme="https", port=22, allowed=())


def test_what_the_operator_named_is_called_and_nothing_beside_it() -> None:
    allowed = [ip_network("10.1.2.0/24"), ip_network("127.0.0.0/8")]
    for address, may in (("10.1.2.3", True), ("127.0.0.1", True), ("10.1.3.3", False)):
        why = forbidden(ip_address(address), scheme="http", port=8080, allowed=allowed)
        assert (why is None) is may, address
    mapped = ip_address("::ffff:127.0.0.1")
    assert forbidden(mapped, scheme="http", port=1, allowed=allowed) is None


def test_a_webhook_and_its_secret_go_together() -> None:
    with pytest.raises(Refused):
        described("+14155550190", agent="a", webhook_url="https://example.com/")
    with pytest.raises(Refused):
        described("+14155550190", agent="a", webhook_secret_sealed="sealed")
    kept = described(
        "+14155550190", agent="a", webhook_url="https://example.com/", webhook_secret_sealed="s"
    )
    assert kept.webhook_url == "https://example.com/" and "example" not in repr(kept)
