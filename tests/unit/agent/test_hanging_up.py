"""Hanging up deletes the room."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from livekit import api

from agent.hanging_up import hang_up


@pytest.mark.asyncio
async def test_a_deletion_that_hangs_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.hanging_up._DELETE_PATIENCE", 0.05)
    tries: list[str] = []

    class Rooms:
        async def delete_room(self, delete: api.DeleteRoomRequest) -> None:
            tries.append(delete.room)
            if len(tries) == 1:
                await asyncio.sleep(60)

    assert await hang_up(cast("Any", Rooms()), "tel-att_1")
    assert tries == ["tel-att_1"] * 2


@pytest.mark.asyncio
async def test_a_room_that_no_list_names_is_made_again_to_be_deleted() -> None:
    """So it is for some seconds after Redis came back empty, with the callee still in the room."""
    asked: list[str] = []

    class Rooms:
        async def delete_room(self, delete: api.DeleteRoomRequest) -> None:
            asked.append(f"delete {delete.room}")
            if len(asked) == 1:
                raise api.ServerError("not_found", "requested room does not exist", status=404)

        async def create_room(self, create: api.CreateRoomRequest) -> None:
            asked.append(f"create {create.name}")

    assert await hang_up(cast("Any", Rooms()), "tel-att_1")
    assert asked == ["delete tel-att_1", "create tel-att_1", "delete tel-att_1"]
