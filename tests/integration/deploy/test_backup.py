"""A backup can be put back: the scripts against the compose file's Postgres.

In the place of the ``docker`` command stands a script that runs here what it is asked to run in a
container, and notes the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

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
    assert words[1:7] == ["-T", "--rm", "--no-deps", "--entrypoint", "tar", "worker-1"], words
    os.execvp("tar", ["tar", *({data!r} if word == "/data" else word for word in words[7:])])
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
    assert stops < log.index("pg_restore --clean") < log.rindex("compose up -d --wait")


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
    assert ("nothing was changed" in done.stderr) == (seen == "by-its-sums")
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
