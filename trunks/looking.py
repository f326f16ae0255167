"""Look at all places at once, and compare with what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trunks.desired import Desired
from trunks.patience import Patience
from trunks.plan import plan
from trunks.resources import Adapter, Found, Key, Wanted
from trunks.steps import Plan


def wanted_by(desired: Desired, adapters: Sequence[Adapter]) -> list[Wanted]:
    """Say what the file wants, at all places."""
    return [one for adapter in adapters for one in adapter.wanted(desired)]


async def look(adapters: Sequence[Adapter], patience: Patience) -> list[Found]:
    """List what is there, at all places. Errors: TrunkError of the first that does not answer."""
    answers = await asyncio.gather(
        *(patience.insist(adapter.found) for adapter in adapters), return_exceptions=True
    )
    found: list[Found] = []
    for adapter, answer in zip(adapters, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        found += [replace(one, place=adapter.place) for one in answer]
    return found


async def planned(
    desired: Desired,
    adapters: Sequence[Adapter],
    *,
    patience: Patience,
    adopting: Mapping[Key, str] | None = None,
    renew_secrets: bool = False,
) -> Plan:
    """Look and compare. Errors: TrunkError."""
    found = await look(adapters, patience)
    wanted = wanted_by(desired, adapters)
    return plan(wanted, found, adopting=adopting, renew_secrets=renew_secrets)
