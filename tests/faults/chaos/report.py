"""Tell what happened: progress, violations with everything that explains them, the summary."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.chaos.comparison import Violation, attempt_of, attempts_of
from tests.faults.chaos.playing import Round
from tests.kit.carrier_ledger import CarrierCall

#: One round as it is kept on disk.
Kept = dict[str, Any]


def kept(played: Round) -> Kept:
    """Give what the summary and a later run need of a round."""
    return {
        "number": played.plan.number,
        "kills": [
            {"name": k.name, "at": k.at.isoformat(), "recovered_after": k.recovered_after}
            for k in played.kills
        ],
        "outcomes": dict(played.outcomes),
        "quiet_after": round(played.quiet_after, 1),
        "retries": played.retries,
        "violations": [asdict(violation) for violation in played.violations],
    }


def explained(played: Round) -> str:
    """Tell each violation with its call, its events and the SIP messages."""
    plan = played.plan
    lines = [f"seed {plan.seed}, round {plan.number}"]
    lines += [f"  {k.at:%H:%M:%S.%f} SIGKILL {k.name} (pid {k.pid})" for k in played.kills]
    for violation in played.violations:
        lines += ["", f"VIOLATION: {violation.what}", *_of(violation, played)]
    return "\n".join(lines)


def keep_evidence(played: Round, logs: Path, folder: Path) -> Path:
    """Write what explains a round's violations, with the logs of every process; say where."""
    where = folder / f"round-{played.plan.number}"
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(logs, where)
    (where / "violations.txt").write_text(explained(played))
    return where


def summary(rounds: Iterable[Kept], seed: int) -> list[str]:
    """Sum up all rounds."""
    rounds = list(rounds)
    kills = [kill for one in rounds for kill in one["kills"]]
    outcomes = Counter[str]()
    for one in rounds:
        outcomes.update(one["outcomes"])
    slowest = max(kills, key=lambda kill: kill["recovered_after"] or 0.0, default=None)
    violations = [(one["number"], v) for one in rounds for v in one["violations"]]
    lines = [
        f"seed {seed}: {len(kills)} kills, {outcomes.total()} calls, {len(rounds)} rounds, "
        f"{sum(one['retries'] for one in rounds)} requests sent again",
        "  kills:    " + _counted(Counter(kill["name"] for kill in kills)),
        "  calls:    " + _counted(outcomes),
    ]
    if slowest is not None:
        took = slowest["recovered_after"]
        lines.append(f"  slowest recovery: {slowest['name']}, {took or float('nan'):.1f} s")
        longest = max(one["quiet_after"] for one in rounds)
        lines.append(f"  longest wait for the last call's end: {longest:.1f} s of quiet")
    lines.append(f"  violations: {len(violations)}")
    lines += [f"    round {number}: {v['what']} {v['call_id'] or ''}" for number, v in violations]
    return lines


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _of(violation: Violation, played: Round) -> list[str]:
    ledgers = played.ledgers
    if ledgers is None:
        return []
    lines: list[str] = []
    mine: set[str] = set()
    for call in ledgers.calls:
        if call["id"] == violation.call_id:
            mine = attempts_of(ledgers.events[call["id"]])
            lines.append(f"  {json.dumps(call)}")
            lines += [_event(event) for event in ledgers.events[call["id"]]]
    for record in ledgers.carrier:
        if record.call_id in violation.sip_call_ids or attempt_of(record) in mine:
            lines += _trace(record)
    return lines


def _event(event: dict[str, Any]) -> str:
    told = f"{event['occurred_at']} {event['source']:8} {event['type']}"
    return f"  {told} {event['attempt_id']} {json.dumps(event['data'])}"


def _trace(record: CarrierCall) -> list[str]:
    raw = record.raw
    head = f"  carrier: {raw['call_id']} {raw['behaviour']} {raw['state']} {raw['headers']}"
    return [head] + [f"    {m['at']} {m['direction']} {m['line']}" for m in raw["messages"]]
