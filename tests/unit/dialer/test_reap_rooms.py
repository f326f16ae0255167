"""Rooms that belong to nothing that runs: which of them the reaper deletes, and when."""

from __future__ import annotations

import pytest

from dialer.calls.rooms import ParticipantKind
from telephony.events import EventType
from telephony.worker_contract import CALLEE_IDENTITY
from tests.kit.switchboard import Switchboard


async def test_the_room_of_an_ended_call_goes_after_a_while(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    room = (await board.attempt(call_id)).room
    ended = {"ended_reason": "callee_hangup", "ended_by": "callee"}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    await board.reap(seconds=9)
    assert room in board.rooms.rooms
    await board.reap(seconds=3)
    assert room not in board.rooms.rooms
    await board.reap()
    assert (await board.attempt(call_id)).room_gone_at is not None


@pytest.mark.fault("F16")
async def test_who_comes_back_unseen_after_its_server_died_is_hung_up(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    room = (await board.attempt(call_id)).room
    await board.report(
        granted, (EventType.CALL_ENDED, {"ended_reason": "bridge_lost", "ended_by": "platform"})
    )
    await board.reap(seconds=12)
    assert room not in board.rooms.rooms

    for seconds in (6, 15, 30):
        await board.rooms.create(room, None)
        board.rooms.join(room, CALLEE_IDENTITY, ParticipantKind.SIP)
        board.rooms.unlisted.add(room)
        assert (await board.attempt(call_id)).room_gone_at is None
        await board.reap(seconds=seconds)
        assert room not in board.rooms.rooms
    assert (await board.attempt(call_id)).room_gone_at is not None


@pytest.mark.fault("F16")
async def test_who_is_in_a_room_that_its_worker_could_not_delete_is_hung_up(
    board: Switchboard,
) -> None:
    call_id, granted = await board.talking()
    room = (await board.attempt(call_id)).room
    board.rooms.unlisted.add(room)
    undeleted = {"code": "room_not_deleted", "message": "The room was not deleted yet."}
    ended = {"ended_reason": "silence", "ended_by": "agent"}
    await board.report(granted, (EventType.CALL_WARNING, undeleted), (EventType.CALL_ENDED, ended))
    await board.reap(seconds=12)
    assert room in board.rooms.rooms
    await board.reap(seconds=6)
    assert room not in board.rooms.rooms


async def test_a_carrier_that_had_the_last_word_leaves_no_room_in_doubt(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    room = (await board.attempt(call_id)).room
    ended = {"ended_reason": "carrier_error", "ended_by": "carrier", "sip_status_code": 500}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    await board.rooms.delete(room)
    await board.reap(seconds=3)
    assert (await board.attempt(call_id)).room_gone_at is not None


async def test_a_room_of_ours_that_no_attempt_has_goes_too(board: Switchboard) -> None:
    await board.rooms.create("tel-att_unknown", None)
    await board.reap(seconds=27)
    assert "tel-att_unknown" in board.rooms.rooms
    await board.reap(seconds=6)
    assert "tel-att_unknown" not in board.rooms.rooms


async def test_rooms_of_others_are_never_touched(board: Switchboard) -> None:
    await board.rooms.create("other-att_unknown", None)
    await board.rooms.create("tel2-att_unknown", None)
    await board.reap(seconds=300)
    assert board.rooms.deleted == []
