"""Calls that come in and plans of many trunks: what is made of records and paths."""

from __future__ import annotations

from typing import Any

from bench.inbound import Times
from bench.pacing import summary
from bench.planning import list_of, the_file
from bench.trunk_tables import lists, plans
from tests.kit.twilio_routes import ACCOUNT_SID
from trunks import reading

SID = "TK" + "0" * 31 + "1"


def record(**fields: Any) -> dict[str, Any]:
    """Give the carrier's record of a call that was answered and heard."""

    def message(at: str, direction: str, method: str, status: int) -> dict[str, Any]:
        return {"at": at, "direction": direction, "method": method, "status": status}

    values: dict[str, Any] = {
        "started_at": "2026-01-02T03:04:04.000000Z",
        "ringing_at": "2026-01-02T03:04:05.050000Z",
        "answered_at": "2026-01-02T03:04:05.400000Z",
        "messages": [
            message("2026-01-02T03:04:05.000000Z", "tx", "INVITE", 0),
            message("2026-01-02T03:04:05.050000Z", "rx", "INVITE", 180),
            message("2026-01-02T03:04:05.400000Z", "rx", "INVITE", 200),
        ],
        "rtp": {"first_audible_at": "2026-01-02T03:04:05.500000Z"},
    }
    return values | fields


def test_a_callers_times_begin_when_the_invite_leaves() -> None:
    assert Times.of("ours", record()) == Times("ours", 50.0, 400.0, 100.0, 500.0)


def test_a_caller_who_was_never_answered_has_no_time_for_it() -> None:
    found = Times.of("ours", record(answered_at=None, rtp={"first_audible_at": None}))
    assert found == Times("ours", 50.0)


def test_a_list_is_named_without_ids() -> None:
    account = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
    assert list_of("/v1/Trunks") == "Trunks"
    assert list_of(f"/v1/Trunks/{SID}/OriginationUrls") == "Trunks/OriginationUrls"
    assert list_of(f"{account}/IncomingPhoneNumbers.json") == "IncomingPhoneNumbers"
    below = f"{account}/SIP/CredentialLists/{SID}/Credentials.json"
    assert list_of(below) == "SIP/CredentialLists/Credentials"


def test_the_file_of_many_trunks_can_be_read() -> None:
    environment = {
        "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
        "SIP_PASSWORD": "Longer-than-16-characters",
        "LIVEKIT_URL": "ws://127.0.0.1:7880",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "a-secret-of-the-tests-with-32-characters",
    }
    read = reading.parse(the_file(4, 10), environment=environment, deployment="acme").desired
    assert len(read.trunks) == 4 and len(read.numbers) == 10
    assert sorted(map(len, read.numbers_by_trunk.values())) == [2, 2, 3, 3]


def test_a_list_that_was_fetched_twice_is_told() -> None:
    plan: dict[str, Any] = {
        "kind": "all is there",
        "pending": 0,
        "seconds": 4.0,
        "read": 1.0,
        "looked": 2.0,
        "compared": 1.0,
        "own_cpu": 3.0,
        "twilio": {"Trunks": 1, "Trunks/OriginationUrls": 200},
        "twilio_lists": {"Trunks": 1, "Trunks/OriginationUrls": 200},
        "livekit": {"ListSIPInboundTrunk": 1},
        "most_often": 1,
        "livekit_most_often": 1,
    }
    assert "| all is there | 0 | 201 | 1 | yes | 4.00 s (n=1) |" in plans([plan])
    assert "| 75% |" in plans([plan])
    assert "**no**" in plans([{**plan, "most_often": 2}])
    assert "| Twilio: Trunks/OriginationUrls | 200 | 200 |" in lists([plan])


def test_a_pace_is_judged_by_redis_clock_and_told_by_the_askers_too() -> None:
    second = 1_000_000.0
    tokens = [1e15 + second * n for n in range(11)]
    # The first permit arrived late, and the others at once.
    had = [tokens[0] / second + 0.3] + [token / second for token in tokens[1:]]
    results: list[dict[str, Any]] = [
        {"granted": had[::2], "refused": 0, "placed": 8, "cpu": 2.5},
        {"granted": had[1::2], "refused": 0, "placed": 8, "cpu": 2.5},
    ]
    found = summary(1, 10.0, tokens, results)
    assert (found["most"], found["share"], found["tokens"]) == (1, 1.0, 11)
    assert found["most_had"] == 2
    assert (found["waiting"], found["cores"]) == (5, 0.5)
    assert found["moments"][:2] == [0.0, second]
