"""One dialer process for a SQLite database: a lock beside the file, gone with its owner.

The kernel holds the lock and drops it when the process ends, however it ends; a file that is left
behind means nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sqlalchemy import URL


class SecondDialer(Exception):
    """Another dialer process has this SQLite database."""


class SqliteOwner:
    """The lock; ``acquire`` before the first transaction, ``release`` after the last."""

    def __init__(self, url: URL) -> None:
        named = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        self._path = Path(f"{url.database}.dialer-lock") if named else None
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; nothing happens for a database that needs none.

        Errors: SecondDialer, naming the process that has it and what to use instead.
        """
        if self._path is None or self._file is not None:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(file, 32).decode(errors="replace").strip()
            os.close(file)
            raise SecondDialer(
                f"Another dialer process{f' (pid {owner})' if owner else ''} uses this SQLite "
                "database. SQLite serves one dialer process; set DATABASE_URL to a Postgres "
                "database (postgresql://...) to run several."
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
