"""Nobody can tell what became of a request: nothing is dialled twice, and no call stays open."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from livekit import api

from tests.faults.conftest import Stack
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import frozen, processes
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync

DIALLING = b"CreateSIPParticipant"
ASKING_FOR_A_JOB = b"/job?free="


@pytest.mark.fault("F4")
def test_a_dialling_that_is_never_answered_for_is_known_by_its_participant(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F4: the request arrives, its reply stalls; the phone answers and the agent is there."""
    since = datetime.now(UTC)
    with whole.livekit.fault("stall", DIALLING) as stalled:
        call = gateway.place("+14155550101")
        gateway.until_status(call["id"], "in_progress")
        until_sync(
            lambda: ledger.only_call("+14155550101", since=since).rtp.get("first_audible_at"),
            30,
            what="the greeting at the phone",
        )
        assert stalled.met == 1
        ledger.hang_up(ledger.only_call("+14155550101", since=since).raw["id"])
        ended = gateway.until_ended(call["id"], timeout=60)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "callee_hangup")
    assert ledger.only_call("+14155550101", since=since).invites == 1


@pytest.mark.fault("F4")
def test_a_dialling_that_is_cut_off_is_not_tried_again(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F4: the connection is reset under the request; whether it arrived is not asked by trying."""
    since = datetime.now(UTC)
    with whole.livekit.fault("reset", DIALLING) as cut:
        call = gateway.place("+14155550102", ring_timeout_seconds=5)
        ended = gateway.until_ended(call["id"], timeout=60)
    assert cut.met == 1
    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "no_response")
    assert ledger.calls("+14155550102", since=since) == []


@pytest.mark.fault("F14")
def test_a_frozen_worker_costs_a_second_dispatch_and_no_call(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F14: one of two workers does not answer; whoever is asked again takes it, and only one."""
    since = datetime.now(UTC)
    with frozen([processes(whole.running)["worker"]]):
        ids = [gateway.place("+14155550102")["id"] for _ in range(2)]
        ended = [gateway.until_ended(call_id, timeout=60) for call_id in ids]
    # Only now does the frozen one see what it was offered.
    later = gateway.until_ended(gateway.place("+14155550102")["id"])
    assert {call["outcome"] for call in [*ended, later]} == {"busy"}
    seen = ledger.calls("+14155550102", since=since)
    assert len(seen) == 3 and all(call.invites == 1 for call in seen)


@pytest.mark.fault("F15")
def test_a_second_agent_leaves_the_room_without_a_word(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F15: the same dispatch a second time, while the call is up."""
    with whole.api.fault("reset", ASKING_FOR_A_JOB) as cut:
        # Nobody waits for a job of the dialer's own: LiveKit dispatches, and can do so again.
        until_sync(lambda: cut.met >= 4, 20, what="both workers' questions are cut off")
        call, since = on_the_phone(gateway, "+14155550101")
    room = rooms_left(whole.running, call["id"], gateway)[0]

    asyncio.run(_dispatch_again(whole.running, room))

    until_sync(lambda: _agents(whole.running, room) == 2, 20, every=0.02, what="a second agent")
    until_sync(lambda: _agents(whole.running, room) == 1, 20, what="it left")
    assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"
    assert ledger.only_call("+14155550101", since=since).invites == 1
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types.count("call.dialing") == 1 and types.count("call.answered") == 1


def _livekit(running: dict[str, Any]) -> api.LiveKitAPI:
    return api.LiveKitAPI(
        running["livekit_url"], running["livekit_api_key"], running["livekit_api_secret"]
    )


async def _dispatch_again(running: dict[str, Any], room: str) -> None:
    async with _livekit(running) as livekit:
        first = (await livekit.agent_dispatch.list_dispatch(room))[0]
        await livekit.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(
                room=room, agent_name=first.agent_name, metadata=first.metadata
            )
        )


def _agents(running: dict[str, Any], room: str) -> int:
    async def ask() -> int:
        async with _livekit(running) as livekit:
            listed = await livekit.room.list_participants(api.ListParticipantsRequest(room=room))
            kinds = [member.kind for member in listed.participants]
            return kinds.count(api.ParticipantInfo.Kind.AGENT)

    return asyncio.run(ask())
