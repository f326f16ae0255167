"""Write the parts of the documentation that the code knows best.

``python -m docs.generate`` writes them; ``--check`` only says which are out of date. A test does
the same, so that a setting, error code, event type or metric cannot stay undocumented.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from agent.settings import Settings as WorkerSettings
from dialer import metrics
from dialer.admission.agents import Described
from dialer.problem_table import PROBLEMS
from dialer.settings import ClientSettings, Settings
from docs.drawing import between, default_of, table, type_name
from docs.trunks_doctor import doctor_tables
from docs.trunks_file import trunks_codes, trunks_schema
from telephony import lifecycle
from telephony.call import AttemptState, CallStatus, EndedReason, Outcome
from telephony.dial_request import Models
from telephony.events import DATA, EventType
from telephony.termination import CAUSE_BY_REASON, ENDED_BY, OUTCOME, REASON_BY_SIP
from trunks.settings import Settings as TrunkSettings

ROOT = Path(__file__).resolve().parent.parent
_NOTE = "<!-- Written by `python -m docs.generate`: change the code, not this. -->"

EVENTS: dict[EventType, str] = {
    EventType.CALL_QUEUED: "The call was taken and waits.",
    EventType.CALL_RECEIVED: "Somebody calls one of our numbers; the call rings.",
    EventType.CALL_ROUTED: "The number's webhook was asked which agent answers, and what it said.",
    EventType.CALL_WAITING: "It waits for something in particular.",
    EventType.CALL_DISPATCHING: "A worker was asked into the attempt's room.",
    EventType.CALL_REQUEUED: "Nobody came, or a trunk refused it; nobody was rung; it waits again.",
    EventType.CALL_AGENT_JOINED: "A worker is in the room.",
    EventType.CALL_AGENT_READY: "The greeting is ready and the agent listens.",
    EventType.CALL_DIALING: "The permit was given: the INVITE may leave.",
    EventType.CALL_RINGING: "The phone rings.",
    EventType.CALL_ANSWERED: "The call was answered, or the browser joined.",
    EventType.CALL_TURN: "One side said something.",
    EventType.CALL_AGENT_LOST: "The agent of an answered call was lost; another one is asked for.",
    EventType.CALL_AGENT_RESCUED: "Another agent took the conversation over.",
    EventType.CALL_OVERFLOWED: "No agent for a caller: the number's overflow number is dialled.",
    EventType.CALL_OVERFLOW_ANSWERED: "Somebody took the call at the overflow number.",
    EventType.CALL_APOLOGISED: "Nobody for a caller: an apology is played, then the call ends.",
    EventType.CALL_DTMF: "A key was pressed.",
    EventType.CALL_HANGUP_REQUESTED: "Somebody asked for the end by the API.",
    EventType.CALL_RECORDING_READY: "The recording is complete.",
    EventType.CALL_WARNING: "Something went wrong that did not end the call.",
    EventType.CALL_ENDED: "The call is over. Every call has this event once.",
    EventType.ROOM_PARTICIPANT_JOINED: "LiveKit saw somebody join the room.",
    EventType.ROOM_PARTICIPANT_LEFT: "LiveKit saw somebody leave the room.",
    EventType.ROOM_FINISHED: "LiveKit closed the room.",
}

WORKER_NAMES = "What a worker reads (`dialer worker`)"


def _settings_rows(kind: type[BaseSettings]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, field in kind.model_fields.items():
        example = f" Example: `{field.examples[0]}`." if field.examples else ""
        rows.append([f"`{name.upper()}`", default_of(field), f"{field.description}{example}"])
    return rows


def _model_rows(kind: type[BaseModel]) -> list[list[str]]:
    return [
        [f"`{name}`", type_name(field.annotation), default_of(field)]
        for name, field in kind.model_fields.items()
        if name != "models"
    ]


def configuration() -> str:
    """Write docs/configuration.md."""
    head = ["name", "default", "meaning"]
    return "\n\n".join(
        [
            _NOTE,
            "# Configuration",
            "Everything is set by environment variables; a `.env` file in the working directory is "
            "read too, and the environment wins. `.env.example` lists all of them. A process that "
            "misses something names everything that is wrong at once and ends with status 2.",
            "## What the dialer reads (`dialer api`, `dialer loops`)",
            table(head, _settings_rows(Settings)),
            f"## {WORKER_NAMES}",
            table(head, _settings_rows(WorkerSettings)),
            "## What the command line reads (`dialer call`, `dialer calls`)",
            table(head, _settings_rows(ClientSettings)),
            "## What `dialer trunks` reads",
            "And every name that [the trunks file](trunks.md) refers to as `${NAME}`.",
            table(head, _settings_rows(TrunkSettings)),
            "## The agents file",
            "`AGENTS_FILE` names a YAML file with one key, `agents`: names, each with the fields "
            "below. An agent named `default` must be there. `{names}` in `instructions`, "
            "`greeting`, `goodbye`, `silence_prompt` and `rescue_line` are replaced, in one pass, "
            "by the call's `variables`, else by the agent's own; a name with neither is refused "
            "with `variable_missing` when the call is placed.",
            table(["field", "type", "default"], _model_rows(Described)),
            "Under `models`:",
            table(["field", "type", "default"], _model_rows(Models)),
        ]
    )


def errors() -> str:
    """Write docs/errors.md."""
    rows = [
        [f"`{code}`", str(problem.status), problem.title, problem.advice]
        for code, problem in sorted(PROBLEMS.items(), key=lambda item: (item[1].status, item[0]))
    ]
    return "\n\n".join(
        [
            _NOTE,
            "# Errors",
            "Every error is an `application/problem+json` document (RFC 9457) with `type`, "
            "`title`, `status`, `detail` and a stable `code`; where they help also `field` (which "
            "part of the request), `hint` (what was probably meant), `offset` (the byte of the "
            "body) and `errors` (all faults, when there are several). 429, 503 and some 409 carry "
            "`Retry-After`, in seconds.",
            table(["code", "status", "meaning", "what to do"], rows),
        ]
    )


def events() -> str:
    """Write docs/events.md."""
    parts = [
        _NOTE,
        "# Events",
        "`GET /calls/{id}/events` gives a call's events, by pages or, with "
        "`Accept: text/event-stream`, as they happen. Each has `sequence` (counts from 1 within "
        "the call, in the order in which things were learned), `type`, `source` (`dialer`, "
        "`worker` or `livekit`), `attempt_id`, `occurred_at` (by the clock of who saw it), "
        "`recorded_at` and `data`. A report that comes twice is one event. Late reports are kept "
        "and change nothing.",
    ]
    for event in EventType:
        parts += [f"## `{event.value}`", EVENTS[event]]
        fields = DATA[event].model_fields
        if fields:
            rows = [
                [f"`{name}`", type_name(field.annotation), "always" if field.is_required() else ""]
                for name, field in fields.items()
            ]
            parts.append(table(["data", "type", "present"], rows))
    return "\n\n".join(parts)


def metrics_table() -> str:
    """Draw the table of metrics."""
    rows: list[list[str]] = []
    for family in metrics.REGISTRY.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append([f"`{name}`", family.type, family.documentation])
    for name, (text, labels) in metrics.SCRAPED.items():
        told = f" Labels: {', '.join(f'`{label}`' for label in labels)}." if labels else ""
        kind = "counter" if name.endswith("_total") else "gauge"
        rows.append([f"`{name}`", kind, text + told])
    return table(["metric", "type", "meaning"], sorted(rows))


def diagram() -> str:
    """Draw the life of a call, and what its attempt is meanwhile."""
    rows = [[f"`{s.value}`", f"`{lifecycle.ATTEMPT_STATE[s].value}`"] for s in CallStatus]
    assert {state.value for state in AttemptState} == {row[1].strip("`") for row in rows}
    return f"```mermaid\n{lifecycle.mermaid()}```\n\n" + table(["call", "its attempt"], rows)


def endings() -> str:
    """Draw the table of reasons."""
    codes: dict[EndedReason, list[str]] = {}
    for code, reason in REASON_BY_SIP.items():
        codes.setdefault(reason, []).append(str(code))
    rows: list[list[str]] = []
    for reason in EndedReason:
        outcome = f"`{OUTCOME[reason].value}`"
        if reason in (EndedReason.API_HANGUP, EndedReason.CALLER_HANGUP):
            outcome += f", or `{Outcome.CANCELED.value}` before the answer"
        if reason is EndedReason.MEDIA_TIMEOUT:
            outcome += f", or `{Outcome.FAILED.value}` when none ever came"
        cause = CAUSE_BY_REASON.get(reason)
        rows.append(
            [
                f"`{reason.value}`",
                outcome,
                f"`{ENDED_BY[reason].value}`",
                ", ".join(codes.get(reason, [])),
                "by the SIP code" if cause is None else str(cause),
            ]
        )
    return table(["`ended_reason`", "`outcome`", "`ended_by`", "SIP codes", "Q.850 cause"], rows)


def env_example() -> str:
    """Write .env.example."""
    lines = [
        "# Written by `python -m docs.generate`: change the code, not this.",
        "# Copy to .env and fill in. docs/configuration.md explains each name.",
    ]
    told: set[str] = set()
    for title, kind in (
        ("The dialer", Settings),
        ("The worker", WorkerSettings),
        ("The command line", ClientSettings),
        ("Trunks", TrunkSettings),
    ):
        lines += ["", f"# {title}"]
        for name, field in kind.model_fields.items():
            if name not in told:
                lines.append(_env_line(name, field))
            told.add(name)
    return "\n".join(lines)


def _env_line(name: str, field: FieldInfo) -> str:
    example = str(field.examples[0]) if field.examples else ""
    if field.is_required():
        # A command is no value: what it would print is for the reader to put there.
        return f"{name.upper()}=" if "$(" in example else f"{name.upper()}={example}"
    default = default_of(field).strip("`")
    shown = example if default in ("empty", "made at start", "") else default
    return f"# {name.upper()}={'' if '$(' in shown else shown}"


def wanted() -> dict[Path, str]:
    """Give every generated file as it should be."""
    architecture = ROOT / "docs" / "architecture.md"
    operations = ROOT / "docs" / "operations.md"
    drawn = architecture.read_text(encoding="utf-8")
    drawn = between(between(drawn, "lifecycle", diagram()), "endings", endings())
    measured = between(operations.read_text(encoding="utf-8"), "metrics", metrics_table())
    trunks = ROOT / "docs" / "trunks.md"
    told = trunks.read_text(encoding="utf-8")
    for name, part in trunks_codes().items():
        told = between(told, name, part)
    doctor = ROOT / "docs" / "doctor.md"
    examined = doctor.read_text(encoding="utf-8")
    for name, part in doctor_tables().items():
        examined = between(examined, name, part)
    return {
        ROOT / "docs" / "configuration.md": configuration() + "\n",
        ROOT / "docs" / "errors.md": errors() + "\n",
        ROOT / "docs" / "events.md": events() + "\n",
        ROOT / ".env.example": env_example() + "\n",
        architecture: drawn,
        operations: measured,
        trunks: told,
        doctor: examined,
        ROOT / "docs" / "trunks.schema.json": trunks_schema() + "\n",
    }


def stale() -> list[Path]:
    """List the files that are not as they should be."""
    return [
        path
        for path, text in wanted().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write what is stale, or with ``--check`` only name it."""
    found = stale()
    texts = wanted()
    for path in found:
        print(path.relative_to(ROOT))
        if "--check" not in arguments:
            path.write_text(texts[path], encoding="utf-8")
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
