"""SQLite serves one dialer process; Postgres as many as there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dialer.adapters.sqlite_owner import (
    SecondDialer,
    SharedDisk,
    SqliteOwner,
    refuse_shared_disk,
)
from tests.kit.until import until_sync

HOLD = """
import sys, time
from sqlalchemy import make_url
from dialer.adapters.sqlite_owner import SqliteOwner
owner = SqliteOwner(make_url(sys.argv[1]))
owner.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_dialer_on_sqlite_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/telephony.db"
    first = subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(SecondDialer, match="Postgres") as refused:
            SqliteOwner(make_url(url)).acquire()
        assert str(first.pid) in str(refused.value)
    finally:
        first.kill()
        first.communicate()
    owner = SqliteOwner(make_url(url))

    def taken() -> bool:
        try:
            owner.acquire()
        except SecondDialer:
            return False
        return True

    until_sync(taken, 5)
    owner.release()


MOUNTS = """/dev/vda1 / ext4 rw 0 0
files:/export /srv nfs4 rw 0 0
/dev/vdb1 /srv/local ext4 rw 0 0
//files/share /mnt/our\\040share cifs rw 0 0
"""


@pytest.mark.parametrize("path", ["/srv/telephony.db", "/mnt/our share/a/telephony.db"])
def test_104_a_database_on_a_network_filesystem_is_refused(path: str) -> None:
    with pytest.raises(SharedDisk, match="Postgres"):
        refuse_shared_disk(Path(path), MOUNTS)


@pytest.mark.parametrize("path", ["/var/telephony.db", "/srv/local/telephony.db", "/srvx/a.db"])
def test_104_a_database_on_a_local_disk_is_taken(path: str) -> None:
    refuse_shared_disk(Path(path), MOUNTS)


def test_postgres_needs_no_lock(tmp_path: Path) -> None:
    for _ in range(2):
        SqliteOwner(make_url("postgresql://u:p@h/d")).acquire()
