"""Which trunks there are: the one of the settings, and those of the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from dialer.routing.store import Trunks
from dialer.routing.trunk import OUTBOUND, Trunk
from dialer.settings import Settings
from telephony.numbers import E164

#: Units: seconds. How old what is told may be.
_FRESH = 1.0


def of_settings(settings: Settings) -> Trunk | None:
    """Give the trunk that the settings describe, None when they describe none."""
    if not settings.sip_trunk_address:
        return None
    return Trunk(
        name=OUTBOUND,
        livekit_name=f"{settings.deployment}-{OUTBOUND}",
        address=settings.sip_trunk_address,
        transport=settings.sip_trunk_transport,
        numbers=settings.sip_caller_ids,
        username=settings.sip_trunk_username,
        password=settings.sip_trunk_password.get_secret_value(),
        cps=settings.sip_trunk_cps,
        encryption=settings.sip_trunk_media_encryption,
    )


class Directory:
    """The trunks that calls may leave by, as of a second ago at most.

    Shape: a trunk of the database takes the place of the settings' one where it has its name.
    Errors: Unavailable when the database cannot be reached.
    """

    def __init__(
        self, settings: Settings, kept: Trunks, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._kept = kept
        self._clock = clock
        self._trunks: tuple[Trunk, ...] = ()
        self._countries: frozenset[str] = settings.countries
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def trunks(self) -> tuple[Trunk, ...]:
        """List the trunks that are enabled, the first to be tried first."""
        if self._clock() - self._read_at > _FRESH:
            async with self._reading:
                if self._clock() - self._read_at > _FRESH:
                    self._trunks = await self._read()
                    self._countries = allowed_countries(self._settings, self._trunks)
                    self._read_at = self._clock()
        return self._trunks

    async def _read(self) -> tuple[Trunk, ...]:
        own = of_settings(self._settings)
        named = {own.name: own} if own else {}
        named |= {trunk.name: trunk for trunk in await self._kept.list()}
        enabled = (trunk for trunk in named.values() if trunk.enabled)
        return tuple(sorted(enabled, key=lambda trunk: (trunk.priority, trunk.name)))

    @property
    def countries(self) -> frozenset[str]:
        """Give the countries that may be called, as of the last look at the trunks."""
        return self._countries


def allowed_countries(settings: Settings, trunks: Sequence[Trunk]) -> frozenset[str]:
    """Give the countries that may be called: by default those of the numbers we call from."""
    if settings.allowed_countries:
        return settings.countries
    regions = {_region(number) for trunk in trunks for number in trunk.numbers}
    return settings.countries | {region for region in regions if region}


@lru_cache(maxsize=100_000)
def _region(number: str) -> str | None:
    return E164(number).region
