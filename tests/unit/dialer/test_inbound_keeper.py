"""Keeping what calls come in by in LiveKit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dialer.routing.inbound_keeper import InboundKeeper
from telephony.errors import Unavailable
from tests.kit.trunks import inbound_trunk
from trunks.kept import InboundTrunk


class Desk:
    """A keeper, what is written down, and a LiveKit that remembers what it was asked for."""

    def __init__(self, *kept: InboundTrunk) -> None:
        self.kept = kept
        self.asked: list[Sequence[InboundTrunk]] = []
        self.down = False
        self.keeper = InboundKeeper(livekit=self, kept=self, deployment="acme")

    async def list(self) -> Sequence[InboundTrunk]:
        """List what is written down."""
        return self.kept

    async def ensure(self, wanted: Sequence[InboundTrunk]) -> None:
        """Take what is wanted."""
        if self.down:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.")
        self.asked.append(wanted)


async def test_every_look_wants_all_that_is_written_down() -> None:
    one, other = inbound_trunk("main"), inbound_trunk("second")
    desk = Desk(one)
    assert 0 < await desk.keeper.step() <= 10, "callers wait for it"
    desk.kept = (one, other)
    await desk.keeper.step()
    assert desk.asked == [[one], [one, other]]


async def test_what_is_another_deployments_is_left_to_its_own_dialer() -> None:
    ours = inbound_trunk("main")
    desk = Desk(ours, inbound_trunk("theirs", deployment="other"))
    await desk.keeper.step()
    assert desk.asked == [[ours]]


async def test_where_nothing_is_written_down_livekit_is_not_asked() -> None:
    desk = Desk()
    await desk.keeper.step()
    assert desk.asked == []


async def test_a_livekit_that_is_away_is_asked_again() -> None:
    desk = Desk(inbound_trunk("main"))
    desk.down = True
    with pytest.raises(Unavailable):
        await desk.keeper.step()
    desk.down = False
    await desk.keeper.step()
    assert len(desk.asked) == 1
