"""A trunk at any SIP server: nothing can be made there, so only the file is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trunks.errors import TrunkError
from trunks.resources import Complaint, Found, Key, Wanted

if TYPE_CHECKING:
    from trunks.accounts import Generic
    from trunks.desired import Desired, Trunk


class GenericTrunk:
    """The adapter for a far end without an API."""

    def __init__(self, *, carrier_name: str, carrier: Generic, deployment: str) -> None:
        self._name = carrier_name

    @property
    def place(self) -> str:
        """Name the place."""
        return f"generic:{self._name}"

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want nothing: the operator sets the far end up."""
        return ()

    async def found(self) -> Sequence[Found]:
        """Find nothing."""
        return ()

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Refuse: nothing is ever wanted here."""
        raise _not_possible()

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Refuse: nothing is ever there."""
        raise _not_possible()

    async def delete(self, found: Found) -> None:
        """Refuse: nothing is ever there."""
        raise _not_possible()

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find what the file says of such a trunk and nobody would hear."""
        return [
            complaint
            for name, trunk in desired.trunks_at(self._name).items()
            for complaint in _complaints(name, trunk)
        ]

    async def aclose(self) -> None:
        """Have no connections to close."""


def _complaints(name: str, trunk: Trunk) -> Iterator[Complaint]:
    path = ("trunks", name)
    if trunk.inbound is not None and trunk.inbound.deliver_to:
        yield Complaint(
            (*path, "inbound", "deliver_to"),
            "not_supported",
            "Nobody tells the far end of a generic trunk where to send calls: set it up there.",
            warning=True,
        )
    for field in ("cnam", "disaster_recovery_url", "domain"):
        if getattr(trunk, field):
            yield Complaint(
                (*path, field), "not_supported", "A generic trunk has no such thing.", warning=True
            )


def _not_possible() -> TrunkError:
    return TrunkError(
        "refused",
        "Nothing can be made at the far end of a generic trunk.",
        "Set it up there by hand: docs/carriers.md tells how.",
    )
