"""Plays a line in a room, once: ``python -m dialer.adapters.playing``, with its order on stdin.

The bridge answers a caller once it is subscribed to our track, and the caller hears from its first
packet on: the line begins at ``sip.callStatus = active``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final, cast

from livekit import rtc

from dialer.adapters.announcer import HEARD, Line, read_line

#: Units: seconds.
_JOINS_WITHIN: Final = 10.0
_ANSWERED_WITHIN: Final = 10.0
#: The last word is still on its way through bridge and network when we have played it.
_TAIL: Final = 0.5
_FRAME: Final = 0.02
#: The bridge mixes a few frames before it plays the first: silence is what may be lost.
_LEAD: Final = 0.4


async def play(order: dict[str, Any]) -> bool:
    """Join, play and leave; False where the caller was not there, or not answered."""
    line, room = read_line(Path(order["path"])), rtc.Room()
    source = rtc.AudioSource(line.rate, 1)
    changed, told = asyncio.Event(), cast("Any", room)

    def on_change(*_: object) -> None:
        changed.set()

    for event in ("participant_attributes_changed", "participant_disconnected", "disconnected"):
        told.on(event, on_change)
    await asyncio.wait_for(
        room.connect(order["url"], order["token"], rtc.RoomOptions(auto_subscribe=False)),
        _JOINS_WITHIN,
    )
    try:
        track = rtc.LocalAudioTrack.create_audio_track("announcement", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False
        )
        await room.local_participant.publish_track(track, options)
        if not await _answered(room, order["caller"], changed):
            return False
        print(HEARD.decode(), flush=True)
        await _say(source, line)
        return True
    finally:
        await room.disconnect()


async def _answered(room: rtc.Room, caller: str, changed: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(_ANSWERED_WITHIN):
            while (there := room.remote_participants.get(caller)) is not None:
                if there.attributes.get("sip.callStatus") == "active":
                    return True
                changed.clear()
                await changed.wait()
    except TimeoutError:
        pass
    return False


async def _say(source: rtc.AudioSource, line: Line) -> None:
    step = int(line.rate * _FRAME) * 2
    samples = bytes(int(line.rate * _LEAD) * 2) + line.samples
    samples += bytes(-len(samples) % step)
    for at in range(0, len(samples), step):
        piece = samples[at : at + step]
        await source.capture_frame(rtc.AudioFrame(piece, line.rate, 1, step // 2))
    await source.wait_for_playout()
    await asyncio.sleep(_TAIL)


def main() -> int:
    """Play what stdin orders."""
    try:
        return 0 if asyncio.run(play(json.loads(sys.stdin.read()))) else 1
    except Exception as error:
        # Its words may hold the token.
        print(f"not played: {type(error).__name__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
