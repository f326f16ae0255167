"""The trunks that calls come in by, in the database: what LiveKit is to have of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from dialer.adapters.tables import inbound_trunks
from dialer.routing.sealed_rows import SealedRows
from trunks.kept import InboundTrunk


class InboundTrunkStore(SealedRows[InboundTrunk]):
    """The port ``trunks.gateway.Shelf`` of them over the dialer's database.

    Errors: every method raises Unavailable when the database cannot be reached.
    """

    _table = inbound_trunks

    def _row(self, trunk: InboundTrunk) -> dict[str, Any]:
        return {
            "deployment": trunk.deployment,
            "numbers": [*trunk.numbers],
            "allowed_addresses": [*trunk.allowed_addresses],
            "username": trunk.username,
            "sealed_password": self._sealing.seal(trunk.password),
            "encryption": trunk.encryption,
            "agent_name": trunk.agent_name,
            "updated_at": self._now(),
        }

    def _trunk(self, row: Row[Any]) -> InboundTrunk:
        return InboundTrunk(
            name=row.name,
            deployment=row.deployment,
            numbers=tuple(row.numbers),
            allowed_addresses=tuple(row.allowed_addresses),
            username=row.username,
            password=self._sealing.open(row.sealed_password),
            encryption=row.encryption,
            agent_name=row.agent_name,
        )
