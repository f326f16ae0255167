"""The doctor of a trunk: each failure that livekit-sip's users report, over the real bridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dialer.adapters.probing_phone import ProbingPhone
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.doctored import NOBODYS, OURS, Clinic, Diagnosis, clinic
from tests.kit.until import until_sync
from trunks.desired import LiveKit
from trunks.doctor.calling import cause_of

TALKS = "+14155550151"
SILENT = "+14155550101"
SPEAKS = "+14155550134"
ECHO = "+14155550130"
#: Sends audio, and asks for ours where nobody listens.
ELSEWHERE = "+14155550146"
ECHOES = ("--echo",)
#: Each is a process of its own.
_AT_ONCE = 2


@pytest.fixture(scope="module")
def practice(running: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with clinic(running, tmp_path_factory.mktemp("doctor")) as ready:
        yield ready


@dataclass(frozen=True, slots=True)
class Case:
    """A trunk, a number, and what the doctor must say of which part.

    Shape: ``seen`` is the final response that the carrier gave, 0 for none; ``said`` stands in
    what the doctor says.
    """

    trunk: str
    number: str
    part: str
    cause: str
    seen: int
    said: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.trunk} {self.number[-4:]} {self.cause}"


CASES = [
    Case("wrong", TALKS, "call", "forbidden", 403, "SIP 403 Forbidden"),
    # LiveKit's API says 412 where a carrier asks for a password in vain.
    Case("stranger", SILENT, "call", "not_authenticated", 407, "412 failed_precondition"),
    Case("main", "+14155550145", "call", "precondition", 412, "SIP 412"),
    Case("main", "+14155550102", "call", "busy", 486, "SIP 486 Busy Here"),
    Case("main", "+14155550121", "call", "no_common_codec", 488, "SIP 488"),
    Case("main", "+14155550108", "call", "carrier_unavailable", 503, "SIP 503"),
    Case("main", "+14155550105", "call", "number_unknown", 404, "SIP 404"),
    Case("main", "+14155550114", "audio", "not_heard_by_us", 200, "no RTP came"),
    Case("main", ELSEWHERE, "audio", "not_heard_by_them", 200, "did not come back", ECHOES),
    Case("main", ECHO, "audio", "", 200, "both ways are open", ECHOES),
]
#: The same from another carrier's mouth, and a silence of half a minute.
MORE_CASES = [
    Case("main", "+14155550119", "call", "forbidden", 403, "SIP 403 Forbidden"),
    Case("main", "+14155550122", "call", "not_authenticated", 407, "412 failed_precondition"),
    Case("main", "+14155550141", "call", "too_fast", 503, "SIP 503"),
    Case("main", "+14155550118", "call", "no_answer", 0, "LiveKit says"),
    Case("main", SPEAKS, "audio", "", 200, "something was heard"),
]


@dataclass(frozen=True)
class Examined:
    """What the doctor said of a case, and since when it was asked."""

    since: datetime
    diagnosis: Diagnosis


@pytest.fixture(scope="module")
def examined(
    practice: Clinic, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Examined]]]:
    """Ask about every case of this run, some at once: a probe mostly waits."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        chosen = {str(case): case for case in _chosen(request.session.items)}

        def ask(case: Case) -> Examined:
            since = datetime.now(UTC)
            asked = practice.examine(case.trunk, "--call", case.number, *case.arguments)
            return Examined(since, asked)

        yield {name: pool.submit(ask, case) for name, case in chosen.items()}


def _chosen(items: list[pytest.Item]) -> Iterator[Case]:
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is not None and isinstance(case := parameters.params.get("case"), Case):
            yield case


@pytest.mark.parametrize(
    "case", [*CASES, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE_CASES)], ids=str
)
def test_a_call_that_fails_is_explained_with_what_mends_it(
    case: Case, examined: dict[str, Future[Examined]], ledger: CarrierLedger
) -> None:
    asked = examined[str(case)].result()
    since, diagnosis = asked.since, asked.diagnosis
    found = diagnosis.of(case.part)

    assert found.get("cause", "") == case.cause, diagnosis.findings
    assert case.said in found["said"]
    if case.cause:
        assert found["means"] and found["fix"]
    assert ledger.only_call(case.number, since=since).raw["final_status"] == case.seen
    for part in ("dns", "sip over udp", "livekit trunk", "caller id"):
        assert diagnosis.of(part)["verdict"] == "ok", diagnosis.findings


def test_a_trunk_that_livekit_has_not_is_told_and_nobody_is_called(
    practice: Clinic, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    diagnosis = practice.examine("unmade", "--call", TALKS)

    assert diagnosis.status == 3
    assert diagnosis.of("livekit trunk")["cause"] == "no_trunk"
    assert ledger.calls(TALKS, since=since) == []


async def test_what_livekit_says_of_a_trunk_that_it_has_not_is_404_and_explained(
    running: dict[str, Any],
) -> None:
    livekit = LiveKit(
        url=running["livekit_url"],
        api_key=running["livekit_api_key"],
        api_secret=SecretStr(running["livekit_api_secret"]),
    )
    outcome = await ProbingPhone(livekit).call("ST_nobodys", TALKS, caller="")
    assert (outcome.http_status, outcome.code) == (404, "not_found")
    assert cause_of(outcome) == "no_trunk"


def call_in(running: dict[str, Any], number: str) -> str:
    """Have somebody call a number, who gives up after some seconds; gives the call's id there."""
    control = running["carrier_control_url"]
    body = {"to": number, "from": "+14155550188", "ring_timeout_seconds": 4}
    return httpx.post(f"{control}/originate", json=body, timeout=10).json()["id"]


def closings(running: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what the bridge wrote of inbound calls that it closed."""
    lines = Path(running["logs_dir"], "livekit-sip.log").read_text(encoding="utf-8").splitlines()
    closed = [line for line in lines if "Closing inbound call" in line]
    return [json.loads(line[line.index("{") :]) for line in closed]


def test_a_call_that_the_bridge_drops_as_a_flood_is_explained(
    practice: Clinic, running: dict[str, Any]
) -> None:
    before = len(closings(running))
    refused = call_in(running, NOBODYS)

    # The caller is told nothing, and waits half a minute more for an answer to the CANCEL.
    (closed,) = until_sync(lambda: closings(running)[before:], 30, what="the bridge closed it")
    assert closed["status"] == 486, closed
    seen = httpx.get(f"{running['carrier_control_url']}/calls/{refused}", timeout=10).json()
    assert seen["answered_at"] is None
    diagnosis = practice.examine("main", "--number", NOBODYS, "--from-address", "127.0.0.1")
    assert diagnosis.of("inbound")["cause"] == "flood"
    assert "none has the number" in diagnosis.of("inbound")["said"]


def test_the_trunk_and_the_rule_that_would_take_a_call_are_named(practice: Clinic) -> None:
    diagnosis = practice.examine("main", "--number", OURS, "--from-address", "127.0.0.1")
    assert diagnosis.of("inbound")["said"] == "the inbound trunk doctored/main takes it"
    assert diagnosis.of("rule")["verdict"] == "ok"

    strange = practice.examine("main", "--number", OURS, "--from-address", "198.51.100.7")
    assert strange.of("inbound")["cause"] == "flood"
    assert "does not admit 198.51.100.7" in strange.of("inbound")["said"]
