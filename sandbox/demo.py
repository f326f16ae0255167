"""The main job, shown: a real SIP call with a conversation, then three that go otherwise."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from dialer import follow
from sandbox import options as choices
from sandbox.interrupts import until_interrupted
from sandbox.options import Options
from sandbox.prepared import NotPrepared
from sandbox.servers_build import ServerMissing
from sandbox.supervised import NeverReady
from sandbox.supervisor import CannotStart, Supervisor, sandbox


@dataclass(frozen=True)
class Scene:
    """One call of the demo and how it must end."""

    title: str
    number: str
    outcome: str
    extra: dict[str, Any]


SCENES: Final = (
    Scene("A person answers and talks", "+14155550100", "completed", {}),
    Scene("The line is busy", "+14155550102", "busy", {}),
    Scene("Nobody answers for 8 s", "+14155550103", "no_answer", {"ring_timeout_seconds": 8}),
    Scene("Voicemail takes the call", "+14155550110", "completed", {}),
)
_RECORDING_WITHIN: Final = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; with ``--exit`` the status is 0 only when every call ended as it should."""
    parser = argparse.ArgumentParser(prog="make demo ARGS=...", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the last call")
    choices.add_arguments(parser)
    parsed = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    console = Console(highlight=False, soft_wrap=True)
    work = _demo(choices.from_arguments(parsed), console, stay=not parsed.exit)
    try:
        # Interrupted before its last call, a run that must prove something has proved nothing.
        return asyncio.run(until_interrupted(work, when_told=130 if parsed.exit else 0))
    except (CannotStart, NotPrepared, NeverReady, ServerMissing) as error:
        print(f"The demo cannot run: {error}", file=sys.stderr)
        return 1


async def _demo(options: Options, console: Console, *, stay: bool) -> int:
    def announce(line: str) -> None:
        _print(console, f"[dim]{time.strftime('%H:%M:%S')} sandbox:[/] ", line)

    console.print("[bold]Starting a phone network in a box[/]")
    async with sandbox(options, announce) as running:
        calling = asyncio.ensure_future(_all_scenes(running, console))
        watching = asyncio.ensure_future(running.watch())
        try:
            await asyncio.wait([calling, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            records = await calling
            _where(running, records, console)
            if stay:
                console.print("\nEverything stays up. [bold]Ctrl-C stops it.[/]")
                await watching
        finally:
            calling.cancel()
            watching.cancel()
    return 0 if as_expected(records) else 1


async def _all_scenes(running: Supervisor, console: Console) -> list[dict[str, Any]]:
    told = running.description
    headers = {"Authorization": f"Bearer {told['api_key']}"}
    with httpx.Client(base_url=told["api_url"], headers=headers, timeout=20) as client:
        records: list[dict[str, Any]] = []
        for number, scene in enumerate(SCENES, start=1):
            console.print(f"\n[bold]Call {number} of {len(SCENES)}: {scene.title}[/]")
            # In a thread: the supervisor must go on while a call is followed.
            records.append(await asyncio.to_thread(_play, client, scene, console))
        return records


def _play(client: httpx.Client, scene: Scene, console: Console) -> dict[str, Any]:
    order = {"call_type": "sip", "phone_number": scene.number, **scene.extra}
    console.print(f"[dim]POST /calls[/] {order}")
    placed = client.post("/calls", json=order)
    if placed.status_code != 202:
        console.print(f"[red]refused with {placed.status_code}:[/] {placed.text}")
        return {"phone_number": scene.number, "outcome": f"refused ({placed.status_code})"}
    record = follow.show(console, client, placed.json())
    record = _with_recording(client, record)
    mark = "[green]as expected[/]" if record["outcome"] == scene.outcome else "[red]unexpected[/]"
    console.print(f"outcome [bold]{record['outcome']}[/], {mark}")
    return record


def _with_recording(client: httpx.Client, record: dict[str, Any]) -> dict[str, Any]:
    # The audio is put together after the end, so its path is the last thing that is learned.
    deadline = time.monotonic() + _RECORDING_WITHIN
    while answered(record) and not record["recording_path"] and time.monotonic() < deadline:
        time.sleep(0.2)
        record = client.get(record["links"]["self"]).raise_for_status().json()
    return record


def answered(record: dict[str, Any]) -> bool:
    """Tell whether somebody picked up."""
    return bool(record.get("timestamps", {}).get("answered_at"))


def as_expected(records: Sequence[dict[str, Any]]) -> bool:
    """Tell whether every call ended as its scene says, with its audio kept where it had any."""
    return len(records) == len(SCENES) and all(
        record["outcome"] == scene.outcome
        and (not answered(record) or bool(record["recording_path"]))
        for record, scene in zip(records, SCENES, strict=True)
    )


def _where(running: Supervisor, records: Sequence[dict[str, Any]], console: Console) -> None:
    table = Table("number", "outcome", "reason", "ended by", "SIP", "Q.850", "seconds")
    for record in records:
        table.add_row(*_row(record))
    console.print()
    console.print(table)
    for record in records:
        if path := record.get("recording_path"):
            console.print(f"audio of {record['phone_number']}, both sides: {path}")
    told = running.description
    console.print(f"API documents  {told['docs_url']}")
    console.print(f"test page      {told['console_url']}")
    console.print(f"logs           {told['logs_dir']}")


def _row(record: dict[str, Any]) -> list[str]:
    sip: dict[str, Any] = record.get("sip") or {}
    seconds = record.get("duration_seconds")
    return [
        str(record["phone_number"]),
        str(record["outcome"]),
        str(record.get("ended_reason") or ""),
        str(record.get("ended_by") or ""),
        str(sip.get("status_code") or "-"),
        str(record.get("hangup_cause") or "-"),
        "-" if seconds is None else f"{seconds:.1f}",
    ]


def _print(console: Console, prefix: str, text: str) -> None:
    # A terminal that is gone must not keep the sandbox from stopping.
    try:
        console.print(prefix, end="")
        console.print(text, markup=False)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
