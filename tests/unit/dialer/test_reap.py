"""What the reaper ends, what it leaves alone, and when."""

from __future__ import annotations

import pytest

from dialer.adapters.tables import calls
from dialer.calls.rooms import ParticipantKind
from telephony.call import CallType
from telephony.errors import Unavailable
from telephony.events import EventType
from telephony.worker_contract import BROWSER_IDENTITY, CALLEE_IDENTITY
from tests.kit.switchboard import Switchboard


async def _room(board: Switchboard, call_id: str) -> str:
    return (await board.attempt(call_id)).room


async def test_a_healthy_call_is_left_alone(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await board.reap(seconds=120)
    assert await board.ended(call_id) is None
    assert board.rooms.deleted == []


class TestLost:
    """Calls whose room, agent or callee is gone."""

    async def test_a_call_whose_room_is_gone_is_lost(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        del board.rooms.rooms[await _room(board, call_id)]
        await board.reap(seconds=18)
        assert await board.ended(call_id) is None
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("failed", "lost", "platform")

    @pytest.mark.fault("F3")
    async def test_a_room_that_closes_after_all_left_it_begins_no_second_wait(
        self, board: Switchboard
    ) -> None:
        call_id, _ = await board.talking()
        room = await _room(board, call_id)
        board.rooms.leave(room, "agent-w1")
        board.rooms.leave(room, "callee")
        await board.reap(seconds=12)
        del board.rooms.rooms[room]
        await board.reap(seconds=6)
        assert await board.ended(call_id) is None
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("failed", "lost", "platform")

    async def test_a_worker_that_still_reports_tells_the_end_itself(
        self, board: Switchboard
    ) -> None:
        call_id, granted = await board.talking()
        del board.rooms.rooms[await _room(board, call_id)]
        await board.reap(seconds=18)
        turn = {"speaker": "agent", "text": "replayed"}
        await board.report(granted, (EventType.CALL_TURN, turn))
        await board.reap(seconds=3)
        assert await board.ended(call_id) is None
        ended = {"ended_reason": "callee_hangup", "ended_by": "callee"}
        await board.report(granted, (EventType.CALL_ENDED, ended))
        assert await board.ended(call_id) == ("completed", "callee_hangup", "callee")

    async def test_a_room_whose_server_died_is_the_media_servers_loss(
        self, board: Switchboard
    ) -> None:
        call_id, _ = await board.talking()
        room = await _room(board, call_id)
        board.rooms.orphaned.add(room)
        await board.reap(seconds=24)
        assert await board.ended(call_id) == ("failed", "media_server_lost", "platform")
        assert room not in board.rooms.rooms

    async def test_a_call_that_livekits_lists_forgot_lives_on(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        board.rooms.unlisted.add(await _room(board, call_id))
        await board.reap(seconds=120)
        assert await board.ended(call_id) is None

    async def test_a_callee_without_an_agent_is_let_go(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        room = await _room(board, call_id)
        board.rooms.leave(room, "agent-w1")
        await board.reap(seconds=9)
        assert await board.ended(call_id) is None
        await board.reap(seconds=3)
        assert await board.ended(call_id) == ("failed", "lost", "platform")
        assert room not in board.rooms.rooms

    async def test_an_agent_that_comes_back_in_time_keeps_its_call(
        self, board: Switchboard
    ) -> None:
        call_id, _ = await board.talking()
        room = await _room(board, call_id)
        board.rooms.leave(room, "agent-w1")
        await board.reap(seconds=6)
        board.rooms.join(room, "agent-w1", ParticipantKind.AGENT)
        await board.reap(seconds=3)
        board.rooms.leave(room, "agent-w1")
        await board.reap(seconds=9)
        assert await board.ended(call_id) is None

    async def test_an_empty_room_ends_the_call(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        room = await _room(board, call_id)
        board.rooms.leave(room, "agent-w1")
        board.rooms.leave(room, CALLEE_IDENTITY)
        await board.reap(seconds=24)
        assert await board.ended(call_id) == ("failed", "lost", "platform")
        assert room not in board.rooms.rooms

    async def test_an_agent_that_stays_alone_ends_the_call(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        board.rooms.leave(await _room(board, call_id), CALLEE_IDENTITY)
        await board.reap(seconds=27)
        assert await board.ended(call_id) is None
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("failed", "lost", "platform")


class TestUndialled:
    """Claimed attempts whose agent vanished before it asked for the permit."""

    async def test_the_call_goes_back_to_the_queue(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        granted = await board.agent_joins(call_id)
        board.rooms.leave(await _room(board, call_id), "agent-w1")
        await board.reap(seconds=6)
        assert (await board.call(call_id)).status == "queued"
        assert (await board.attempt(call_id)).fence > granted.fence
        assert await board.ended(call_id) is None

    async def test_a_claim_whose_room_is_being_made_is_not_the_reapers(
        self, board: Switchboard
    ) -> None:
        await board.worker()
        call_id = await board.place()
        board.rooms.creating.clear()
        await board.dispatcher.step()
        await board.reap(seconds=30)
        assert (await board.call(call_id)).status == "dispatching"
        board.rooms.creating.set()
        await board.dispatcher.settled()

    async def test_a_slow_start_is_not_a_ring_that_nobody_answers(self, board: Switchboard) -> None:
        await board.worker()
        call_id = await board.place(ring_timeout_seconds=5)
        await board.dispatch()
        await board.agent_joins(call_id)
        await board.reap(seconds=25)
        assert await board.ended(call_id) is None


class TestOverdue:
    """Calls past their own limits."""

    async def test_an_answered_call_that_is_too_long_ends(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        await board.reap(seconds=600)
        assert await board.ended(call_id) is None
        await board.reap(seconds=15)
        assert await board.ended(call_id) == ("completed", "max_duration", "platform")
        assert board.rooms.rooms == {}

    @pytest.mark.parametrize(
        ("rang", "reason", "outcome"),
        [(True, "ring_timeout", "no_answer"), (False, "no_response", "failed")],
    )
    async def test_a_call_that_nobody_answers_ends(
        self, board: Switchboard, rang: bool, reason: str, outcome: str
    ) -> None:
        call_id = await board.dispatched()
        granted = await board.dials(call_id)
        if rang:
            await board.report(granted, (EventType.CALL_RINGING, {}))
        await board.reap(seconds=30)
        assert await board.ended(call_id) is None
        await board.reap(seconds=15)
        assert await board.ended(call_id) == (outcome, reason, "platform")

    async def test_an_answer_that_only_livekit_saw_is_recorded(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        await board.dials(call_id)
        room = await _room(board, call_id)
        board.rooms.join(room, CALLEE_IDENTITY, ParticipantKind.SIP, sip_status="active")
        await board.reap(seconds=60)
        assert (await board.call(call_id)).status == "in_progress"

    async def test_a_browser_that_never_comes_ends_the_call(self, board: Switchboard) -> None:
        call_id = await _voip(board)
        await board.agent_joins(call_id)
        await board.reap(seconds=30)
        assert await board.ended(call_id) is None
        await board.reap(seconds=15)
        assert await board.ended(call_id) == ("no_answer", "ring_timeout", "platform")

    async def test_a_browser_that_lost_its_agent_before_it_spoke_is_told(
        self, board: Switchboard
    ) -> None:
        call_id = await _voip(board)
        await board.agent_joins(call_id)
        room = await _room(board, call_id)
        board.rooms.join(room, BROWSER_IDENTITY, ParticipantKind.BROWSER)
        board.rooms.leave(room, "agent-w1")
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("failed", "no_agent", "platform")


async def _voip(board: Switchboard) -> str:
    """Claim a browser's call, as placing it does."""
    call_id = await board.dispatched()
    async with board.database.transaction() as tx:
        await tx.execute(
            calls.update().where(calls.c.id == call_id).values(call_type=CallType.VOIP.value)
        )
    return call_id


class TestHangUp:
    """Hang-ups that were asked for and that nobody carried out."""

    async def test_it_is_carried_out_after_a_while(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        await board.report_hang_up(call_id)
        await board.reap(seconds=3)
        assert await board.ended(call_id) is None
        await board.reap(seconds=3)
        assert await board.ended(call_id) == ("completed", "api_hangup", "api")
        assert board.rooms.rooms == {}

    async def test_while_ringing_it_cancels_the_call(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        await board.dials(call_id)
        await board.report_hang_up(call_id)
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("canceled", "api_hangup", "api")


class TestItsOwnAbsence:
    """Nothing is ended because the reaper was not there."""

    async def test_after_a_start_it_looks_before_it_ends_anything(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        board.clock.forward(3600)
        board.reaper = board.another_reaper()
        await board.reap(seconds=6)
        assert await board.ended(call_id) is None
        await board.reap(seconds=6)
        assert await board.ended(call_id) == ("completed", "max_duration", "platform")

    async def test_a_gap_between_two_looks_starts_the_grace_again(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        board.rooms.leave(await _room(board, call_id), "agent-w1")
        await board.reap()
        board.clock.forward(60)
        await board.reap()
        assert await board.ended(call_id) is None

    async def test_livekit_that_does_not_answer_ends_nothing(self, board: Switchboard) -> None:
        call_id, _ = await board.talking()
        board.rooms.down = True
        for _ in range(40):
            with pytest.raises(Unavailable):
                await board.reaper.step()
            board.clock.forward(3)
        assert await board.ended(call_id) is None

        board.rooms.down = False
        board.rooms.rooms.clear()
        await board.reap(seconds=9)
        assert await board.ended(call_id) is None, "the outage is no part of the grace"
        await board.reap(seconds=15)
        assert await board.ended(call_id) == ("failed", "lost", "platform")

    async def test_a_call_that_moved_meanwhile_is_not_judged_by_what_it_was(
        self, board: Switchboard
    ) -> None:
        await board.worker()
        call_id = await board.place(ring_timeout_seconds=5)
        await board.dispatch()
        granted = await board.dials(call_id)
        await board.reap(seconds=12)
        await board.report(granted, (EventType.CALL_ANSWERED, {}))
        await board.reap(seconds=12)
        assert await board.ended(call_id) is None
