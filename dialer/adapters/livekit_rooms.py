"""Rooms in a real LiveKit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
from livekit import api
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import PerformRpcRequest

from dialer.adapters.livekit_session import LiveKitSession, NoAnswer, NoSuchThing, translated
from dialer.calls.rooms import (
    DEPARTURE_TIMEOUT,
    EMPTY_TIMEOUT,
    MAX_PARTICIPANTS,
    Dispatch,
    ParticipantKind,
    RoomMember,
    RoomState,
)
from telephony.bridge_hold import ANSWER_WITHIN, METHOD, Hold, told_by

_KINDS = {
    ParticipantInfo.Kind.AGENT: ParticipantKind.AGENT,
    ParticipantInfo.Kind.SIP: ParticipantKind.SIP,
    ParticipantInfo.Kind.STANDARD: ParticipantKind.BROWSER,
}
_SIP_STATUS = "sip.callStatus"


class LiveKitRooms:
    """The port ``dialer.calls.rooms.Rooms`` over LiveKit's API."""

    def __init__(self, session: LiveKitSession, *, api_key: str, api_secret: str) -> None:
        self._livekit = session
        self._key = api_key
        self._secret = api_secret

    async def create(self, room: str, dispatch: Dispatch | None) -> RoomState:
        """Create the room, with the agent's dispatch inside."""
        agents = [] if dispatch is None else [_asked(dispatch)]
        request = api.CreateRoomRequest(
            name=room,
            empty_timeout=int(EMPTY_TIMEOUT.total_seconds()),
            departure_timeout=int(DEPARTURE_TIMEOUT.total_seconds()),
            max_participants=MAX_PARTICIPANTS,
            agents=agents,
        )
        async with translated():
            return _state(await self._livekit.client.room.create_room(request))

    async def redispatch(self, room: str, dispatch: Dispatch) -> None:
        """Take back every dispatch of the room, then ask for an agent again."""
        dispatches = self._livekit.client.agent_dispatch
        try:
            async with translated():
                for old in await dispatches.list_dispatch(room):
                    await dispatches.delete_dispatch(old.id, room)
        except (NoSuchThing, NoAnswer):
            # The room is gone, or was never made.
            await self.create(room, dispatch)
            return
        await self._ask(room, dispatch)

    async def ask_once_more(self, room: str, dispatch: Dispatch) -> None:
        """Ask for an agent and take no earlier dispatch back."""
        try:
            await self._ask(room, dispatch)
        except (NoSuchThing, NoAnswer):
            return

    async def _ask(self, room: str, dispatch: Dispatch) -> None:
        async with translated():
            await self._livekit.client.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(
                    room=room, agent_name=dispatch.agent_name, metadata=dispatch.metadata
                )
            )

    async def remove_participant(self, room: str, identity: str) -> None:
        """Remove a participant."""
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        try:
            async with translated():
                await self._livekit.client.room.remove_participant(request)
        except NoSuchThing:
            return

    async def delete(self, room: str, *, if_listed: bool = False) -> None:
        """Delete the room and hang up all that is in it."""
        try:
            await self._delete(room)
        except (NoSuchThing, NoAnswer) as error:
            if if_listed and isinstance(error, NoSuchThing):
                return
            # livekit-server deletes only what its lists name, and they were emptied with Redis; or
            # the server that held the room died and left half of it. Who makes the room again finds
            # the one that a server still has, or an empty one.
            await self.create(room, None)
            try:
                await self._delete(room)
            except NoSuchThing:
                # Another one who does the same was faster, or its server has not written it down
                # again: that takes it some seconds.
                if await self.served(room):
                    raise

    async def _delete(self, room: str) -> None:
        async with translated():
            await self._livekit.client.room.delete_room(api.DeleteRoomRequest(room=room))

    async def served(self, room: str) -> bool:
        """Say whether a living server holds the room."""
        try:
            async with translated():
                # Only the room's own server answers this; lists come from Redis and outlive it.
                await self._livekit.client.agent_dispatch.list_dispatch(room)
        except (NoSuchThing, NoAnswer):
            return False
        return True

    async def list(self, prefix: str) -> list[RoomState]:
        """List the rooms whose name starts with the prefix."""
        async with translated():
            listed = await self._livekit.client.room.list_rooms(api.ListRoomsRequest())
        return [_state(room) for room in listed.rooms if room.name.startswith(prefix)]

    async def participants(self, room: str) -> list[RoomMember]:
        """List who is in the room."""
        request = api.ListParticipantsRequest(room=room)
        try:
            async with translated():
                listed = await self._livekit.client.room.list_participants(request)
        except NoSuchThing:
            return []
        return [_member(participant) for participant in listed.participants]

    async def hold(self, room: str, identity: str) -> Hold:
        """Ask the bridge whether it still holds a phone."""
        try:
            await self._livekit.rpc.perform(
                PerformRpcRequest(
                    room=room,
                    destination_identity=identity,
                    method=METHOD,
                    response_timeout_ms=ANSWER_WITHIN,
                )
            )
        except api.ServerError as error:
            return told_by(error.code, error.message)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Hold.UNKNOWN
        return Hold.THERE

    def token(self, room: str, identity: str, ttl: timedelta) -> str:
        """Make a participant token: this room, microphone in, audio out, nothing else."""
        grants = api.VideoGrants(
            room_join=True,
            room=room,
            can_publish=True,
            can_publish_sources=["microphone"],
            can_subscribe=True,
            can_publish_data=False,
            can_update_own_metadata=False,
        )
        token = api.AccessToken(self._key, self._secret).with_identity(identity)
        return token.with_grants(grants).with_ttl(ttl).to_jwt()


def _asked(dispatch: Dispatch) -> api.RoomAgentDispatch:
    return api.RoomAgentDispatch(agent_name=dispatch.agent_name, metadata=dispatch.metadata)


def _state(room: api.Room) -> RoomState:
    created_at = datetime.fromtimestamp(room.creation_time, UTC)
    return RoomState(room.name, created_at, room.num_participants)


def _member(participant: api.ParticipantInfo) -> RoomMember:
    return RoomMember(
        identity=participant.identity,
        kind=_KINDS.get(participant.kind, ParticipantKind.OTHER),
        joined_at=datetime.fromtimestamp(participant.joined_at, UTC),
        sip_status=participant.attributes.get(_SIP_STATUS),
        attributes=dict(participant.attributes),
    )
