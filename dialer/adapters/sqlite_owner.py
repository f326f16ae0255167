"""One dialer process for a SQLite database: a lock beside the file, gone with its owner.

The kernel holds the lock and drops it when the process ends, however it ends; a file that is left
behind means nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from sqlalchemy import URL

_MOUNTS = Path("/proc/self/mounts")


class SecondDialer(Exception):
    """Another dialer process has this SQLite database."""


class SharedDisk(Exception):
    """The SQLite database lies on a network filesystem, where its locks mean nothing."""


#: Filesystems of other machines, as /proc/self/mounts names them.
_NETWORKED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.sshfs", "lustre"}
)


def refuse_shared_disk(path: Path, mounts: str) -> None:
    """Refuse a database file on a network filesystem, by the text of /proc/self/mounts.

    Errors: SharedDisk, naming the filesystem and what to use instead.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        _, where, type_, *_ = [*line.split(" "), "", "", ""]
        point = Path(where.replace("\\040", " ") or "/")
        # The longest mount point above the file is its own; of equals the later one covers.
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), type_
    if kind in _NETWORKED:
        raise SharedDisk(
            f"The SQLite database lies on a network filesystem ({kind}), where it can be damaged: "
            "put it on a local disk, or set DATABASE_URL to a Postgres database (postgresql://...)."
        )


class SqliteOwner:
    """The lock; ``acquire`` before the first transaction, ``release`` after the last."""

    def __init__(self, url: URL) -> None:
        named = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        self._path = Path(f"{url.database}.dialer-lock") if named else None
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; nothing happens for a database that needs none.

        Errors: SecondDialer, naming the process that has it and what to use instead; SharedDisk.
        """
        if self._path is None or self._file is not None:
            return
        with contextlib.suppress(OSError):  # no /proc here: nothing is known of the disk
            refuse_shared_disk(self._path.resolve(), _MOUNTS.read_text(errors="replace"))
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
