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
