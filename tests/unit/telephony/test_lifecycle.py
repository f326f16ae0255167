"""One table decides what an event does to a call."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony import lifecycle
from telephony.call import CallStatus
from telephony.errors import IllegalTransition
from telephony.events import EventType

ROAD = [
    EventType.CALL_DISPATCHING,
    EventType.CALL_DIALING,
    EventType.CALL_RINGING,
    EventType.CALL_ANSWERED,
    EventType.CALL_ENDED,
]
RANK = {status: rank for rank, status in enumerate(CallStatus)}


def run(events: list[EventType]) -> list[CallStatus]:
    status = CallStatus.QUEUED
    seen = [status]
    for event in events:
        status = lifecycle.advance(status, event)
        seen.append(status)
    return seen


def test_a_call_that_is_answered_goes_through_every_status() -> None:
    assert run(ROAD) == list(CallStatus)


@pytest.mark.parametrize("events", list(permutations(ROAD)))
def test_no_order_of_arrival_takes_a_call_back(events: tuple[EventType, ...]) -> None:
    ranks = [RANK[status] for status in run(list(events))]
    assert ranks == sorted(ranks)


#: Everything that a worker or LiveKit may report.
REPORTED = [
    event
    for event in EventType
    if event
    not in {
        EventType.CALL_QUEUED,
        EventType.CALL_RECEIVED,
        EventType.CALL_WAITING,
        EventType.CALL_DISPATCHING,
        EventType.CALL_REQUEUED,
        EventType.CALL_HANGUP_REQUESTED,
    }
]


@pytest.mark.parametrize("start", [CallStatus.QUEUED, CallStatus.DISPATCHING, CallStatus.DIALING])
def test_no_history_of_up_to_five_reports_takes_a_call_back(start: CallStatus) -> None:
    told = 0

    def tell(status: CallStatus, depth: int) -> None:
        nonlocal told
        for event in REPORTED:
            told += 1
            after = lifecycle.advance(status, event)
            assert RANK[after] >= RANK[status]
            assert lifecycle.advance(after, event) is after
            if depth > 1:
                tell(after, depth - 1)

    tell(start, 5)
    assert told == sum(len(REPORTED) ** length for length in range(1, 6))


@pytest.mark.parametrize("status", list(CallStatus))
def test_every_status_but_the_last_can_end(status: CallStatus) -> None:
    assert lifecycle.advance(status, EventType.CALL_ENDED) is CallStatus.ENDED


@given(st.lists(st.sampled_from(list(EventType)), max_size=12))
def test_nothing_moves_a_call_that_has_ended(events: list[EventType]) -> None:
    history = run([EventType.CALL_ENDED, *events])
    assert set(history[1:]) == {CallStatus.ENDED}


@given(st.lists(st.sampled_from(list(EventType)), max_size=12))
def test_an_event_told_twice_in_a_row_is_told_once(events: list[EventType]) -> None:
    doubled = [event for event in events for _ in range(2)]
    assert run(doubled)[-1] is run(events)[-1]


def test_apply_refuses_what_the_table_does_not_list() -> None:
    with pytest.raises(IllegalTransition):
        lifecycle.apply(CallStatus.ENDED, EventType.CALL_RINGING)


def test_the_diagram_shows_every_transition() -> None:
    drawn = lifecycle.mermaid()
    for status, row in lifecycle.TRANSITIONS.items():
        for event, after in row.items():
            assert f"{status} --> {after}: {event}" in drawn


@pytest.mark.fault("F5", "F6")
@pytest.mark.parametrize("events", list(permutations(ROAD)))
def test_a_permit_that_comes_back_lets_the_call_go_its_whole_road(
    events: tuple[EventType, ...],
) -> None:
    returned = [EventType.CALL_DISPATCHING, EventType.CALL_DIALING, EventType.CALL_REQUEUED]
    assert run(returned)[-1] is CallStatus.QUEUED
    assert run([*returned, *events])[len(returned) :] == run(list(events))


@pytest.mark.parametrize("status", [CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.ENDED])
def test_no_permit_comes_back_once_it_rang(status: CallStatus) -> None:
    assert lifecycle.advance(status, EventType.CALL_REQUEUED) is status
