"""Hold our database and the carrier's record against each other. Pure: rows in, violations out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tests.kit.carrier_ledger import CarrierCall

#: What the carrier has said itself where the record tells its code.
_TOLD_BY_CARRIER: Final = ("busy", "declined", "invalid_number")


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    what: str
    call_id: str | None = None
    sip_call_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What each side wrote down of one round.

    Shape: ``events`` by call; ``bridge_killed`` the moments at which a bridge was killed, after
    which nobody can hang up the phones that it held.
    """

    accepted: list[str]
    calls: list[dict[str, Any]]
    events: dict[str, list[dict[str, Any]]]
    carrier: list[CarrierCall]
    bridge_killed: list[datetime] = field(default_factory=list[datetime])


def compare(ledgers: Ledgers) -> list[Violation]:
    """Name every promise that the round broke."""
    return [
        *_lost(ledgers),
        *_dialled_unasked(ledgers),
        *_dialled_twice(ledgers),
        *(v for call in ledgers.calls for v in _of_call(call, ledgers)),
        *_left_off_hook(ledgers),
    ]


def attempt_of(record: CarrierCall) -> str | None:
    """Give the attempt that a carrier's record names."""
    return record.raw["headers"].get("x-attempt-id")


def attempts_of(events: Iterable[dict[str, Any]]) -> set[str]:
    """Give the attempts that a call's history names."""
    return {event["attempt_id"] for event in events if event["attempt_id"]}


def _lost(ledgers: Ledgers) -> list[Violation]:
    kept = Counter(call["id"] for call in ledgers.calls)
    accepted = Counter(ledgers.accepted)
    found = [Violation("accepted and not in the database", c) for c in accepted if c not in kept]
    found += [Violation("one call for two requests", c) for c, n in accepted.items() if n > 1]
    for call in ledgers.calls:
        # A voip call whose room could not be opened is refused with 503, and its record kept.
        refused = call["call_type"] == "voip" and call["ended_reason"] == "media_server_lost"
        if call["id"] not in accepted and not refused:
            found.append(Violation("in the database and never accepted", call["id"]))
    return found


def _dialled_unasked(ledgers: Ledgers) -> list[Violation]:
    numbers = {
        attempt: call["phone_number"]
        for call in ledgers.calls
        for attempt in attempts_of(ledgers.events[call["id"]])
    }
    found: list[Violation] = []
    for record in ledgers.carrier:
        attempt = attempt_of(record)
        if attempt is None or attempt not in numbers:
            what = f"{record.raw['number']} was dialled without an attempt ({attempt})"
            found.append(Violation(what, None, (record.call_id,)))
        elif numbers[attempt] != record.raw["number"]:
            what = f"{attempt} dialled {record.raw['number']}, not {numbers[attempt]}"
            found.append(Violation(what, None, (record.call_id,)))
    return found


def _dialled_twice(ledgers: Ledgers) -> list[Violation]:
    by_attempt: dict[str | None, list[CarrierCall]] = defaultdict(list)
    for record in ledgers.carrier:
        by_attempt[attempt_of(record)].append(record)
    returns = Counter(
        event["attempt_id"]
        for events in ledgers.events.values()
        for event in events
        if event["type"] == "call.requeued"
    )
    found: list[Violation] = []
    for attempt, records in by_attempt.items():
        invites = sum(record.invites for record in records)
        # A bridge that lost the challenge rang nobody: its permit came back, and the call is
        # dialled again.
        invites -= min(sum(_only_challenged(record) for record in records), returns[attempt])
        if attempt is not None and invites > 1:
            call_ids = tuple(record.call_id for record in records)
            found.append(Violation(f"{attempt} sent {invites} INVITEs", None, call_ids))
    return found


def _only_challenged(record: CarrierCall) -> bool:
    return record.invites == 1 and record.raw["final_status"] in {401, 407}


def _of_call(call: dict[str, Any], ledgers: Ledgers) -> list[Violation]:
    events = ledgers.events[call["id"]]
    mine = attempts_of(events)
    records = [record for record in ledgers.carrier if attempt_of(record) in mine]
    call_ids = tuple(record.call_id for record in records)
    wrong = [*_wrong_record(call, events), *_wrong_outcome(call, events, records)]
    return [Violation(what, call["id"], call_ids) for what in wrong]


def _wrong_record(call: dict[str, Any], events: list[dict[str, Any]]) -> list[str]:
    wrong: list[str] = []
    if call["status"] != "ended":
        wrong.append(f"still {call['status']} (waiting for {call['waiting_for']})")
    elif not (call["outcome"] and call["ended_reason"] and call["timestamps"]["ended_at"]):
        wrong.append("ended without an outcome, a reason or a time")
    if [event["sequence"] for event in events] != list(range(1, len(events) + 1)):
        wrong.append("its events have gaps")
    permits = Counter(e["attempt_id"] for e in events if e["type"] == "call.dialing")
    # A permit with which nothing was sent may come back, and another one be given.
    returns = Counter(e["attempt_id"] for e in events if e["type"] == "call.requeued")
    if any(count > 1 + returns[attempt_id] for attempt_id, count in permits.items()):
        wrong.append("an attempt was permitted twice")
    return wrong


def _wrong_outcome(
    call: dict[str, Any], events: list[dict[str, Any]], records: list[CarrierCall]
) -> list[str]:
    wrong: list[str] = []
    permitted = any(event["type"] == "call.dialing" for event in events)
    if records and not permitted:
        wrong.append("a phone rang without a permit")
    answered = any(record.at("answered_at") for record in records)
    if call["call_type"] == "sip" and call["timestamps"]["answered_at"] and not answered:
        wrong.append("answered, but not by the carrier's record")
    if call["outcome"] in _TOLD_BY_CARRIER and not records:
        wrong.append(f"{call['outcome']}, but the carrier never heard of it")
    code = call["sip"]["status_code"]
    if code is not None and code not in {record.raw["final_status"] for record in records}:
        wrong.append(f"SIP {code}, which the carrier did not say")
    return wrong


def _left_off_hook(ledgers: Ledgers) -> list[Violation]:
    return [
        Violation(f"{record.raw['behaviour']} was never hung up", None, (record.call_id,))
        for record in ledgers.carrier
        if record.state != "ended" and not abandoned(record, ledgers.bridge_killed)
    ]


def abandoned(record: CarrierCall, bridge_killed: list[datetime]) -> bool:
    """Tell whether a bridge was killed since the call began: the dead send no BYE."""
    began = record.at("started_at")
    return began is not None and any(began < moment for moment in bridge_killed)
