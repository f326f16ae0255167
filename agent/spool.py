"""The spool: every event of an attempt on disk until the dialer has stored it.

One file for each dispatch of an attempt, append-only, named after the attempt and a hash of the
dispatch's token: two dispatches never share one. Its first line says whose events follow and
holds the token that delivers them (so the file is readable by its owner only); each further line
is one event. A last line that a crash cut short is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from agent.logs import get_logger
from telephony.events import EventType
from telephony.worker_contract import ReportedEvent

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose events these are; the token opens their attempt's routes."""

    call_id: str
    attempt_id: str
    token: str

    def __repr__(self) -> str:
        return f"Owner({self.attempt_id})"


class Spool:
    """One dispatch's events on disk.

    Shape: ``path`` names a file of an earlier life; without it the file is made at the first event.
    A disk that refuses is warned about once; the events then live in memory only.
    """

    def __init__(self, folder: Path, owner: Owner, path: Path | None = None) -> None:
        if not _SAFE_NAME.match(owner.attempt_id):
            raise ValueError("an attempt id that cannot name a file")
        mark = hashlib.sha256(owner.token.encode()).hexdigest()[:12]
        self._path = path or folder / f"{owner.attempt_id}.{mark}.jsonl"
        self._ours = path is not None
        self._owner = owner
        self._file: IO[str] | None = None
        self._broken = False

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def append(self, event: ReportedEvent) -> None:
        """Write one event; the last one is on the disk itself when this returns."""
        if self._broken:
            return
        try:
            file = self._file or self._create()
            file.write(event.model_dump_json() + "\n")
            file.flush()
            if event.type is EventType.CALL_ENDED:
                os.fsync(file.fileno())
        except (OSError, ValueError) as error:
            # ValueError: the worker closed the file while this job was writing.
            self._broken = True
            log.warning(
                "spool_not_written",
                attempt_id=self._owner.attempt_id,
                error=type(error).__name__,
                errno=getattr(error, "errno", None),
            )

    def _create(self) -> IO[str]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        try:
            descriptor = os.open(self._path, flags, 0o600)
        except FileExistsError:
            # The same dispatch came twice: the other one's file is left alone.
            self._path = self._path.with_suffix(f".{secrets.token_hex(6)}.jsonl")
            descriptor = os.open(self._path, flags, 0o600)
        self._ours = True
        self._file = os.fdopen(descriptor, "a", encoding="utf-8")
        self._file.write(
            json.dumps(
                {
                    "call_id": self._owner.call_id,
                    "attempt_id": self._owner.attempt_id,
                    "token": self._owner.token,
                }
            )
            + "\n"
        )
        return self._file

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def remove(self) -> None:
        """Forget the events: the dialer has them."""
        self.close()
        if self._ours:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def set_aside(self) -> None:
        """Keep the events out of the way: the dialer will never take them, nor what follows."""
        # First of all: what the call still reports would make the file anew.
        self._broken = True
        self.close()
        if self._ours:
            _set_aside(self._path)


def leftovers(folder: Path) -> list[tuple[Owner, Spool, list[ReportedEvent]]]:
    """Read what an earlier life of this worker could not deliver."""
    found: list[tuple[Owner, Spool, list[ReportedEvent]]] = []
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        read = _read(path)
        if read is None:
            log.warning("spool_unreadable", file=path.name)
            _set_aside(path)
            continue
        owner, events = read
        found.append((owner, Spool(folder, owner, path), events))
    return found


def _set_aside(path: Path) -> None:
    """Rename the file, or add it to what was set aside under that name before."""
    aside = path.with_suffix(".rejected")
    with contextlib.suppress(OSError):
        if not aside.exists():
            path.rename(aside)
            return
        with aside.open("ab") as earlier:
            earlier.write(path.read_bytes())
        path.unlink()


def _read(path: Path) -> tuple[Owner, list[ReportedEvent]] | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        head = json.loads(lines[0])
        owner = Owner(
            call_id=str(head["call_id"]),
            attempt_id=str(head["attempt_id"]),
            token=str(head["token"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if owner.attempt_id != path.name.split(".")[0] or not _SAFE_NAME.match(owner.attempt_id):
        return None
    events: list[ReportedEvent] = []
    for line in lines[1:]:
        try:
            events.append(ReportedEvent.model_validate_json(line))
        except ValidationError:
            break
    return owner, events
