"""Which LiveKit new calls go to: by its answers, and by the operator's switch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from dialer.livekits.choice import LiveKits
from dialer.livekits.condition import CALM, MISSES, Condition
from dialer.livekits.livekit import LiveKit, Realm
from dialer.livekits.rooms import RoomsOfAll
from dialer.livekits.switch import Use
from dialer.workers.jobs import Jobs
from telephony.errors import Unavailable
from telephony.worker_contract import LiveKitName
from tests.kit.fakes import FakeRooms, InMemoryPresence, VirtualClock
from tests.kit.trunks import FakeLines

OWN, FALLBACK = Realm("tel", "telfb"), Realm("telfb", "telfb")


class Pair:
    """Two LiveKits and the choice between them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.own, self.other = FakeRooms(now=self.clock), FakeRooms(now=self.clock)
        self.use: Use | None = Use.AUTO
        self.moves = 0
        self.livekits = LiveKits(
            self._livekit(LiveKitName.OWN, OWN, self.own),
            self._livekit(LiveKitName.FALLBACK, FALLBACK, self.other),
            wanted=self.wanted,
            moved=self.moved,
            clock=lambda: self.clock().timestamp(),
        )

    def _livekit(self, name: LiveKitName, realm: Realm, rooms: FakeRooms) -> LiveKit:
        presence = InMemoryPresence(now=self.clock)
        return LiveKit(
            name=name, realm=realm, rooms=rooms, trunks=FakeLines(), presence=presence, jobs=Jobs()
        )

    async def wanted(self) -> Use:
        if self.use is None:
            raise Unavailable("database_unavailable", "The database cannot be reached.")
        return self.use

    async def moved(self) -> None:
        self.moves += 1

    async def look(self, *, seconds: float) -> str:
        """Let time pass, with a look at each second; name the one in use then."""
        for _ in range(int(seconds)):
            await self.livekits.step()
            self.clock.forward(1)
        return self.livekits.current.name.value


async def test_new_calls_go_to_our_own_while_it_answers() -> None:
    assert await Pair().look(seconds=60) == "own"


async def test_one_answer_that_is_missed_moves_nothing() -> None:
    pair = Pair()
    for _ in range(10):
        pair.own.down = True
        await pair.look(seconds=MISSES - 1)
        pair.own.down = False
        assert await pair.look(seconds=1) == "own"
    assert pair.moves == 0


async def test_new_calls_go_to_the_fallback_once_our_own_is_down() -> None:
    pair = Pair()
    await pair.look(seconds=3)
    pair.own.down = True
    assert await pair.look(seconds=MISSES) == "fallback"
    assert pair.moves == 1, "who waits is told that it is worth another look"


async def test_our_own_is_believed_again_after_it_answered_for_a_while() -> None:
    pair = Pair()
    pair.own.down = True
    await pair.look(seconds=10)
    pair.own.down = False
    assert await pair.look(seconds=CALM - 1) == "fallback"
    assert await pair.look(seconds=10) == "own"
    assert pair.moves == 2


async def test_one_that_comes_and_goes_stays_left() -> None:
    pair = Pair()
    pair.own.down = True
    await pair.look(seconds=5)
    for _ in range(10):
        pair.own.down = False
        assert await pair.look(seconds=10) == "fallback"
        pair.own.down = True
        assert await pair.look(seconds=6) == "fallback"
    assert pair.moves == 1


async def test_with_both_down_calls_wait_for_our_own() -> None:
    pair = Pair()
    pair.own.down = pair.other.down = True
    assert await pair.look(seconds=30) == "own"


@pytest.mark.parametrize("use", [Use.OWN, Use.FALLBACK])
async def test_the_switch_holds_whatever_is_down(use: Use) -> None:
    pair = Pair()
    pair.use = use
    assert await pair.look(seconds=2) == use.value
    pair.own.down = pair.other.down = True
    assert await pair.look(seconds=30) == use.value


async def test_a_switch_that_cannot_be_read_stands_as_it_stood() -> None:
    pair = Pair()
    pair.use = Use.FALLBACK
    await pair.look(seconds=2)
    pair.use = None
    assert await pair.look(seconds=5) == "fallback"
    pair.use = Use.AUTO
    assert await pair.look(seconds=2) == "own"


async def test_a_hosted_one_that_is_not_in_use_is_seldom_asked() -> None:
    pair = Pair()
    asked = 0
    real = pair.other.list

    async def counted(prefix: str) -> Any:
        nonlocal asked
        asked += 1
        return await real(prefix)

    pair.other.list = counted
    await pair.look(seconds=60)
    assert 0 < asked <= 13


async def test_each_room_is_asked_of_its_own_livekit() -> None:
    pair = Pair()
    rooms = RoomsOfAll(pair.livekits)
    for room in ("tel-att_1", "telfb-att_2", "somebody-elses"):
        await rooms.create(room, None)
    assert [*pair.own.rooms] == ["tel-att_1", "somebody-elses"]
    assert [*pair.other.rooms] == ["telfb-att_2"]
    assert [room.name for room in await rooms.list("telfb-")] == ["telfb-att_2"]
    pair.own.down = True
    assert await rooms.served("telfb-att_2") and await rooms.participants("telfb-att_2") == []
    await rooms.delete("telfb-att_2")
    assert pair.other.deleted == ["telfb-att_2"]


@given(room=st.one_of(st.text(max_size=20), st.from_regex(r"(tel|telfb|TELFB|tel_b)-\w*")))
def test_every_room_is_in_one_livekit_and_the_database_agrees_which(room: str) -> None:
    room = room.replace("\0", "")
    assert OWN.holds(room) is not FALLBACK.holds(room)
    assert Realm("tel").holds(room)
    names = Table("names", MetaData(), Column("room", String))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        names.create(connection)
        connection.execute(insert(names).values(room=room))
        for realm in (OWN, FALLBACK, Realm("tel")):
            found = connection.execute(select(names).where(realm.holding(names.c.room))).all()
            # SQLite compares without regard to case; our names are small letters alone.
            if room == room.lower():
                assert bool(found) is realm.holds(room)
    engine.dispose()


@given(answers=st.lists(st.booleans(), max_size=60))
def test_a_condition_changes_by_several_answers_and_never_by_one(answers: list[bool]) -> None:
    condition = Condition()
    for at, answered in enumerate(answers):
        was = condition.up
        condition.saw(answered=answered, at=at)
        if was and not condition.up:
            assert not any(answers[at + 1 - MISSES : at + 1])
        if condition.up and not was:
            assert all(answers[at - int(CALM) : at + 1])
