"""The baseline's road: a room with a dispatch inside, taken by the published example's worker."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from typing import Final

from livekit import api

from bench import inbound_numbers
from bench.road import Placed, wait_for
from bench.stage import Stage, Started, answers, start
from tests.kit.servers import free_port

_READY_WITHIN: Final = 180.0
_CALLER_ID: Final = "+14155550190"


class BaselineRoad:
    """LiveKit's example on the same servers, the same trunk and the same models.

    Shape: with ``raised`` no load makes the worker refuse a job; else it is as shipped.
    """

    def __init__(self, stage: Stage, *, raised: bool) -> None:
        self.name = "baseline" if raised else "baseline as shipped"
        self._stage = stage
        self._raised = raised
        #: What its worker is called where it is dispatched.
        self.agent = "baseline-raised" if raised else "baseline-shipped"
        self._worker: Started | None = None
        told = stage.description
        self._livekit = api.LiveKitAPI(
            told["livekit_url"], told["livekit_api_key"], told["livekit_api_secret"], failover=False
        )
        self._trunk = ""

    @property
    def pids(self) -> Sequence[int]:
        """Give the worker's first process."""
        return [self._worker.pid] if self._worker is not None else []

    async def start(self, calls: int) -> None:
        """Start the worker: one, whatever it has to hold; it makes a process for each job."""
        stage = self._stage
        await wait_for(self._has_trunk, _READY_WITHIN, "the trunk is in LiveKit")
        threshold = "raised" if self._raised else "shipped"
        port = free_port()
        log = stage.folder / f"{self.agent}.log"
        log.unlink(missing_ok=True)
        command = ("bench.baseline_worker", self.agent, threshold, str(port), "start")
        self._worker = await start(command, log, stage.livekit)
        await wait_for(
            lambda: answers(stage.http, f"http://127.0.0.1:{port}/"), _READY_WITHIN, "the baseline"
        )
        await wait_for(self._registered, _READY_WITHIN, "the baseline is registered")

    async def stop(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            await self._worker.stop()
            self._worker = None

    async def place(self, number: str) -> Placed:
        """Dispatch the worker into a new room, in one request.

        Shape: the servers let nobody make a room by joining, so that a dispatch alone would find
        none; room and dispatch in one request is the same work for livekit-server.
        """
        room = f"baseline-{secrets.token_hex(6)}"
        metadata = {
            "phone_number": number,
            "trunk_id": self._trunk,
            "caller_id": _CALLER_ID,
            "models_url": self._stage.models_url,
        }
        dispatch = api.RoomAgentDispatch(agent_name=self.agent, metadata=json.dumps(metadata))
        asked = time.time()
        await self._livekit.room.create_room(
            api.CreateRoomRequest(name=room, agents=[dispatch], empty_timeout=60)
        )
        return Placed(room, asked, time.time())

    async def over(self, placed: Placed) -> None:
        """Delete the room, which the example leaves behind."""
        await self._delete(placed.id)

    async def over_inbound(self, since: float) -> None:
        """Delete the rooms of those who called."""
        listed = await self._livekit.room.list_rooms(api.ListRoomsRequest())
        for room in listed.rooms:
            if room.name.startswith(inbound_numbers.ROOMS):
                await self._delete(room.name)

    async def _delete(self, room: str) -> None:
        try:
            await self._livekit.room.delete_room(api.DeleteRoomRequest(room=room))
        except api.TwirpError as error:
            if error.code != api.TwirpErrorCode.NOT_FOUND:
                raise

    async def aclose(self) -> None:
        """Close the connection."""
        await self._livekit.aclose()

    async def _has_trunk(self) -> bool:
        listed = await self._livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
        # The dialer whose POST /calls is measured leaves a trunk without credentials behind.
        for trunk in listed.items:
            if trunk.auth_username:
                self._trunk = trunk.sip_trunk_id
        return bool(self._trunk)

    async def _registered(self) -> bool:
        assert self._worker is not None
        text = self._worker.log.read_text(errors="replace")
        if not self._worker.running:
            raise RuntimeError(f"the baseline's worker ended:\n{text[-2000:]}")
        return "registered worker" in text
