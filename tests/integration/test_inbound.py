"""Calls to our own numbers, as workers offer them, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialer.adapters.tables import attempts, calls, events
from dialer.calls.rooms import ParticipantKind
from dialer.inbound.store import Numbers
from telephony.call import CallType, Direction
from telephony.errors import Conflict, NotFound
from telephony.events import EventType
from telephony.worker_contract import InboundRefused
from tests.kit.api import Api
from tests.kit.incoming import CALLER, OUR_NUMBER, Offering, own
from tests.kit.placing import count, placed

NEVER: dict[str, Any] = {"time_zone": "UTC", "weekly": {}}


async def test_a_call_to_one_of_our_numbers_is_briefed_and_written_down_as_ringing(
    api: Api,
) -> None:
    await own(api)

    request = await Offering(api).briefed()

    assert (request.direction, request.call_type) == (Direction.INBOUND, CallType.SIP)
    assert (request.phone_number, request.caller_id) == (OUR_NUMBER, CALLER)
    assert (request.trunk_id, request.rescue, request.announcement) == (None, None, None)
    assert request.leg_identity == "sip_1f"
    assert request.agent.greeting == "Hello from Riverside Dental."
    granted = api.services.tokens.verify_attempt_token(request.attempt_token, request.attempt_id)
    assert granted.fence == 1
    async with api.client() as client:
        call = (await client.get(f"/calls/{request.call_id}")).json()
        history = (await client.get(f"/calls/{request.call_id}/events")).json()["events"]
    assert (call["direction"], call["status"]) == ("inbound", "ringing")
    assert (call["phone_number"], call["caller_id"]) == (OUR_NUMBER, CALLER)
    assert call["timestamps"]["ringing_at"] == call["timestamps"]["queued_at"]
    assert call["attempts"] == 1
    (received,) = history
    assert (received["type"], received["data"]) == ("call.received", {"bridge_call_id": "SCL_1"})


async def test_it_goes_the_same_road_to_its_end_as_a_call_that_we_made(api: Api) -> None:
    await own(api)
    request = await Offering(api).briefed()
    http = api.client(request.attempt_token)

    def told(sequence: int, kind: str, **data: Any) -> dict[str, Any]:
        at = api.services.now().isoformat()
        return {"sequence": sequence, "type": kind, "occurred_at": at, "data": data}

    answer = await http.post(
        f"/internal/attempts/{request.attempt_id}/events",
        json={
            "events": [
                told(1, "call.agent_ready"),
                told(2, "call.answered"),
                told(3, "call.turn", speaker="caller", text="Hello?"),
                told(4, "call.ended", ended_reason="caller_hangup", ended_by="caller"),
            ]
        },
    )

    assert answer.json() == {"acknowledged": 4}
    async with api.client() as client:
        call = (await client.get(f"/calls/{request.call_id}")).json()
        turns = (await client.get(f"/calls/{request.call_id}/transcript")).json()["turns"]
    ended = (call["status"], call["outcome"], call["ended_reason"], call["ended_by"])
    assert ended == ("ended", "completed", "caller_hangup", "caller")
    assert call["hangup_cause"] == 16
    assert [(turn["speaker"], turn["text"]) for turn in turns] == [("caller", "Hello?")]


async def test_a_caller_who_gives_up_has_canceled_the_call(api: Api) -> None:
    await own(api)
    request = await Offering(api).briefed()
    await api.saw(
        request.call_id, EventType.CALL_ENDED, ended_reason="caller_hangup", ended_by="caller"
    )
    async with api.client() as client:
        call = (await client.get(f"/calls/{request.call_id}")).json()
    assert (call["outcome"], call["ended_reason"]) == ("canceled", "caller_hangup")


async def test_an_offer_whose_answer_was_lost_gives_the_same_call(api: Api) -> None:
    await own(api)
    worker = Offering(api)
    first = await worker.briefed()
    again = await worker.briefed()
    assert (again.call_id, again.attempt_id) == (first.call_id, first.attempt_id)
    assert await count(api, calls) == await count(api, attempts) == await count(api, events) == 1


async def test_of_many_offers_at_once_one_is_taken(api: Api) -> None:
    await own(api)
    asked = [Offering(api, f"w{n}").offer(asked_by=f"a{n}") for n in range(5)]
    answers = [answer.json() for answer in await asyncio.gather(*asked)]
    assert [answer["refused"] for answer in answers].count(None) == 1
    assert {answer["refused"] for answer in answers} == {None, "taken"}
    assert await count(api, calls) == 1


async def test_an_offer_of_a_call_that_is_over_is_told_so(api: Api) -> None:
    await own(api)
    request = await Offering(api).briefed()
    await api.saw(
        request.call_id, EventType.CALL_ENDED, ended_reason="caller_hangup", ended_by="caller"
    )
    assert await Offering(api).refused() is InboundRefused.OVER


@pytest.mark.parametrize("called", ["+14155550191", "100", "", "sip:x", "'; DROP TABLE calls; --"])
async def test_a_number_that_nobody_owns_creates_nothing(api: Api, called: str) -> None:
    await own(api)
    assert await Offering(api).refused(called=called) is InboundRefused.UNKNOWN_NUMBER
    assert await count(api, calls) == await count(api, attempts) == await count(api, events) == 0


async def test_a_number_that_is_switched_off_creates_nothing(api: Api) -> None:
    await own(api, enabled=False)
    assert await Offering(api).refused() is InboundRefused.UNKNOWN_NUMBER
    assert await count(api, calls) == 0


@pytest.mark.parametrize("agent", ["nobody", "needy"])
async def test_an_agent_that_cannot_be_briefed_refuses_the_call(api: Api, agent: str) -> None:
    await own(api, agent=agent)
    assert await Offering(api).refused() is InboundRefused.NO_AGENT
    assert await count(api, calls) == 0


async def test_a_blocked_caller_is_refused_and_the_record_says_so(api: Api) -> None:
    await own(api, blocked_callers=("+1415*",))
    worker = Offering(api)
    assert await worker.refused() is InboundRefused.BLOCKED
    assert await worker.refused() is InboundRefused.BLOCKED
    async with api.client() as client:
        (call,) = (await client.get("/calls")).json()["calls"]
    ended = (call["status"], call["outcome"], call["ended_reason"], call["ended_by"])
    assert ended == ("ended", "declined", "blocked", "platform")


async def test_a_caller_who_hides_the_number_is_taken_and_has_none_in_the_record(api: Api) -> None:
    await own(api)
    request = await Offering(api).briefed(caller="anonymous")
    assert request.caller_id is None


async def test_outside_the_hours_a_line_is_all_there_is(api: Api) -> None:
    await own(api, hours=NEVER, closed_message="We are away.")
    worker = Offering(api)
    first = await worker.briefed()
    assert first.announcement == "We are away."
    assert (await worker.briefed()).announcement == "We are away."


async def test_each_tenants_number_leads_to_its_own_call(api: Api) -> None:
    other = await api.tenant("other")
    await own(api)
    await own(api, "+14155550191", tenant="other")
    worker = Offering(api)
    mine = await worker.briefed("SCL_1")
    theirs = await worker.briefed("SCL_2", called="+14155550191")
    async with api.client() as us, api.client(other) as them:
        assert [one["id"] for one in (await us.get("/calls")).json()["calls"]] == [mine.call_id]
        assert [one["id"] for one in (await them.get("/calls")).json()["calls"]] == [theirs.call_id]
        assert (await us.get(f"/calls/{theirs.call_id}")).status_code == 404


async def test_calls_are_listed_by_who_called_whom(api: Api) -> None:
    await own(api)
    came = await Offering(api).briefed()
    made = await placed(api.client())
    async with api.client() as client:
        for direction, call_id in (("inbound", came.call_id), ("outbound", made["id"])):
            listed = (await client.get("/calls", params={"direction": direction})).json()["calls"]
            assert [call["id"] for call in listed] == [call_id]


async def test_a_number_is_one_tenants(api: Api) -> None:
    await api.tenant("other")
    kept = await own(api)
    assert await own(api, blocked_callers=("anonymous",)) == kept
    with pytest.raises(Conflict):
        await own(api, tenant="other")
    async with api.services.database.transaction() as tx:
        assert await Numbers(tx, "other").list() == []
        with pytest.raises(NotFound):
            await Numbers(tx, "other").remove(OUR_NUMBER)
        (mine,) = await Numbers(tx, "default").list()
        assert mine.inbound.blocked_callers == ("anonymous",)
        await Numbers(tx, "default").remove(OUR_NUMBER)
    assert await own(api, tenant="other") != kept


async def test_a_number_needs_a_tenant_that_is_there(api: Api) -> None:
    with pytest.raises(NotFound):
        await own(api, tenant="nobody")


async def test_only_a_worker_may_offer_a_call(api: Api) -> None:
    await own(api)
    tokens = api.services.tokens
    for token in (tokens.mint_attempt_token("a", "default", 1), api.key, "x"):
        worker = Offering(api)
        worker.http = api.client(token)
        assert (await worker.offer()).status_code == 401
    assert await count(api, calls) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("room", "other-in_0150"), ("bridge_call_id", ""), ("called", "1" * 65), ("surprise", 1)],
)
async def test_an_offer_that_is_not_of_the_contract_is_refused(
    api: Api, field: str, value: Any
) -> None:
    await own(api)
    answer = await Offering(api).offer(**{"bridge_call_id": "SCL_1", field: value})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert await count(api, calls) == 0


async def test_a_hang_up_before_the_answer_takes_the_caller_out(api: Api) -> None:
    await own(api)
    request = await Offering(api).briefed()
    room = "tel-in_0150_SCL_1"
    await api.rooms.create(room, None)
    api.rooms.join(room, "sip_1f", ParticipantKind.SIP, sip_status="ringing")
    async with api.client() as client:
        assert (await client.post(f"/calls/{request.call_id}/hangup")).status_code == 202
    assert api.rooms.removed == [(room, "sip_1f")]


async def test_no_number_of_a_call_that_came_in_is_logged(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    await own(api)
    await Offering(api).briefed()
    await Offering(api).refused("SCL_2", called="+14155550191")
    told = capsys.readouterr()
    assert "4155550" not in told.out + told.err
