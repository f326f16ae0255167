"""The loops over two LiveKits: a call stays where it was dialled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from dialer.calls.reap import Reaper
from dialer.ingest.livekit_webhook import Webhook
from dialer.livekits.choice import LiveKits
from dialer.livekits.condition import MISSES
from dialer.livekits.livekit import LiveKit, Realm
from dialer.livekits.webhooks import WebhooksOfEach
from dialer.workers.jobs import Jobs
from dialer.workers.presence import PresenceAt
from telephony.call import CallStatus
from telephony.errors import Unauthorized
from telephony.events import EventType
from telephony.worker_contract import Job, LiveKitName
from tests.kit.fakes import EPOCH, FakeRooms
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import FakeLines

OWN, FALLBACK = Realm("tel", "telfb"), Realm("telfb", "telfb")


@dataclass
class Two:
    """A switchboard with a second LiveKit."""

    board: Switchboard
    other: FakeRooms
    lines: FakeLines

    async def workers(self) -> None:
        """Let a worker report at each."""
        await self.board.worker("w1")
        await self.board.worker("w2", livekit=LiveKitName.FALLBACK)

    async def own_goes(self, *, down: bool = True) -> None:
        """Let our own LiveKit die and be missed, or come back and be believed."""
        self.board.rooms.down = self.board.trunk.down = down
        for _ in range(MISSES if down else 30):
            self.board.clock.forward(1)
            await self.board.livekits.step()
        await self.workers()

    async def room(self, call_id: str) -> str:
        """Name the room that a call is in."""
        return (await self.board.attempt(call_id)).room


@pytest_asyncio.fixture
async def two(board: Switchboard) -> Two:
    """Give a switchboard with a second LiveKit and a worker at each."""
    made = Two(board, FakeRooms(now=board.clock), FakeLines())
    own = replace(
        board.livekits.own, realm=OWN, presence=PresenceAt(LiveKitName.OWN, board.presence)
    )
    fallback = LiveKit(
        name=LiveKitName.FALLBACK,
        realm=FALLBACK,
        rooms=made.other,
        trunks=made.lines,
        presence=PresenceAt(LiveKitName.FALLBACK, board.presence),
        jobs=Jobs(),
    )
    made.lines.id = "ST_other"
    board.livekits = LiveKits(own, fallback, clock=lambda: board.clock().timestamp())
    board.dispatcher = board.another_dispatcher("d1")
    board.rescuer = board.another_rescuer()
    board.reaper = board.another_reaper()
    await made.workers()
    return made


async def test_calls_go_to_our_own_and_the_fallback_is_left_alone(two: Two) -> None:
    call_id = await two.board.place()
    await two.board.dispatch()
    assert (await two.room(call_id)).startswith("tel-")
    assert two.other.rooms == {}


async def test_calls_that_wait_flow_to_the_fallback_with_its_own_trunk(two: Two) -> None:
    two.board.rooms.down = two.board.trunk.down = True
    call_id = await two.board.place()
    await two.board.dispatch()
    assert (await two.board.call(call_id)).waiting_for == "media_server"

    await two.own_goes()
    await two.board.dispatch()

    room = await two.room(call_id)
    assert room.startswith("telfb-") and [*two.other.rooms] == [room]
    assert '"trunk_id":"ST_other"' in two.other.rooms[room].dispatches[0].metadata


async def test_a_claim_that_found_our_own_dead_is_made_anew_at_the_fallback(two: Two) -> None:
    two.board.rooms.down = True  # and its trunks are still known
    call_id = await two.board.place()
    await two.board.dispatch()
    assert (await two.board.call(call_id)).status == CallStatus.QUEUED.value

    await two.own_goes()
    await two.board.dispatch()

    assert (await two.room(call_id)).startswith("telfb-")
    assert two.board.rooms.created == []


async def test_a_call_whose_permit_was_given_is_never_moved(two: Two) -> None:
    board = two.board
    call_id = await board.place()
    await board.dispatch()
    await board.dials(call_id)

    await two.own_goes()
    for _ in range(5):
        await board.dispatch()
        board.clock.forward(10)
        await two.workers()

    attempt = await board.attempt(call_id)
    assert (attempt.state, attempt.fence, attempt.room[:4]) == ("sent", 1, "tel-")
    assert two.other.rooms == {}


async def test_without_a_worker_at_the_fallback_calls_wait_for_one(two: Two) -> None:
    await two.own_goes()
    two.board.clock.forward(60)
    await two.board.worker("w1")
    call_id = await two.board.place()
    await two.board.dispatch()
    assert (await two.board.call(call_id)).waiting_for == "worker"


async def test_a_job_goes_to_a_worker_of_the_rooms_livekit(two: Two) -> None:
    own, fallback = (one.jobs for one in two.board.livekits.all)
    given: list[tuple[str, Job | None]] = []

    async def wait(jobs: Jobs, name: str) -> None:
        given.append((name, await jobs.wait(name, free=1, within=30)))

    waits = [asyncio.create_task(wait(own, "w1")), asyncio.create_task(wait(fallback, "w2"))]
    await asyncio.sleep(0)
    await two.own_goes()
    call_id = await two.board.place()
    await two.board.dispatch()
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    assert [(name, job and job.room) for name, job in given] == [("w2", await two.room(call_id))]
    waits[0].cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def reaper_of(two: Two, livekit: LiveKit, rooms: FakeRooms) -> Reaper:
    board = two.board
    return Reaper(
        database=board.database,
        rooms=rooms,
        realm=livekit.realm,
        signals=board.signals,
        agent_lost=board.dispatcher.agent_lost,
        now=board.clock,
    )


async def test_a_running_call_is_looked_after_by_its_own_livekits_reaper_alone(two: Two) -> None:
    board = two.board
    await two.own_goes()
    call_id = await board.place()
    await board.dispatch()
    room = await two.room(call_id)
    metadata = two.other.rooms[room].dispatches[0].metadata
    board.rooms.rooms[room] = two.other.rooms[room]  # where the kit reads the worker's token
    granted = await board.grant(call_id)
    del board.rooms.rooms[room]
    assert granted.attempt_id in metadata
    await board.report(granted, (EventType.CALL_AGENT_JOINED, {"worker_id": "w2"}))
    await board.ask_permit(granted)
    await board.report(granted, (EventType.CALL_RINGING, {}), (EventType.CALL_ANSWERED, {}))
    await two.own_goes(down=False)
    own, fallback = (
        reaper_of(two, one, rooms)
        for one, rooms in zip(board.livekits.all, (board.rooms, two.other), strict=True)
    )

    async def look(reaper: Reaper) -> str:
        for _ in range(12):
            await reaper.step()
            board.clock.forward(3)
        return (await board.call(call_id)).status

    assert await look(own) == "in_progress", "our own knows nothing of that room, and says nothing"
    assert await look(fallback) == "ended", "nobody is in it"
    assert await two.board.ended(call_id) is not None


async def test_the_rooms_of_ended_calls_are_looked_for_where_they_were(two: Two) -> None:
    board = two.board
    await two.own_goes()
    call_id = await board.place()
    await board.dispatch()
    for _ in range(2):
        board.clock.forward(3.1)
        await two.workers()
        await board.dispatch()
    ended = await board.ended(call_id)
    assert ended is not None and ended[1] == "no_agent" and two.other.rooms == {}
    board.rooms.down = False

    await reaper_of(two, board.livekits.own, board.rooms).step()
    assert (await board.attempt(call_id)).room_gone_at is None
    await reaper_of(two, board.livekits.all[1], two.other).step()
    assert (await board.attempt(call_id)).room_gone_at is not None


class Signs:
    """Reads what bears its signature, about the room that the body names."""

    def __init__(self, signature: str) -> None:
        self.signature = signature

    def read(self, body: bytes, authorization: str) -> Webhook:
        if authorization != self.signature:
            raise Unauthorized("unauthorized", "Not ours.")
        return Webhook("EV_1", "room_finished", EPOCH, room=body.decode())


@pytest.mark.parametrize(
    ("room", "signature", "told"),
    [
        ("tel-att_1", "own", "tel-att_1"),
        ("telfb-att_1", "fallback", "telfb-att_1"),
        # A key speaks for its own LiveKit's rooms.
        ("tel-att_1", "fallback", ""),
        ("telfb-att_1", "own", ""),
        # A hosted project may have rooms of others, too.
        ("party", "fallback", ""),
    ],
)
def test_each_key_speaks_of_its_own_rooms(room: str, signature: str, told: str) -> None:
    reader: Any = WebhooksOfEach((OWN, Signs("own")), (FALLBACK, Signs("fallback")))
    assert reader.read(room.encode(), signature).room == told


def test_a_webhook_that_no_key_signed_is_refused() -> None:
    reader = WebhooksOfEach((OWN, Signs("own")), (FALLBACK, Signs("fallback")))
    with pytest.raises(Unauthorized):
        reader.read(b"tel-att_1", "nobody")
