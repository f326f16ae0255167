"""What the doctor makes of LiveKit's trunks and rules, and of a test call's outcome."""

from __future__ import annotations

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.unit.trunks.doctoring import all_of, subject, told
from trunks.doctor import callers, calling, matching
from trunks.doctor.calling import Outcome
from trunks.doctor.explanations import EXPLANATIONS
from trunks.doctor.findings import bad, show
from trunks.doctor.matching import Invite
from trunks.resources import Found

NUMBER = "+14155550190"
CARRIER = "54.172.60.1"
STRANGER = "198.51.100.7"
OURS = "acme/main"


def outbound(**fields: Any) -> Found:
    values = {
        "address": "127.0.0.1:5060",
        "transport": "udp",
        "username": "",
        "password": "",
        "encryption": "disable",
        "numbers": (NUMBER,),
    }
    return Found(None, "ST_out", {**values, **fields}, label=OURS, kind="outbound_trunk")


def inbound(label: str = OURS, **fields: Any) -> Found:
    values = {"numbers": (NUMBER,), "allowed_addresses": ("54.172.60.0/30",), "only_callers": ()}
    return Found(None, f"ST_{label}", {**values, **fields}, label=label, kind="inbound_trunk")


def rule(label: str = OURS, *trunks: Found, **fields: Any) -> Found:
    values: dict[str, Any] = {
        "rooms": "individual",
        "room_prefix": "acme-in",
        "pin": "",
        "only_callers": (),
        "only_called": (),
        "agents": ("telephony",),
    }
    refs = {"trunk": ",".join(one.id for one in trunks)}
    return Found(
        None, f"SDR_{label}", {**values, **fields}, refs=refs, label=label, kind="dispatch_rule"
    )


TRUNK = inbound()


@pytest.mark.parametrize(
    ("found", "invite", "expected"),
    [
        pytest.param(
            [TRUNK, rule(OURS, TRUNK)],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("ok", "")},
            id="all is well",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK)],
            Invite("1 (415) 555-0190", CARRIER),
            {"inbound": ("ok", ""), "rule": ("ok", "")},
            id="a number that is written otherwise is the same",
        ),
        pytest.param([], Invite(NUMBER, CARRIER), {"inbound": ("fix", "flood")}, id="nothing"),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK)],
            Invite("+14155550191", CARRIER),
            {"inbound": ("fix", "flood")},
            id="nobody's number",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK)],
            Invite(NUMBER, STRANGER),
            {"inbound": ("fix", "flood")},
            id="a strange address",
        ),
        pytest.param(
            [TRUNK],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("fix", "flood")},
            id="a trunk without a rule",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK, only_callers=(NUMBER,))],
            Invite(NUMBER, CARRIER, "+14155550177"),
            {"inbound": ("ok", ""), "rule": ("fix", "flood")},
            id="inbound_numbers taken for the number called",
        ),
        pytest.param(
            [TRUNK, inbound("by-hand"), rule(OURS, TRUNK)],
            Invite(NUMBER, CARRIER),
            {"inbound": ("fix", "ambiguous")},
            id="two trunks",
        ),
        pytest.param(
            [inbound("by-hand"), rule("by-hand", inbound("by-hand"))],
            Invite(NUMBER, CARRIER),
            {"inbound": ("fix", "shadowed"), "rule": ("fix", "shadowed")},
            id="somebody else's",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK), rule("direct", TRUNK, rooms="direct")],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("fix", "shadowed")},
            id="a rule that goes before ours",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK), rule("callee", TRUNK, rooms="callee")],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("check", "shadowed")},
            id="a rule that stands behind ours",
        ),
        pytest.param(
            [TRUNK, rule("anybody")],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("fix", "open_rule")},
            id="a rule without trunks takes it",
        ),
        pytest.param(
            [TRUNK, rule(OURS, TRUNK), rule("anybody")],
            Invite(NUMBER, CARRIER),
            {"inbound": ("ok", ""), "rule": ("check", "open_rule")},
            id="a rule without trunks is there",
        ),
        pytest.param(
            [inbound(numbers=()), rule(OURS, inbound())],
            Invite("+4930123456", CARRIER),
            {"inbound": ("ok", ""), "rule": ("ok", "")},
            id="a trunk for any number",
        ),
        pytest.param(
            [inbound(allowed_addresses=("nonsense",)), rule(OURS, TRUNK)],
            Invite(NUMBER, STRANGER),
            {"inbound": ("ok", ""), "rule": ("ok", "")},
            id="a list that cannot be read lets everybody in",
        ),
        pytest.param(
            [inbound(username="pbx", password="x"), rule(OURS, TRUNK)],
            Invite(NUMBER, CARRIER),
            {"inbound": ("check", "wrong_password_in"), "rule": ("ok", "")},
            id="a trunk that asks for a password",
        ),
    ],
)
def test_a_call_that_comes_in_is_matched_as_the_server_matches_it(
    found: list[Found], invite: Invite, expected: dict[str, tuple[str, str]]
) -> None:
    assert told(list(matching.findings(found, invite, OURS))) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([outbound()], {"livekit trunk": ("ok", ""), "caller id": ("ok", "")}),
        ([], {"livekit trunk": ("fix", "no_trunk"), "caller id": ("ok", "")}),
        (
            [outbound(password="another")],
            {"livekit trunk": ("fix", ""), "caller id": ("ok", "")},
        ),
        (
            [outbound(numbers=())],
            {"livekit trunk": ("ok", ""), "caller id": ("fix", "caller_id")},
        ),
    ],
)
def test_the_trunk_that_livekit_has_is_compared_with_the_wanted_one(
    there: list[Found], expected: dict[str, tuple[str, str]]
) -> None:
    found = list(callers.probe(there, subject()))
    assert told(found) == expected
    assert "another" not in "".join(one.said for one in found), "a password was told"


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [((), ("fix", "caller_id")), (("4155550190",), ("check", "caller_id"))],
)
def test_a_caller_id_is_a_number_of_the_trunk_in_e164(
    numbers: tuple[str, ...], verdict: tuple[str, str]
) -> None:
    found = list(callers.probe([outbound(numbers=numbers)], subject(numbers=numbers)))
    assert told(found)["caller id"] == verdict


