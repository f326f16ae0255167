"""What trunks.yaml wants of the gateway, written where calls are routed and answered by it.

The store that `dialer trunks` asks for (``trunks.gateway.Store``), over the dialer's own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from dialer.adapters.database import Database
from dialer.admission import agents
from dialer.inbound.from_file import NumbersOfFile
from dialer.routing.inbound_store import InboundTrunkStore
from dialer.routing.sealing import Sealing
from dialer.routing.store import Trunks, TrunkStore
from dialer.routing.trunk import Trunk
from dialer.settings import GatewaySettings, TokenSettings, load
from telephony.errors import TelephonyError, Unavailable
from trunks.errors import TrunkError
from trunks.gateway import About, Shelf, Store
from trunks.kept import InboundTrunk, KeptNumber, KeptTrunk

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class FromFile:
    """The port ``trunks.gateway.Store`` over the dialer's stores."""

    trunks: Shelf[KeptTrunk]
    inbound_trunks: Shelf[InboundTrunk]
    numbers: Shelf[KeptNumber]


class Translated(Generic[K]):
    """A shelf whose errors are told as `dialer trunks` tells them."""

    def __init__(self, shelf: Shelf[K]) -> None:
        self._shelf = shelf

    async def put(self, kept: K, /) -> None:
        """Keep a thing, in place of one with the same name."""
        with _translated():
            await self._shelf.put(kept)

    async def list(self) -> Sequence[K]:
        """List all."""
        with _translated():
            return await self._shelf.list()

    async def remove(self, name: str, /) -> bool:
        """Forget one; False where there is none of this name."""
        with _translated():
            return await self._shelf.remove(name)


class RoutedTrunks:
    """The trunks that calls are routed by, as the file has them."""

    def __init__(self, trunks: Trunks) -> None:
        self._trunks = trunks

    async def put(self, trunk: KeptTrunk) -> None:
        """Keep a trunk, in place of one with the same name."""
        await self._trunks.put(_routed(trunk))

    async def list(self) -> Sequence[KeptTrunk]:
        """List all."""
        return [_kept(trunk) for trunk in await self._trunks.list()]

    async def remove(self, name: str) -> bool:
        """Forget one; False where there is none of this name."""
        return await self._trunks.remove(name)


@asynccontextmanager
async def open_store() -> AsyncGenerator[Store]:
    """Open the database that the settings name."""
    settings = load(TokenSettings)
    database = Database(settings.database_url)
    sealing = Sealing(settings.sealing_secrets)
    try:
        yield store_in(database, sealing)
    finally:
        await database.close()


def store_in(database: Database, sealing: Sealing) -> FromFile:
    """Give the store of this database."""
    return FromFile(
        Translated(RoutedTrunks(TrunkStore(database, sealing, now=_now))),
        Translated(InboundTrunkStore(database, sealing, now=_now)),
        Translated(NumbersOfFile(database, sealing, now=_now)),
    )


def about() -> About:
    """Tell what the settings say of this gateway."""
    settings = load(GatewaySettings)
    try:
        names = frozenset(agents.load(Path(settings.agents_file)).names)
    except agents.AgentsFileError:
        names = None
    return About(
        settings.deployment,
        names,
        settings.deployment_of_fallback,
        trunk_of_settings=settings.sip_trunk_address,
    )


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except Unavailable as error:
        again = "Start the database, and run it again."
        raise TrunkError("unreachable", error.message, again, retryable=True) from None
    except SQLAlchemyError:
        raise TrunkError(
            "refused", "The gateway's database has no place for this.", "Run: dialer migrate."
        ) from None
    except TelephonyError as error:
        raise TrunkError("refused", f"The gateway does not take it: {error.message}") from None
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
        codecs=kept.codecs,
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
        codecs=trunk.codecs,
    )
