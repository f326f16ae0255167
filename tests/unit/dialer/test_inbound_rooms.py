"""Callers whom no agent came for, and agents that are lost while a caller waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from dialer.adapters.tables import attempts, calls
from dialer.calls.claims import Claim
from dialer.calls.rooms import ParticipantKind, RoomMember
from dialer.inbound.unoffered import ASK_AGAIN, GIVE_UP, WITH_AGENT, Unoffered
from telephony.call import Direction
from telephony.dial_request import DialRequest
from telephony.events import EventType, OverflowWhy
from telephony.worker_contract import InboundJob, WorkerPresence
from tests.kit.fakes import FakeRooms, InMemoryPresence, VirtualClock
from tests.kit.switchboard import Switchboard
from tests.kit.until import until

ROOM = "tel-in_0150_x"


class Lobby:
    """A caller's room that belongs to no call."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.rooms = FakeRooms(now=self.clock)
        self.presence = InMemoryPresence(now=self.clock)
        self.unoffered = Unoffered(
            rooms=self.rooms, presence=self.presence, agent_name="telephony", now=self.clock
        )

    def taken_by(self, taker: Taker) -> None:
        """Have somebody for callers whom no agent takes."""
        self.unoffered = Unoffered(
            rooms=self.rooms,
            presence=self.presence,
            agent_name="telephony",
            now=self.clock,
            take=taker.take,
        )

    async def caller(self, room: str = ROOM) -> None:
        """Let somebody call."""
        await self.rooms.create(room, None)
        self.rooms.join(room, "sip_1f", ParticipantKind.SIP, sip_status="ringing")

    async def look(self, later: timedelta = timedelta(0)) -> None:
        """Look at every room that there is."""
        self.clock.forward(later.total_seconds())
        for room in await self.rooms.list("tel-"):
            await self.unoffered.look(room)
        await self.unoffered.settled()


@pytest.mark.fault("F13", "F14")
async def test_a_caller_without_an_agent_is_refused_after_a_while() -> None:
    lobby = Lobby()
    await lobby.caller()
    await lobby.look()
    await lobby.look(ASK_AGAIN)
    assert lobby.rooms.rooms[ROOM].dispatches == [], "there is no worker to ask"
    assert lobby.rooms.deleted == []
    await lobby.look(GIVE_UP - ASK_AGAIN)
    assert lobby.rooms.deleted == [ROOM]


@pytest.mark.fault("F14")
@pytest.mark.parametrize(("capacity", "live_calls"), [(5, 4), (5, 5)], ids=["free", "full"])
async def test_an_agent_is_asked_for_once_more_where_a_worker_has_a_seat(
    capacity: int, live_calls: int
) -> None:
    lobby = Lobby()
    await lobby.caller()
    await lobby.look()
    presence = WorkerPresence(
        capacity=capacity, live_calls=live_calls, version="1", agent_name="telephony"
    )
    await lobby.presence.put("w1", presence)
    await lobby.look(ASK_AGAIN)
    await lobby.look(timedelta(seconds=1))
    asked = [dispatch.metadata for dispatch in lobby.rooms.rooms[ROOM].dispatches]
    assert asked == ([InboundJob().model_dump_json()] if live_calls < capacity else [])


class Taker:
    """Takes callers, or not."""

    def __init__(self, takes: bool) -> None:
        self.takes = takes
        self.asked: list[tuple[str, str]] = []

    async def take(self, room: str, caller: RoomMember) -> bool:
        """Take one."""
        self.asked.append((room, caller.identity))
        return self.takes


class Slow(Taker):
    """Takes every caller, after a while."""

    def __init__(self) -> None:
        super().__init__(takes=True)
        self.over = asyncio.Event()

    async def take(self, room: str, caller: RoomMember) -> bool:
        """Wait before one is taken."""
        taken = await super().take(room, caller)
        await self.over.wait()
        return taken