def refused(status: int | None = None, words: str = "", **more: Any) -> Outcome:
    return Outcome(answered=False, sip_status=status, sip_reason=words, **more)


def livekit(code: str, message: str = "") -> Outcome:
    return refused(code=code, message=message, http_status=500)


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (refused(403, "Forbidden"), "forbidden"),
        (refused(403, "Channel limit exceeded"), "too_fast"),
        (refused(404, "Not Found"), "number_unknown"),
        (refused(407), "not_authenticated"),
        (refused(412, "Conditional Request Failed"), "precondition"),
        (refused(486, "Busy Here"), "busy"),
        (refused(488), "no_common_codec"),
        (refused(503, "Service Unavailable"), "carrier_unavailable"),
        (refused(503, "CPS limit exceeded"), "too_fast"),
        (refused(603, "32203 Blocked"), "blocked"),
        (refused(603, "Decline"), "refused"),
        (livekit("not_found", "object cannot be found"), "no_trunk"),
        (
            livekit("failed_precondition", "max auth retry attempts reached for SIP invite"),
            "not_authenticated",
        ),
        (livekit("failed_precondition", "sip server required auth, but no"), "not_authenticated"),
        (livekit("failed_precondition", "no common encryption profiles"), "answered_in_clear"),
        (livekit("failed_precondition", "something else"), "precondition"),
        (livekit("unknown", "x509: certificate signed by unknown authority"), "unknown_authority"),
        (livekit("unknown", "x509: certificate has expired or is not yet"), "expired_certificate"),
        (livekit("unknown", "tls: first record does not look like a TLS"), "no_tls"),
        (livekit("invalid_argument", "lookup x on y: no such host"), "no_such_name"),
        (livekit("unavailable", "dial tcp x: connect: connection refused"), "nobody_listens"),
        (livekit("unavailable", "no response from servers"), "no_bridge"),
        (livekit("canceled", "sip request timed out"), "no_answer"),
        (livekit("canceled", "transaction failed to complete (0 inter"), "no_answer"),
        (livekit("deadline_exceeded"), "no_answer"),
        (livekit("internal", "who knows"), "refused"),
    ],
)
def test_a_call_that_is_not_answered_has_one_explanation(outcome: Outcome, cause: str) -> None:
    assert calling.cause_of(outcome) == cause
    assert cause in EXPLANATIONS
    assert calling.in_words(outcome)


@pytest.mark.parametrize(
    ("heard", "echoes", "verdict"),
    [
        ({}, False, ("fix", "not_heard_by_us")),
        ({}, True, ("fix", "not_heard_by_us")),
        ({"packets": 90, "loud": True}, True, ("fix", "not_heard_by_them")),
        ({"packets": 90, "loud": True}, False, ("ok", "")),
        ({"packets": 90}, False, ("ok", "")),
        ({"packets": 90, "loud": True, "echoed": True}, True, ("ok", "")),
    ],
)
def test_audio_is_judged_by_what_came_and_what_came_back(
    heard: dict[str, Any], echoes: bool, verdict: tuple[str, str]
) -> None:
    found = calling.audio(Outcome(answered=True, **heard), echoes=echoes)
    assert (found.verdict.value, found.cause) == verdict


class Phone:
    """The port, with an outcome that is known beforehand."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.called: list[tuple[str, str, str]] = []

    async def call(self, trunk_id: str, number: str, *, caller: str) -> Outcome:
        """Remember the call."""
        self.called.append((trunk_id, number, caller))
        return self.outcome


async def test_a_busy_phone_says_that_the_trunk_works() -> None:
    phone = Phone(refused(486, "Busy Here"))
    found = await all_of(calling.probe(phone, subject(), "ST_out", "+14155550102", echoes=False))
    assert told(found) == {"call": ("check", "busy")}
    assert phone.called == [("ST_out", "+14155550102", NUMBER)]


async def test_a_number_that_the_trunk_is_not_for_is_called_and_told() -> None:
    phone = Phone(Outcome(answered=True, packets=9, loud=True))
    trunk = subject(prefixes=("+49",))
    found = await all_of(calling.probe(phone, trunk, "ST_out", "+14155550102", echoes=False))
    assert told(found) == {"number": ("check", ""), "call": ("ok", ""), "audio": ("ok", "")}


def test_what_a_far_end_says_steers_no_terminal() -> None:
    console = Console(record=True, width=200, file=io.StringIO(), force_terminal=True)
    show(console, bad("call", "SIP 400 \x1b[2J[red]owned[/]\r\n", "refused"))
    said = console.export_text(styles=True)
    assert "\x1b[2J" not in said and "[red]owned[/]" in said


def causes_in_the_code() -> set[str]:
    """Find every text in the doctor's code that is the name of an explanation."""
    found: set[str] = set()
    for path in Path(calling.__file__).parent.glob("*.py"):
        if path.name == "explanations.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def test_every_explanation_is_given_by_somebody_and_says_what_to_do() -> None:
    given = causes_in_the_code()
    assert [cause for cause in EXPLANATIONS if cause not in given] == []
    for cause, explanation in EXPLANATIONS.items():
        assert explanation.seen and explanation.means.endswith(".") and explanation.fix, cause
        for address in explanation.upstream:
            assert address.startswith("https://github.com/livekit/"), cause
