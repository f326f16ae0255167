"""What `dialer trunks doctor` is given: the trunks that calls leave by, LiveKit, and a phone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError

from dialer.routing.directory import Directory, of_settings
from dialer.routing.from_file import about, open_store
from dialer.routing.store import open_trunks
from dialer.routing.trunk import Trunk
from dialer.settings import Settings, load
from telephony.errors import Unavailable
from trunks.desired import LiveKit
from trunks.doctor.calling import Phone
from trunks.doctor.provided import ProvidedToDoctor
from trunks.doctor.subject import Subject


async def _subjects() -> Sequence[Subject]:
    """List the trunks of the database, and the one of the settings."""
    settings = load(Settings)
    own = of_settings(settings)
    try:
        async with open_trunks(settings) as kept:
            found: Sequence[Trunk] = await Directory(settings, kept).trunks()
    except (Unavailable, SQLAlchemyError):
        # What is wrong with the database is told by `dialer doctor`.
        found = [own] if own else []
    return [_subject(one, settings) for one in found]


def _subject(trunk: Trunk, settings: Settings) -> Subject:
    of_the_settings = trunk == of_settings(settings)
    return Subject(
        name=trunk.name,
        origin="the settings" if of_the_settings else "the gateway's database",
        livekit_name=trunk.livekit_name,
        address=trunk.address,
        transport=trunk.transport,
        encryption=trunk.encryption,
        numbers=trunk.numbers,
        username=trunk.username,
        password=trunk.password,
        prefixes=trunk.prefixes,
    )


def _livekit() -> LiveKit:
    settings = load(Settings)
    return LiveKit(
        url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret,
    )


@asynccontextmanager
async def _phone(livekit: LiveKit) -> AsyncGenerator[Phone]:
    # LiveKit's media library takes a while to load, and no other command needs it.
    from dialer.adapters.probing_phone import ProbingPhone

    yield ProbingPhone(livekit)


PROVIDED = ProvidedToDoctor(open_store, about, subjects=_subjects, livekit=_livekit, phone=_phone)