async def test_a_caller_who_waits_to_be_taken_holds_up_no_other() -> None:
    lobby, taker = Lobby(), Slow()
    lobby.taken_by(taker)
    rooms = [ROOM, "tel-in_0151_y"]
    for room in rooms:
        await lobby.caller(room)
    for room in await lobby.rooms.list("tel-"):
        await lobby.unoffered.look(room)
    lobby.clock.forward(GIVE_UP.total_seconds())
    for _ in range(3):
        async with asyncio.timeout(10):
            await lobby.unoffered.step()
    await until(lambda: len(taker.asked) == 2, what="both are asked for")
    taker.over.set()
    await lobby.unoffered.settled()
    assert taker.asked == [(room, "sip_1f") for room in rooms], "and each once"


@pytest.mark.parametrize("takes", [True, False])
async def test_a_caller_whom_somebody_takes_is_not_refused(takes: bool) -> None:
    lobby, taker = Lobby(), Taker(takes)
    lobby.taken_by(taker)
    await lobby.caller()
    await lobby.look()
    # Nobody has to look at all rooms for it.
    for _ in range(int(GIVE_UP.total_seconds()) + 2):
        lobby.clock.forward(1)
        assert await lobby.unoffered.step() < 1
        await lobby.unoffered.settled()
    assert taker.asked == [(ROOM, "sip_1f")]
    assert lobby.rooms.deleted == ([] if takes else [ROOM])


async def test_an_agent_that_is_there_has_a_little_longer() -> None:
    lobby, taker = Lobby(), Taker(True)
    lobby.taken_by(taker)
    await lobby.caller()
    lobby.rooms.join(ROOM, "agent-x", ParticipantKind.AGENT)
    await lobby.look()
    await lobby.look(GIVE_UP)
    assert taker.asked == []
    await lobby.look(WITH_AGENT - GIVE_UP)
    assert taker.asked == [(ROOM, "sip_1f")]


async def test_a_room_without_a_caller_is_left_to_the_sweep() -> None:
    lobby = Lobby()
    await lobby.rooms.create(ROOM, None)
    for _ in range(5):
        await lobby.look(GIVE_UP)
    assert lobby.rooms.deleted == []


async def test_a_media_server_that_is_away_is_waited_for() -> None:
    lobby = Lobby()
    await lobby.caller()
    await lobby.look()
    lobby.clock.forward(GIVE_UP.total_seconds())
    (room,) = await lobby.rooms.list("tel-")
    lobby.rooms.down = True
    await lobby.unoffered.look(room)
    lobby.rooms.down = False
    await lobby.look()
    assert lobby.rooms.deleted == [ROOM]


async def ringing_in(board: Switchboard) -> str:
    """Let a call come in that worker w1 offered and gets ready for; gives its id."""
    call_id, _ = await board.talking()
    async with board.database.transaction() as tx:
        ringing = {"status": "ringing", "answered_at": None, "direction": Direction.INBOUND.value}
        await tx.execute(update(calls).where(calls.c.id == call_id).values(**ringing))
        attempt = {
            "state": "ringing",
            "answered_at": None,
            "agent_ready_at": None,
            "leg_identity": "sip_1f",
            "announcement": "We are away.",
        }
        await tx.execute(update(attempts).where(attempts.c.call_id == call_id).values(**attempt))
    room = (await board.attempt(call_id)).room
    board.rooms.leave(room, "callee")
    board.rooms.join(room, "sip_1f", ParticipantKind.SIP, sip_status="ringing")
    return call_id


async def _silence(board: Switchboard, seconds: float) -> None:
    passed = 0.0
    while passed < seconds:
        await board.worker("w2")
        await board.rescuer.step()
        board.clock.forward(0.5)
        passed += 0.5
    await board.rescuer.step()


