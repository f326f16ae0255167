"""A backup can be put back: the scripts against the compose file's Postgres.

In the place of the ``docker`` command stands a script that runs here what it is asked to run in a
container, and notes the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dialer import migrations
from tests.kit import postgres_of_compose
from tests.kit.compose_file import Server, server
from tests.kit.servers import free_port
from tests.kit.without_containers import Services

DOCKER = """#!{python}
import os, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join(words) + chr(10))
assert words.pop(0) == "compose"
if words[:3] == ["exec", "-T", "postgres"]:
    os.execvpe(words[3], words[3:], {environment!r})
if words[0] == "run":
    assert words[1:5] == ["-T", "--rm", "--no-deps", "--entrypoint"], words
    program, service = words[5:7]
    assert program in ("tar", "sh") and service == "worker-1", words
    os.execvp(program, [program, *(word.replace("/data", {data!r}) for word in words[7:])])
assert words[0] in ("stop", "up"), words
"""


@dataclass
class Operator:
    """Somebody on the server, with the folder and the commands."""

    server: Server
    services: Services
    path: str
    log: Path
    database_url: str

    def does(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.server.folder / command[0]), *command[1:]],
            env=os.environ | {"PATH": f"{self.path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def names_of_keys(self) -> set[str]:
        with psycopg.connect(self.database_url) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM api_keys")}

    @property
    def recordings(self) -> Path:
        return self.services["worker-1"].paths["/data"] / "recordings"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    tmp_path = tmp_path_factory.mktemp("backup")
    gateway = server(tmp_path / "gateway", POSTGRES_PORT=str(free_port()))
    services = Services(gateway.project(), tmp_path)
    database = services["postgres"]
    with postgres_of_compose.running(database, tmp_path / "postgres"):
        commands = tmp_path / "commands"
        commands.mkdir()
        log = tmp_path / "docker.log"
        text = DOCKER.format(
            python=sys.executable,
            log=str(log),
            environment=postgres_of_compose.in_container(database, tmp_path / "postgres"),
            data=str(services["worker-1"].paths["/data"]),
        )
        (commands / "docker").write_text(text)
        (commands / "docker").chmod(0o755)
        services.run("prepare")
        port, password = gateway.setting("POSTGRES_PORT"), gateway.secret("postgres_password")
        url = f"postgresql://telephony:{password}@127.0.0.1:{port}/telephony"
        yield Operator(gateway, services, str(commands), log, url)


def test_a_backup_brings_back_what_was_there(operator: Operator, tmp_path: Path) -> None:
    services = operator.services
    services.run("cli", "keys", "create", "--name", "before")
    operator.recordings.mkdir(parents=True)
    (operator.recordings / "call_1.wav").write_bytes(b"spoken words")

    folder = tmp_path / "kept"
    done = operator.does("backup", str(folder))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == {
        "database.dump",
        "worker-data.tar",
        "settings.tar.gz",
        "SHA256SUMS",
    }
    assert not any(path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir()))

    services.run("cli", "keys", "create", "--name", "after")
    shutil.rmtree(operator.recordings)
    done = operator.does("restore", str(folder), "--yes")
    assert done.returncode == 0, done.stderr

    keys = operator.names_of_keys()
    assert "before" in keys
    assert "after" not in keys
    assert (operator.recordings / "call_1.wav").read_bytes() == b"spoken words"
    log = operator.log.read_text()
    stops = log.index("compose stop\n")
    assert stops < log.index("DROP SCHEMA") < log.rindex("compose up -d --build --wait")


def test_a_backup_of_an_older_version_brings_that_versions_tables_back(
    operator: Operator, tmp_path: Path
) -> None:
    """The way back from a new version that added tables, with and without keys to older ones."""
    migrations.downgrade(operator.database_url, "0004")
    folder = tmp_path / "kept"
    assert operator.does("backup", str(folder)).returncode == 0
    operator.services.run("prepare")
    assert migrations.current(operator.database_url) == migrations.head()

    # And what was restored can be backed up and restored like anything else.
    for kept in (folder, tmp_path / "again"):
        done = operator.does("restore", str(kept), "--yes")
        assert done.returncode == 0, done.stderr
        assert migrations.current(operator.database_url) == "0004"
        if kept == folder:
            assert operator.does("backup", str(tmp_path / "again")).returncode == 0
    operator.services.run("prepare")
    assert migrations.current(operator.database_url) == migrations.head()


def test_a_backup_is_made_while_calls_are_written_down(operator: Operator, tmp_path: Path) -> None:
    operator.recordings.mkdir(parents=True, exist_ok=True)
    over = threading.Event()
    writing = threading.Thread(target=_call_after_call, args=(operator.recordings, over))
    writing.start()
    try:
        for attempt in range(3):
            done = operator.does("backup", str(tmp_path / f"kept-{attempt}"))
            assert done.returncode == 0, done.stderr
            assert "worker-data.tar" in os.listdir(tmp_path / f"kept-{attempt}")
    finally:
        over.set()
        writing.join()


def _call_after_call(recordings: Path, over: threading.Event) -> None:
    """Write a recording that grows and is changed at its head, and others that come and go."""
    growing = recordings / "call_growing.wav"
    growing.write_bytes(bytes(64 * 1024 * 1024))
    number = 0
    while not over.is_set():
        with growing.open("r+b") as file:
            file.write(b"RIFF")
            file.seek(0, os.SEEK_END)
            file.write(bytes(8192))
        brief = recordings / f"call_{number}.wav"
        brief.write_bytes(bytes(8192))
        (recordings / f"call_{number - 50}.wav").unlink(missing_ok=True)
        number += 1
    growing.unlink()


@pytest.mark.parametrize("seen", ["by-its-sums", "by-postgres"])
def test_a_restore_that_fails_leaves_the_database_as_it_was(
    seen: str, operator: Operator, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    assert operator.does("backup", str(folder)).returncode == 0
    operator.services.run("cli", "keys", "create", "--name", seen)
    dump = folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 3])
    if seen == "by-postgres":
        again = "sha256sum database.dump worker-data.tar >SHA256SUMS"
        subprocess.run(again, shell=True, cwd=folder, check=True)
    done = operator.does("restore", str(folder), "--yes")
    assert done.returncode == 1
    said = "nothing was changed" if seen == "by-its-sums" else "the database is as it was"
    assert said in done.stderr
    assert seen in operator.names_of_keys()


def test_a_restore_wants_to_be_meant(operator: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert operator.does("backup", str(folder)).returncode == 0
    before = operator.log.read_text()
    done = operator.does("restore", str(folder))
    assert done.returncode == 1
    assert "add --yes" in done.stderr
    assert operator.log.read_text() == before
    assert operator.does("restore", str(tmp_path / "nowhere"), "--yes").returncode == 1


def test_a_backup_never_writes_over_another(operator: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert operator.does("backup", str(folder)).returncode == 0
    done = operator.does("backup", str(folder))
    assert done.returncode == 1
    assert "is there already" in done.stderr
