"""Places at the edges of the ledger where a test may let this process die.

A point fires when a file of its name lies in the folder that the settings name: the file is taken
away and the process is gone at once, as if it had been killed. So a point fires once, in one
process, and the one that is started afterwards passes it. Without the setting nothing is looked
for.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_EXIT_STATUS = 70


class Failpoint(StrEnum):
    """Where a process may be let die."""

    PLACE_AFTER_COMMIT = "place.after_commit"
    CLAIM_AFTER_COMMIT = "claim.after_commit"
    ROOM_BEFORE_CREATE = "room.before_create"
    ROOM_AFTER_CREATE = "room.after_create"
    PERMIT_AFTER_COMMIT = "permit.after_commit"
    RETURN_AFTER_COMMIT = "return.after_commit"
    EVENTS_AFTER_COMMIT = "events.after_commit"
    OFFER_AFTER_COMMIT = "offer.after_commit"


class _Armed:
    folder: Path | None = None


def arm(folder: str) -> None:
    """Look for points in this folder from now on; an empty name stands for none."""
    _Armed.folder = Path(folder) if folder else None
    if folder:
        log.warning("failpoints are enabled: this process may be let die")


def passing(point: Failpoint) -> None:
    """Pass a point, or die at it."""
    if _Armed.folder is None:
        return
    try:
        (_Armed.folder / point.value).unlink()
    except FileNotFoundError:
        return
    os._exit(_EXIT_STATUS)
