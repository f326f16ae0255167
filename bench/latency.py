"""One call at a time, the roads in turn: how soon it rings, speaks and replies.

Clock points, all taken at the carrier but for the first: the request's answer, the first INVITE,
the 200 OK, the first audible packet after it, the callee's last audible packet, the first audible
packet that answers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bench.callee import AT_ONCE, RINGS, Heard
from bench.models import ALL_DELAYS
from bench.road import Placed, Road, calm
from bench.stage import Stage, say

_RINGS_WITHIN: Final = 8.0
_REPLIES_WITHIN: Final = 20.0


@dataclass(frozen=True, slots=True)
class Times:
    """One call's figures.

    Units: milliseconds, None where it did not come to that. Shape: ``reply`` is what is left
    without the models' own delays.
    """

    road: str
    accepted_to_invite: float | None = None
    asked_to_invite: float | None = None
    answer_to_audio: float | None = None
    speech_to_reply: float | None = None
    reply_steps: dict[str, float] = field(default_factory=dict[str, float])

    @classmethod
    def of(
        cls, road: str, placed: Placed, heard: Heard | None, requests: list[dict[str, Any]]
    ) -> Times:
        """Work out a call's figures."""
        if heard is None:
            return cls(road)
        reply, steps = None, dict[str, float]()
        if heard.replies:
            spoke_until, replied = heard.replies[0]
            reply = _ms(replied - spoke_until - ALL_DELAYS)
            steps = reply_steps(requests, spoke_until, replied)
        audio = None
        if heard.answered is not None and heard.first_audio is not None:
            audio = _ms(heard.first_audio - heard.answered)
        return cls(
            road,
            _ms(heard.invited - placed.accepted),
            _ms(heard.invited - placed.asked),
            audio,
            reply,
            steps,
        )


def reply_steps(
    requests: list[dict[str, Any]], spoke_until: float, replied: float
) -> dict[str, float]:
    """Tell a reply's steps apart, by the requests that the models got.

    Units: milliseconds. Shape: empty where the requests do not tell; with several of a kind, those
    count which led to the sound: the last speech before it, the last words before that, and so on.
    """
    before, steps = replied, list[tuple[float, float]]()
    for kind in ("tts", "llm", "stt"):
        answered = [r for r in requests if r["kind"] == kind and "answered" in r]
        led = [r for r in answered if r["answered"] <= before]
        if not led:
            return {}
        last = max(led, key=lambda r: r["answered"])
        before = last["at"]
        steps.append((last["at"], last["answered"]))
    (tts, speech), (llm, words), (stt, text) = steps
    return {
        "speech -> transcription asked": _ms(stt - spoke_until),
        "transcribed -> answer asked": _ms(llm - text),
        "first words -> voice asked": _ms(tts - words),
        "first sound of the voice -> callee": _ms(replied - speech),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


async def one_call(stage: Stage, road: Road, number: str, *, replies: int = 1) -> Times:
    """Place a call and hang it up as soon as it told what it can tell.

    Shape: the steps of its reply are told where no other call is up.
    """
    callees = stage.callees
    if replies:
        await stage.forget_requests()
    placed = await road.place(number)
    since = placed.asked - 0.001
    found = await callees.until(number, since, bool, timeout=_RINGS_WITHIN, every=0.05)
    if found:
        found = await callees.until(
            number,
            since,
            lambda calls: _told(calls[-1], replies),
            timeout=_REPLIES_WITHIN,
        )
        await callees.hang_up(found[-1])
    await road.over(placed)
    requests = await stage.model_requests() if replies else []
    return Times.of(road.name, placed, found[-1] if found else None, requests)


def _told(heard: Heard, replies: int) -> bool:
    enough = heard.first_audio is not None and len(heard.replies) >= replies
    return enough or heard.state == "ended"


async def warm(stage: Stage, road: Road, calls: int) -> None:
    """Let the road do for the first time what is done once."""
    for _ in range(calls):
        await one_call(stage, road, AT_ONCE, replies=0)
    await calm(road.pids)


async def in_turn(stage: Stage, roads: Sequence[Road], n: int) -> list[dict[str, Any]]:
    """Measure n calls of each road, one after another, changing roads with every call."""
    pids = [pid for road in roads for pid in road.pids]
    measured: list[Times] = []
    for number in range(1, n + 1):
        for road in roads:
            await calm(pids)
            times = await one_call(stage, road, RINGS)
            measured.append(times)
            say(f"call {number}/{n} {told(times)}")
        await stage.callees.forget()
    return [asdict(times) for times in measured]


def told(times: Times) -> str:
    """Put a call into a line."""
    if times.accepted_to_invite is None:
        return f"{times.road}: never dialled"
    figures = {
        "INVITE": times.accepted_to_invite,
        "audio": times.answer_to_audio,
        "reply": times.speech_to_reply,
    }
    parts = [f"{name} {'-' if ms is None else f'{ms:.0f} ms'}" for name, ms in figures.items()]
    return f"{times.road}: {', '.join(parts)}"
