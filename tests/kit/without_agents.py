"""Callers for whom there is no agent, with the second phone and the line in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select

from dialer.adapters.tables import attempts, calls, events
from dialer.calls.rooms import ParticipantKind, RoomMember
from dialer.inbound.nobody_came import NobodyCame
from dialer.inbound.numbers import described
from dialer.inbound.overflow import Means, Overflow, Patience
from dialer.inbound.second_leg import Invitation, NotReached
from dialer.inbound.store import Numbers
from dialer.routing.directory import Directory
from telephony.call import EndedReason
from telephony.errors import Unavailable
from telephony.events import EventType
from telephony.worker_contract import ANNOUNCER_IDENTITY, OVERFLOW_IDENTITY
from tests.kit.api import settings
from tests.kit.fakes import FakeRooms
from tests.kit.incoming import CALLER, OUR_NUMBER
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import InMemoryTrunks

ROOM = "tel-in_0150_x"
HUMAN = "+14155550101"
LEG = "sip_1f"
BUSY = NotReached(EndedReason.BUSY, 486)


class FakeLegs:
    """A bridge that rings until it is told what becomes of it."""

    def __init__(self, rooms: FakeRooms) -> None:
        self.rooms = rooms
        self.rung: list[Invitation] = []
        self.verdict: asyncio.Future[NotReached | None] = asyncio.Future()
        self.rang = asyncio.Event()

    async def ring(self, wanted: Invitation) -> NotReached | None:
        """Ring."""
        self.rung.append(wanted)
        self.rooms.join(wanted.room, OVERFLOW_IDENTITY, ParticipantKind.SIP, sip_status="ringing")
        self.rang.set()
        missed = await asyncio.shield(self.verdict)
        if missed is not None:
            self.rooms.leave(wanted.room, OVERFLOW_IDENTITY)
        else:
            self.rooms.join(
                wanted.room, OVERFLOW_IDENTITY, ParticipantKind.SIP, sip_status="active"
            )
        return missed

    def lost(self) -> None:
        """Let LiveKit not answer the request."""
        self.verdict.set_exception(Unavailable("media_server_unavailable", "No answer."))


class FakeAnnouncer:
    """Plays once it is ``free``, at first at once; ``ready`` where there is a line."""

    def __init__(self, rooms: FakeRooms) -> None:
        self.rooms = rooms
        self.ready = True
        self.free = asyncio.Event()
        self.free.set()
        self.played: list[tuple[str, str]] = []

    async def play(self, room: str, caller: str, heard: Callable[[], Awaitable[None]]) -> bool:
        """Play the line."""
        await self.free.wait()
        self.rooms.join(room, ANNOUNCER_IDENTITY, ParticipantKind.BROWSER)
        await heard()
        self.played.append((room, caller))
        return True


class Lobby:
    """A caller of ours in a room of theirs, and what the dialer has for them."""

    def __init__(self, board: Switchboard, **environment: Any) -> None:
        self.board = board
        self.rooms = board.rooms
        self.legs = FakeLegs(board.rooms)
        self.announcer = FakeAnnouncer(board.rooms)
        self.settings = settings("sqlite:///unused.db", **environment)
        self.overflow = self.another_process()

    def another_process(self, patience: Patience | None = None) -> Overflow:
        """Make the same in a process that has done nothing yet."""
        means = Means(
            database=self.board.database,
            rooms=self.rooms,
            signals=self.board.signals,
            lines=self.board.trunk,
            directory=Directory(self.settings, InMemoryTrunks()),
            pacer=self.board.pacer,
            legs=self.legs,
            announcer=self.announcer,
            owner="d1",
            now=self.board.clock,
            at_once=self.settings.overflow_calls_per_number,
        )
        return Overflow(means, patience=patience)

    async def own(self, **how: Any) -> None:
        """Have our number answered."""
        async with self.board.database.transaction() as tx:
            await Numbers(tx, "default", now=self.board.clock).put(
                described(OUR_NUMBER, agent="default", **how)
            )

    async def caller(self, room: str = ROOM) -> RoomMember:
        """Let somebody call, for whom no agent comes; gives what the bridge tells of them."""
        if room not in self.rooms.rooms:
            await self.rooms.create(room, None)
        self.rooms.join(room, LEG, ParticipantKind.SIP, sip_status="ringing")
        told = {"sip.callID": f"SCL_{room}", "sip.trunkPhoneNumber": OUR_NUMBER}
        told["sip.phoneNumber"] = CALLER
        at = self.board.clock()
        return RoomMember(LEG, ParticipantKind.SIP, at, "ringing", attributes=told)

    async def taken(self, room: str = ROOM, *, process: Overflow | None = None) -> bool:
        """Let a caller come and nobody take the call; says whether the dialer did."""
        who = NobodyCame(
            database=self.board.database,
            signals=self.board.signals,
            overflow=process or self.overflow,
            now=self.board.clock,
        )
        return await who.take(room, await self.caller(room))

    async def call_id(self) -> str:
        """Give the one call that there is."""
        async with self.board.database.reading() as connection:
            return (await connection.execute(calls.select())).one().id

    async def attempt(self) -> Any:
        """Give its attempt."""
        async with self.board.database.reading() as connection:
            return (await connection.execute(attempts.select())).one()

    async def events(self) -> list[str]:
        """Give the types of its events."""
        return await self.board.events(await self.call_id())

    async def told(self, kind: EventType) -> list[dict[str, Any]]:
        """Give what the events of a type say, of all calls."""
        query = select(events.c.data).where(events.c.type == kind.value)
        async with self.board.database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def ended(self) -> tuple[str, str, str] | None:
        """Give outcome, reason and who ended it; None while it is not over."""
        return await self.board.ended(await self.call_id())

    async def look(self, seconds: float = 0, *, process: Overflow | None = None) -> None:
        """Let time pass with somebody looking once a second, first at once and last at the end."""
        process = process or self.overflow
        await process.step()
        for _ in range(int(seconds)):
            self.board.clock.forward(1)
            await process.step()

    async def answered(self) -> None:
        """Let somebody take the call at the overflow number."""
        await asyncio.wait_for(self.legs.rang.wait(), 10)
        self.rooms.join(ROOM, LEG, ParticipantKind.SIP, sip_status="active")
        self.legs.verdict.set_result(None)
        await self.overflow.settled()

    async def missed(self, missed: NotReached) -> None:
        """Let nobody take it."""
        await asyncio.wait_for(self.legs.rang.wait(), 10)
        self.rooms.join(ROOM, LEG, ParticipantKind.SIP, sip_status="active")
        self.legs.verdict.set_result(missed)
        await self.overflow.settled()
