"""The trunks of trunks.yaml, written where calls are routed by them.

The store that `dialer trunks` asks for (``trunks.gateway.Store``), over the dialer's own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from dialer.adapters.database import Database
from dialer.routing.sealing import Sealing
from dialer.routing.store import Trunks, TrunkStore
from dialer.routing.trunk import Trunk
from dialer.settings import TokenSettings, load
from telephony.errors import Unavailable
from trunks.errors import TrunkError
from trunks.gateway import KeptTrunk, Store


class FromFile:
    """The port ``trunks.gateway.Store`` over the dialer's store."""

    def __init__(self, trunks: Trunks) -> None:
        self._trunks = trunks

    async def put(self, trunk: KeptTrunk) -> None:
        """Keep a trunk, in place of one with the same name."""
        with _translated():
            await self._trunks.put(_routed(trunk))

    async def list(self) -> Sequence[KeptTrunk]:
        """List all."""
        with _translated():
            return [_kept(trunk) for trunk in await self._trunks.list()]

    async def remove(self, name: str) -> bool:
        """Forget one; False where there is none of this name."""
        with _translated():
            return await self._trunks.remove(name)


@asynccontextmanager
async def open_store() -> AsyncGenerator[Store]:
    """Open the database that the settings name."""
    settings = load(TokenSettings)
    database = Database(settings.database_url)
    sealing = Sealing(settings.sealing_secrets)
    try:
        yield FromFile(TrunkStore(database, sealing, now=lambda: datetime.now(UTC)))
    finally:
        await database.close()


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except Unavailable as error:
        again = "Start the database, and run it again."
        raise TrunkError("unreachable", error.message, again, retryable=True) from None
    except SQLAlchemyError:
        raise TrunkError(
            "refused", "The gateway's database has no place for trunks.", "Run: dialer migrate."
        ) from None
    except ValueError as error:
        raise TrunkError("refused", f"The gateway cannot route by it: {error}.") from None


def _routed(kept: KeptTrunk) -> Trunk:
    return Trunk(
        name=kept.name,
        livekit_name=kept.livekit_name,
        address=kept.address,
        numbers=kept.numbers,
        transport=kept.transport,
        username=kept.username,
        password=kept.password,
        prefixes=kept.prefixes,
        priority=kept.priority,
        cps=kept.cps,
        concurrency=kept.concurrency,
        destination_country=kept.destination_country,
        headers=kept.headers,
        encryption=kept.encryption,
        deployment=kept.deployment,
    )


def _kept(trunk: Trunk) -> KeptTrunk:
    return KeptTrunk(
        name=trunk.name,
        deployment=trunk.deployment,
        livekit_name=trunk.livekit_name,
        address=trunk.address,
        transport=trunk.transport,
        encryption=trunk.encryption,
        numbers=trunk.numbers,
        username=trunk.username,
        password=trunk.password,
        prefixes=tuple(trunk.prefixes),
        priority=trunk.priority,
        cps=trunk.cps,
        concurrency=trunk.concurrency,
        destination_country=trunk.destination_country,
        headers=dict(trunk.headers),
    )
