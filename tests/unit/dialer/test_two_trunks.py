"""Two trunks: who takes which call, and what becomes of one that a trunk refuses."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.errors import Conflict
from telephony.worker_contract import ReturnReason
from tests.kit.switchboard import Switchboard, switchboard
from tests.kit.trunks import trunk

REFUSED = ReturnReason.TRUNK_UNAVAILABLE


async def leaves_by(board: Switchboard, call_id: str) -> str | None:
    """Name the trunk that a call is claimed for."""
    return (await board.attempt(call_id)).trunk


async def refused(board: Switchboard, call_id: str, why: ReturnReason = REFUSED) -> None:
    """Let the trunk refuse the call, and the next agent be asked for it."""
    await board.ask_permit(granted := await board.grant(call_id))
    await board.return_permit(granted, why)
    board.clock.forward(0.3)
    await board.worker()
    await board.dispatch()


async def test_the_attempt_is_told_the_trunk_that_was_chosen(board: Switchboard) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    call_id = await board.dispatched()
    request = await board.request(call_id)
    assert (await leaves_by(board, call_id), request.trunk_id) == ("main", "ST_main")
    assert request.other_trunks


async def test_with_one_trunk_there_is_nothing_to_fall_back_to(board: Switchboard) -> None:
    call_id = await board.dispatched()
    assert not (await board.request(call_id)).other_trunks
    await board.ask_permit(granted := await board.grant(call_id))
    with pytest.raises(Conflict):
        await board.return_permit(granted, REFUSED)
    # Refused, so that its holder ends the call by what the carrier said.
    assert (await board.call(call_id)).status == "dialing"


@pytest.mark.parametrize(
    "why",
    [
        ReturnReason.TRUNK_UNAVAILABLE,
        ReturnReason.TRUNK_ERROR,
        ReturnReason.TRUNK_AUTH,
        ReturnReason.TOO_FAST,
    ],
)
async def test_a_call_that_its_trunk_refuses_leaves_by_the_next_one(
    board: Switchboard, why: ReturnReason
) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    call_id = await board.dispatched()
    await refused(board, call_id, why)
    assert await leaves_by(board, call_id) == "spare"
    request = await board.request(call_id)
    assert (request.trunk_id, request.other_trunks) == ("ST_spare", False)
    assert (await board.attempt(call_id)).number == 1, "the attempt is not used up"
    assert (await board.events(call_id)).count("call.requeued") == 1

    await board.ask_permit(granted := await board.grant(call_id))
    if why is ReturnReason.TOO_FAST:
        return
    with pytest.raises(Conflict):
        await board.return_permit(granted, why)


async def test_while_it_waits_for_the_next_trunk_it_says_so(board: Switchboard) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    call_id = await board.dispatched()
    await board.ask_permit(granted := await board.grant(call_id))
    await board.return_permit(granted, REFUSED)
    call = await board.call(call_id)
    assert (call.status, call.waiting_for) == ("queued", "trunk")


async def test_a_call_that_came_too_fast_for_the_last_trunk_waits_for_its_pace(
    board: Switchboard,
) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    call_id = await board.dispatched()
    await refused(board, call_id)
    await board.ask_permit(granted := await board.grant(call_id))
    await board.return_permit(granted, ReturnReason.TOO_FAST)
    assert (await board.call(call_id)).waiting_for == "pacing"
    board.clock.forward(5)
    await board.worker()
    await board.dispatch()
    assert await leaves_by(board, call_id) == "spare"


async def test_a_call_with_a_caller_id_of_its_own_stays_with_the_trunks_that_own_it(
    board: Switchboard,
) -> None:
    mine = "+14155550190"
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare", numbers=(mine,))]
    await board.worker()
    call_id = await board.place(caller_id=mine, caller_id_given=True)
    await board.dispatch()
    assert await leaves_by(board, call_id) == "spare"
    assert not (await board.request(call_id)).other_trunks


async def test_the_callee_sees_a_number_of_the_trunk_that_the_call_leaves_by(
    board: Switchboard,
) -> None:
    other = "+14155550190"
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare", numbers=(other,))]
    call_id = await board.dispatched()
    assert (await board.request(call_id)).caller_id == "+14155550199"
    await refused(board, call_id)
    assert (await board.request(call_id)).caller_id == other
    assert (await board.call(call_id)).caller_id == other


async def test_a_full_trunk_holds_up_no_call_that_another_one_carries(board: Switchboard) -> None:
    board.trunk.trunks = [
        trunk("us", prefixes=("+1",), concurrency=1),
        trunk("uk", prefixes=("+44",)),
    ]
    await board.worker(capacity=50)
    american = [await board.place() for _ in range(60)]
    british = await board.place(phone_number="+442079460000")
    await board.dispatch()
    assert await leaves_by(board, american[0]) == "us"
    assert await leaves_by(board, british) == "uk", "it was behind more than one page of the queue"
    assert {(await board.call(one)).waiting_for for one in american[1:]} == {"capacity"}
    assert (await board.call(british)).waiting_for is None


async def test_who_waits_for_which_trunk_is_told_once(board: Switchboard) -> None:
    board.trunk.trunks = [
        trunk("us", prefixes=("+1",), concurrency=1),
        trunk("uk", prefixes=("+44",), cps=1),
    ]
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(2)]
    placed += [await board.place(phone_number="+442079460000") for _ in range(2)]
    for _ in range(3):
        await board.dispatch()
        board.clock.forward(0.1)
    waits = [(await board.call(one)).waiting_for for one in placed]
    assert waits == [None, "capacity", None, "pacing"]
    for one in (placed[1], placed[3]):
        assert (await board.events(one)).count("call.waiting") == 1


async def test_a_slot_is_free_again_when_its_call_ends_or_goes_back(board: Switchboard) -> None:
    board.trunk.trunks = [trunk(concurrency=1)]
    first = await board.dispatched(capacity=50)
    second = await board.place()
    await board.dispatch()
    assert (await board.call(second)).waiting_for == "capacity"

    await board.ask_permit(granted := await board.grant(first))
    await board.return_permit(granted, ReturnReason.NO_BRIDGE)
    await board.dispatch()
    assert await leaves_by(board, second) == "outbound"
    assert await leaves_by(board, first) is None


async def test_a_claim_whose_trunk_was_taken_away_goes_back(board: Switchboard) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    call_id = await board.dispatched()
    board.trunk.trunks = [trunk("spare")]
    board.clock.forward(3.1)
    await board.worker()
    await board.dispatch()
    await board.dispatch()
    assert await leaves_by(board, call_id) == "spare"


async def test_a_trunk_that_fails_again_and_again_is_left_to_itself(board: Switchboard) -> None:
    board.trunk.trunks = [trunk("main", priority=1), trunk("spare")]
    await board.worker(capacity=50)
    for _ in range(5):
        call_id = await board.place()
        await board.dispatch()
        assert await leaves_by(board, call_id) == "main"
        await refused(board, call_id)
        await board.dials(call_id)
    board.clock.forward(1)
    await board.worker(capacity=50)
    spared = await board.place()
    await board.dispatch()
    assert await leaves_by(board, spared) == "spare", "it does not even try"

    board.clock.forward(31)
    await board.worker(capacity=50)
    tries, other = await board.place(), await board.place()
    await board.dispatch()
    assert (await leaves_by(board, tries), await leaves_by(board, other)) == ("main", "spare")


@settings(max_examples=10)
@given(refusals=st.lists(st.sampled_from(ReturnReason), max_size=6), trunks=st.integers(1, 4))
async def test_no_call_leaves_twice_by_a_trunk_that_refused_it(
    refusals: list[ReturnReason], trunks: int
) -> None:
    with TemporaryDirectory() as folder:
        async with switchboard(f"sqlite:///{folder}/unit.db", create=True) as board:
            board.trunk.trunks = [trunk(f"t{n}", priority=n) for n in range(trunks)]
            refused_by = await _refused_by(board, refusals)
    assert len(set(refused_by)) == len(refused_by) < trunks


async def _refused_by(board: Switchboard, refusals: list[ReturnReason]) -> list[str]:
    """Name the trunks whose refusal sent one call to another trunk, in order."""
    refused_by: list[str] = []
    call_id = await board.place()
    for why in refusals:
        board.clock.forward(11)
        await board.worker(capacity=50)
        await board.dispatch()
        name = await leaves_by(board, call_id)
        assert name is not None and name not in refused_by
        await board.ask_permit(granted := await board.grant(call_id))
        try:
            await board.return_permit(granted, why)
        except Conflict:
            break
        if await board.ended(call_id):
            break
        if why.value.startswith("trunk_"):
            refused_by.append(name)
    return refused_by
