"""Follow a call in a terminal, by the API's event stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

_WORDS = {
    "call.queued": "waiting in the queue",
    "call.dispatching": "asking a worker",
    "call.requeued": "back in the queue",
    "call.agent_joined": "the agent is in the room",
    "call.agent_ready": "the agent is ready to speak",
    "call.dialing": "dialing",
    "call.ringing": "[yellow]ringing[/]",
    "call.answered": "[green]answered[/]",
    "call.agent_lost": "[yellow]the agent was lost; asking another[/]",
    "call.agent_rescued": "another agent took over",
    "call.hangup_requested": "hanging up",
}


def events(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    """Give a call's events until it has ended, across lost connections."""
    last = "0"
    while True:
        try:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
            with client.stream("GET", path, headers=headers, timeout=30) as answer:
                if answer.status_code == 204:
                    return
                answer.raise_for_status()
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        event = json.loads(line.removeprefix("data: "))
                        last = str(event["sequence"])
                        yield event
            return
        except (httpx.TransportError, httpx.RemoteProtocolError):
            time.sleep(1)


def line(event: dict[str, Any]) -> str | None:
    """Tell one event in words; None for what only machines want to know."""
    kind, data = event["type"], event["data"]
    if kind == "call.turn":
        agent = data["speaker"] == "agent"
        who = "[cyan]agent [/]" if agent else f"[magenta]{data['speaker']}[/]"
        return f"{who} {escape(data['text'])}"
    if kind == "call.waiting":
        return f"waiting for {data['waiting_for'].replace('_', ' ')}"
    if kind == "call.dtmf":
        return f"key {data['digit']} {data['direction']}"
    if kind == "call.warning":
        return f"[yellow]{escape(data['message'])}[/]"
    if kind == "call.recording_ready":
        return f"recorded: {escape(data['path'])}"
    if kind == "call.ended":
        return f"[bold]ended: {data.get('outcome')}[/] ({data['ended_reason']})"
    return _WORDS.get(kind)


def show(console: Console, client: httpx.Client, call: dict[str, Any]) -> dict[str, Any]:
    """Print the call's events as they come; gives the call as it ended."""
    started: datetime | None = None
    for event in events(client, call["links"]["events"]):
        at = datetime.fromisoformat(event["occurred_at"])
        started = started or at
        text = line(event)
        if text is not None:
            console.print(f"[dim]{(at - started).total_seconds():7.2f} s[/]  {text}")
    return client.get(call["links"]["self"]).raise_for_status().json()


def to_the_end(client: httpx.Client, call: dict[str, Any]) -> dict[str, Any]:
    """Wait without a word; gives the call as it ended."""
    for _ in events(client, call["links"]["events"]):
        pass
    return client.get(call["links"]["self"]).raise_for_status().json()