@pytest.mark.fault("F11")
async def test_a_caller_whose_agent_is_lost_before_the_answer_gets_another_one(
    board: Switchboard,
) -> None:
    call_id = await ringing_in(board)

    await _silence(board, 6)

    assert "call.agent_lost" in await board.events(call_id)
    assert (await board.call(call_id)).status == "ringing"
    room = board.rooms.rooms[(await board.attempt(call_id)).room]
    request = DialRequest.from_metadata(room.dispatches[-1].metadata)
    assert (request.direction, request.rescue) == (Direction.INBOUND, None)
    assert (request.leg_identity, request.announcement) == ("sip_1f", "We are away.")
    assert await board.takes_over(call_id, "w2")
    assert not await board.takes_over(call_id, "w3")
    granted = await board.agent_joins(call_id, "w2")
    await board.report(granted, (EventType.CALL_AGENT_READY, {}), (EventType.CALL_ANSWERED, {}))
    assert (await board.call(call_id)).status == "in_progress"


@pytest.mark.fault("F11")
async def test_an_agent_that_answers_only_to_say_sorry_is_let_finish(board: Switchboard) -> None:
    call_id = await ringing_in(board)
    await _silence(board, 6)
    assert await board.takes_over(call_id, "w2")
    granted = await board.agent_joins(call_id, "w2")
    holding = [granted.attempt_id]
    for _ in range(24):
        await board.worker("w2", holds=holding)
        await board.rescuer.step()
        board.clock.forward(0.5)
    await board.report(granted, (EventType.CALL_ANSWERED, {}))
    for _ in range(8):
        await board.worker("w2", holds=holding)
        await board.rescuer.step()
        board.clock.forward(0.5)
    assert (await board.call(call_id)).status == "in_progress"


@pytest.mark.fault("F11")
async def test_a_caller_for_whom_no_other_agent_comes_is_refused_by_name(
    board: Switchboard,
) -> None:
    call_id = await ringing_in(board)
    room = (await board.attempt(call_id)).room
    await _silence(board, 12)
    assert await board.ended(call_id) == ("failed", "lost", "platform")
    assert room in board.rooms.deleted


async def test_an_outbound_call_that_rings_is_not_given_to_another_agent(
    board: Switchboard,
) -> None:
    call_id, _ = await board.talking()
    async with board.database.transaction() as tx:
        where = calls.c.id == call_id
        await tx.execute(update(calls).where(where).values(status="ringing", answered_at=None))
        of_call = attempts.c.call_id == call_id
        await tx.execute(update(attempts).where(of_call).values(state="ringing", answered_at=None))
    await _silence(board, 12)
    assert "call.agent_lost" not in await board.events(call_id)


async def test_a_caller_whom_nobody_answers_is_not_left_ringing(board: Switchboard) -> None:
    call_id = await ringing_in(board)
    room = (await board.attempt(call_id)).room
    await board.reap(seconds=45)
    assert await board.ended(call_id) == ("no_answer", "ring_timeout", "platform")
    assert room in board.rooms.deleted


@pytest.mark.fault("F11")
async def test_an_answer_that_its_killed_worker_could_not_tell_is_seen_in_the_room(
    board: Switchboard,
) -> None:
    call_id = await ringing_in(board)
    room = (await board.attempt(call_id)).room
    board.rooms.join(room, "sip_1f", ParticipantKind.SIP, sip_status="active")
    await board.reap(seconds=6)
    assert (await board.call(call_id)).status == "in_progress"


@pytest.mark.fault("F11")
async def test_a_caller_who_waits_to_be_sent_on_holds_up_no_rescue(board: Switchboard) -> None:
    sent_on, over = list[str](), asyncio.Event()

    async def elsewhere(of: Claim, why: OverflowWhy, *, dial: bool = True) -> bool:
        sent_on.append(of.attempt_id)
        await over.wait()
        return True

    rescuer = board.another_rescuer(elsewhere)

    async def silence(seconds: float, live_calls: int) -> None:
        for _ in range(round(seconds * 2)):
            await board.worker("w2", live_calls=live_calls)
            async with asyncio.timeout(10):
                await rescuer.step()
            board.clock.forward(0.5)

    waiting = await ringing_in(board)
    await silence(12, live_calls=5)
    await until(lambda: bool(sent_on), what="nobody is left for the caller")
    call_id, _ = await board.talking()
    await silence(6, live_calls=4)
    assert "call.agent_lost" in await board.events(call_id)
    assert sent_on == [(await board.attempt(waiting)).id]
    over.set()
    await rescuer.settled()
