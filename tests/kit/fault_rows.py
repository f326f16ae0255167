"""Tests of the fault matrix: how far a run is, and what a failure tells of the calls it placed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

_BEGAN = pytest.StashKey[datetime]()
_SEED = pytest.StashKey[int]()
_COUNT = pytest.StashKey[list[int]]()
#: A failure tells of this many calls at most, the newest.
_MOST_CALLS = 6
_MOST_LINES = 40
_LONGEST_LINE = 400
_WHEN = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare --seed and --tell-rows."""
    parser.addoption("--seed", type=int, default=None, help="seed of what faults do by chance")
    parser.addoption(
        "--tell-rows", action="store_true", help="say before each test which rows it shows"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the run's seed."""
    given = cast("int | None", config.getoption("--seed"))
    config.stash[_SEED] = random.SystemRandom().randrange(10**6) if given is None else given


def pytest_collection_finish(session: pytest.Session) -> None:
    """Know how much there is to do."""
    session.config.stash[_COUNT] = [0, len(session.items)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Remember when a test began, and tell of it where that was asked for."""
    item.stash[_BEGAN] = datetime.now(UTC)
    if item.config.getoption("--tell-rows"):
        count = item.config.stash[_COUNT]
        count[0] += 1
        named = ", ".join(rows_of(item)) or "no row"
        terminal: Any = item.config.pluginmanager.get_plugin("terminalreporter")
        terminal.write_line(f"\n{named} ({count[0]} of {count[1]}) {item.name}", flush=True)


def rows_of(item: pytest.Item) -> list[str]:
    """Name the rows that a test shows."""
    return sorted(
        {str(row) for mark in item.iter_markers("fault") for row in mark.args},
        key=lambda row: int(row[1:]),
    )


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """Give the seed of everything that happens by chance in this run."""
    return request.config.stash[_SEED]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach seed, processes, SIP traces, our events and logs to what fails with a sandbox."""
    report = yield
    sandboxes = _sandboxes(item)
    if report.failed and (sandboxes or item.get_closest_marker("fault") is not None):
        told = [f"seed: {item.config.stash[_SEED]} (again: --seed {item.config.stash[_SEED]})"]
        for running in sandboxes:
            told += _told(running, item.stash[_BEGAN])
        report.sections.append((f"rows {', '.join(rows_of(item))}", "\n".join(told)))
    return report


def _sandboxes(item: pytest.Item) -> list[dict[str, Any]]:
    given = cast("dict[str, Any]", getattr(item, "funcargs", {}))
    found: list[dict[str, Any]] = []
    for value in given.values():
        stack = getattr(value, "running", value)
        if isinstance(stack, dict) and "state_file" in stack and stack not in found:
            found.append(cast("dict[str, Any]", stack))
    return found


def _told(running: dict[str, Any], since: datetime) -> list[str]:
    told = [f"logs: {running['logs_dir']}"]
    parts = (("processes", _pids), ("carrier", _traces), ("calls", _calls), ("logs", _logs))
    for what, tell in parts:
        try:
            told += [f"-- {what}", *tell(running, since)]
        except (OSError, ValueError, KeyError, httpx.HTTPError) as error:
            told.append(f"not to be had: {type(error).__name__}: {error}")
    return told


def _pids(running: dict[str, Any], _: datetime) -> list[str]:
    with open(running["state_file"]) as file:
        return [f"{name}: {pid}" for name, pid in json.load(file)["processes"].items()]


def _logs(running: dict[str, Any], since: datetime) -> list[str]:
    """Give the last lines of our own processes since the test began."""
    lines: list[str] = []
    for log in sorted(Path(running["logs_dir"]).glob("*.log")):
        if not log.name.startswith(("api", "loops", "worker")):
            continue
        told = [line for line in log.read_text(errors="replace").splitlines() if _new(line, since)]
        lines += [f"{log.stem}: {line[:_LONGEST_LINE]}" for line in told[-_MOST_LINES:]]
    return lines


def _new(line: str, since: datetime) -> bool:
    found = _WHEN.search(line)
    return found is not None and found[1] >= since.strftime("%Y-%m-%dT%H:%M:%S")


def _traces(running: dict[str, Any], since: datetime) -> list[str]:
    if not running.get("carrier_control_url"):
        return ["no ledger"]
    answer = httpx.get(
        f"{running['carrier_control_url']}/calls",
        params={"since": since.isoformat()},
        timeout=5,
    )
    lines: list[str] = []
    records = cast("list[dict[str, Any]]", answer.json()["calls"] or [])
    for record in records[-_MOST_CALLS:]:
        lines.append(f"{record['call_id']} {record['behaviour']} {record['state']}")
        messages = cast("list[dict[str, Any]]", record["messages"])
        lines += [f"    {m['at']} {m['direction']} {m['line']} ({m['cseq']})" for m in messages]
    return lines


def _calls(running: dict[str, Any], since: datetime) -> list[str]:
    lines: list[str] = []
    headers = {"Authorization": f"Bearer {running['api_key']}"}
    with httpx.Client(base_url=running["api_url"], headers=headers, timeout=5) as api:
        query = {"created_from": since.isoformat(), "limit": str(_MOST_CALLS)}
        for call in api.get("/calls", params=query).json()["calls"]:
            lines.append(f"{call['id']} {call['status']} {call['outcome']} {call['ended_reason']}")
            page = api.get(f"/calls/{call['id']}/events", params={"limit": 100}).json()
            lines += [
                f"    {e['sequence']:3} {e['occurred_at']} {e['source']} {e['type']} "
                f"{'' if e['type'] == 'call.turn' else json.dumps(e['data'])}"
                for e in page["events"]
            ]
    return lines
