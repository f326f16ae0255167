"""A dispatch rule's job: what it is, who calls, and what becomes of the caller."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import api, rtc
from livekit.agents import JobContext

from agent import incoming
from agent.desk import Desk
from agent.incoming import came_in, number_in, offered
from telephony.call import Direction
from telephony.worker_contract import (
    ANNOUNCER_IDENTITY,
    OVERFLOW_IDENTITY,
    InboundAnswer,
    InboundJob,
    InboundOffer,
    InboundRefused,
)
from tests.kit.ringing import Room, request

TOLD = {"sip.callID": "SCL_1", "sip.trunkPhoneNumber": "+14155550190", "sip.phoneNumber": "+1415"}
HIDDEN = {
    "sip.callID": "SCL_1",
    "sip.h.to": "<sip:+14155550190@198.51.100.7>",
    "sip.h.from": '"Sam" <sip:+14155550150@203.0.113.7:5060>;tag=x',
}


@pytest.mark.parametrize("metadata", ["", "{}", InboundJob().model_dump_json()])
def test_a_dispatch_rules_job_is_a_call_that_came_in(metadata: str) -> None:
    assert came_in(metadata)


def test_a_call_to_make_or_to_step_into_did_not_come_in_just_now() -> None:
    assert not came_in(request().to_metadata())
    known = request().model_copy(update={"direction": Direction.INBOUND, "leg_identity": "sip_1"})
    assert not came_in(known.to_metadata())
    assert not came_in("words")


@pytest.mark.parametrize(
    ("attributes", "called", "caller"),
    [
        (TOLD, "+14155550190", "+1415"),
        (HIDDEN, "+14155550190", "+14155550150"),
        (
            {"sip.h.to": "sips:100@x", "sip.h.from": "<sip:anonymous@anonymous.invalid>"},
            "100",
            "anonymous",
        ),
        ({"sip.h.to": "<sip:@x>"}, None, None),
        ({}, None, None),
    ],
)
def test_the_numbers_are_read_from_what_the_bridge_tells(
    attributes: dict[str, str], called: str | None, caller: str | None
) -> None:
    assert number_in(attributes, ("sip.trunkPhoneNumber", "sip.h.to")) == called
    assert number_in(attributes, ("sip.phoneNumber", "sip.h.from")) == caller


class Reception:
    """A room with a caller, a dialer that answers as told, and what was deleted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = Room()
        self.answer: InboundAnswer | None = None
        #: What happens while the dialer is asked.
        self.meanwhile: Callable[[], None] = lambda: None
        self.offers: list[InboundOffer] = []
        self.deleted: list[str] = []
        monkeypatch.setattr(incoming, "_CALLER_WITHIN", 0.05)

    def caller(self, attributes: dict[str, str]) -> None:
        """Let the bridge be there."""
        self.room.remote_participants["sip_1f"] = SimpleNamespace(
            identity="sip_1f",
            kind=rtc.ParticipantKind.PARTICIPANT_KIND_SIP,
            attributes=attributes,
        )

    async def offer(self, offer: InboundOffer) -> InboundAnswer | None:
        self.offers.append(offer)
        self.meanwhile()
        return self.answer

    def comes(self, identity: str) -> None:
        """Let somebody join the caller."""
        self.room.remote_participants[identity] = SimpleNamespace(identity=identity)

    def taken_out(self) -> None:
        """Let the dialer take the agent out of the room."""
        self.room.connected = False
        self.room.remote_participants.clear()

    def livekit(self) -> Any:
        return SimpleNamespace(room=SimpleNamespace(delete_room=self._delete))

    async def _delete(self, delete: api.DeleteRoomRequest) -> None:
        self.deleted.append(delete.room)

    async def run(self) -> Any:
        """Take the job."""

        async def connect(**_: object) -> None:
            pass

        context = SimpleNamespace(room=self.room, connect=connect)
        desk = SimpleNamespace(office=self, livekit=self.livekit)
        return await offered(cast("JobContext", context), cast("Desk", desk))


async def test_a_caller_is_offered_and_the_briefing_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reception = Reception(monkeypatch)
    reception.caller(HIDDEN)
    reception.answer = InboundAnswer(request=request().to_metadata())
    assert await reception.run() == request()
    (offer,) = reception.offers
    assert (offer.bridge_call_id, offer.room, offer.leg_identity) == (
        "SCL_1",
        "tel-att_1",
        "sip_1f",
    )
    assert (offer.called, offer.caller) == ("+14155550190", "+14155550150")
    assert reception.deleted == []


@pytest.mark.parametrize("refused", [*InboundRefused, None])
async def test_a_refused_caller_is_hung_up_on_unless_another_agent_has_the_call(
    monkeypatch: pytest.MonkeyPatch, refused: InboundRefused | None
) -> None:
    reception = Reception(monkeypatch)
    reception.caller(TOLD)
    reception.answer = None if refused is None else InboundAnswer(refused=refused)
    assert await reception.run() is None
    assert reception.deleted == ([] if refused is InboundRefused.TAKEN else ["tel-att_1"])


@pytest.mark.parametrize("identity", [OVERFLOW_IDENTITY, ANNOUNCER_IDENTITY])
async def test_an_agent_that_cannot_hear_the_dialer_leaves_it_the_caller_whom_it_looks_after(
    monkeypatch: pytest.MonkeyPatch, identity: str
) -> None:
    reception = Reception(monkeypatch)
    reception.caller(TOLD)
    reception.meanwhile = lambda: reception.comes(identity)
    assert await reception.run() is None
    assert reception.deleted == []


async def test_an_agent_that_was_taken_out_of_the_room_leaves_it_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reception = Reception(monkeypatch)
    reception.caller(TOLD)
    reception.meanwhile = reception.taken_out
    assert await reception.run() is None
    assert reception.deleted == []


async def test_where_nobody_calls_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    reception = Reception(monkeypatch)
    assert await reception.run() is None
    assert (reception.offers, reception.deleted) == ([], [])


async def test_a_caller_who_comes_a_moment_later_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reception = Reception(monkeypatch)
    monkeypatch.setattr(incoming, "_CALLER_WITHIN", 5.0)
    on: Callable[..., None] = reception.room.on

    def listening(event: str, callback: Callable[..., None]) -> None:
        on(event, callback)
        if event == "participant_attributes_changed":
            reception.caller(TOLD)
            callback()

    reception.room.on = listening
    reception.answer = InboundAnswer(request=request().to_metadata())
    assert await reception.run() == request()
    assert reception.room.listeners == 0
