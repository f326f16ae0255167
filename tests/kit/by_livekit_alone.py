"""Calls by LiveKit alone, in and out: trunks, a rule, and a room with somebody in it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import httpx
import numpy as np
from livekit import api, rtc
from livekit.protocol.sip import (
    SIPDispatchRule,
    SIPDispatchRuleDirect,
    SIPInboundTrunkInfo,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from tests.kit.carrier_ledger import CarrierCall

Level: TypeAlias = Literal["disable", "allow", "require"]

_RATE = 48_000
#: A tenth of full scale: a voice, and no noise of a decoder.
_LOUD = 3_000
_ENCRYPTION = {
    "disable": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE,
    "allow": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW,
    "require": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE,
}


@dataclass
class Desk:
    """Whoever sits in a room: says a tone, and counts what it hears of the phones there."""

    room: str
    heard: int = 0
    callers: set[str] = field(default_factory=set[str])

    def hear(self, frame: rtc.AudioFrame) -> None:
        """Count a frame that is loud."""
        samples = np.frombuffer(frame.data, dtype=np.int16)
        self.heard += int(np.abs(samples).max(initial=0) > _LOUD)


@asynccontextmanager
async def desk(running: dict[str, Any], number: str, encryption: Level) -> AsyncGenerator[Desk]:
    """Have calls to a number land in a room with somebody in it, until the block ends."""
    url, *keys = _livekit(running)
    async with api.LiveKitAPI(url, *keys) as livekit:
        room = f"desk-{secrets.token_hex(8)}"
        await livekit.room.create_room(api.CreateRoomRequest(name=room))
        trunk = await livekit.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=SIPInboundTrunkInfo(
                    name=room, numbers=[number], media_encryption=_ENCRYPTION[encryption]
                )
            )
        )
        rule = await livekit.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(
                trunk_ids=[trunk.sip_trunk_id],
                rule=SIPDispatchRule(dispatch_rule_direct=SIPDispatchRuleDirect(room_name=room)),
            )
        )
        token = api.AccessToken(*keys).with_identity("desk")
        token = token.with_grants(api.VideoGrants(room_join=True, room=room))
        try:
            async with _seated(url, token.to_jwt(), Desk(room)) as seated:
                yield seated
        finally:
            delete_rule = api.DeleteSIPDispatchRuleRequest(
                sip_dispatch_rule_id=rule.sip_dispatch_rule_id
            )
            await livekit.sip.delete_dispatch_rule(delete_rule)
            await livekit.sip.delete_trunk(
                api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
            )
            await livekit.room.delete_room(api.DeleteRoomRequest(room=room))


@asynccontextmanager
async def dialling(
    running: dict[str, Any], encryption: Level
) -> AsyncGenerator[Callable[[str, str], Awaitable[None]]]:
    """Have an outbound trunk over TLS; gives what dials a number into a room, until the answer."""
    async with (
        api.LiveKitAPI(*_livekit(running)) as livekit,
        outbound_trunk(running, encryption) as trunk_id,
    ):

        async def dial(number: str, room: str) -> None:
            request = api.CreateSIPParticipantRequest(
                sip_trunk_id=trunk_id,
                sip_call_to=number,
                room_name=room,
                participant_identity=f"phone-{number}",
                wait_until_answered=True,
            )
            await livekit.sip.create_sip_participant(request, timeout=60)

        yield dial


@asynccontextmanager
async def outbound_trunk(
    running: dict[str, Any], encryption: Level, address: str = ""
) -> AsyncGenerator[str]:
    """Have an outbound trunk over TLS, by default to the carrier; gives its id."""
    async with api.LiveKitAPI(*_livekit(running)) as livekit:
        trunk = await livekit.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(
                trunk=SIPOutboundTrunkInfo(
                    name=f"dialling-{encryption}",
                    address=address or running["carrier_address"],
                    transport=SIPTransport.SIP_TRANSPORT_TLS,
                    numbers=["+14155550190"],
                    auth_username=running["carrier_username"],
                    auth_password=running["carrier_password"],
                    media_encryption=_ENCRYPTION[encryption],
                )
            )
        )
        try:
            yield trunk.sip_trunk_id
        finally:
            await livekit.sip.delete_trunk(
                api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
            )


def _livekit(running: dict[str, Any]) -> list[str]:
    return [running[f"livekit_{name}"] for name in ("url", "api_key", "api_secret")]


@asynccontextmanager
async def _seated(url: str, token: str, seat: Desk) -> AsyncGenerator[Desk]:
    room = rtc.Room()
    ears: list[asyncio.Task[None]] = []

    def subscribed(track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        seat.callers.add(participant.identity)
        ears.append(asyncio.create_task(_listen(track, seat)))

    room.on("track_subscribed", subscribed)  # pyright: ignore[reportUnknownMemberType]
    await room.connect(url, token)
    source = rtc.AudioSource(_RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    await room.local_participant.publish_track(track)
    mouth = asyncio.create_task(_hum(source))
    try:
        yield seat
    finally:
        for task in (mouth, *ears):
            task.cancel()
        await asyncio.gather(mouth, *ears, return_exceptions=True)
        await room.disconnect()
        await source.aclose()


async def _listen(track: rtc.Track, seat: Desk) -> None:
    stream = rtc.AudioStream(track)
    try:
        async for event in stream:
            seat.hear(event.frame)
    finally:
        await stream.aclose()


async def _hum(source: rtc.AudioSource) -> None:
    at = np.arange(_RATE // 100)
    # A whole number of periods in a frame, so that frames join without a click.
    samples = (8_000 * np.sin(2 * np.pi * 500 * at / _RATE)).astype(np.int16)
    while True:
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), _RATE, 1, len(samples)))


async def call_in(running: dict[str, Any], number: str, **how: Any) -> CarrierCall:
    """Have the carrier call a number; gives the record as it begins."""
    body = {"to": number, "from": "+14155550188", "behaviour": "speaks_first", **how}
    async with httpx.AsyncClient(base_url=running["carrier_control_url"]) as control:
        answer = await control.post("/originate", json=body)
        answer.raise_for_status()
        return CarrierCall(answer.json())


async def record_of(running: dict[str, Any], call: CarrierCall) -> CarrierCall:
    """Give the carrier's record of a call as it is now."""
    async with httpx.AsyncClient(base_url=running["carrier_control_url"]) as control:
        return CarrierCall((await control.get(f"/calls/{call.raw['id']}")).json())


async def hang_up_in(running: dict[str, Any], call: CarrierCall) -> None:
    """Let the caller hang up."""
    async with httpx.AsyncClient(base_url=running["carrier_control_url"]) as control:
        (await control.post(f"/calls/{call.raw['id']}/hangup")).raise_for_status()
