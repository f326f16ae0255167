"""The sandbox as a fixture: the whole stack in a folder of its own, once for the test run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.until import until_sync

PROJECT = Path(__file__).resolve().parents[2]
_READY_WITHIN = 180.0
_STOPS_WITHIN = 60.0


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give what sandbox.json says of a whole sandbox, and ``state_file``, where that file is.

    The file is kept true while processes come and go; read it again for newer ``processes``.
    """
    with sandbox(tmp_path_factory.mktemp("sandbox")) as description:
        yield description


@contextmanager
def sandbox(
    state: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Generator[dict[str, Any]]:
    """Run a sandbox until the block ends, its environment on top of ours.

    Errors: AssertionError with what it printed when it does not become ready or does not stop.
    """
    state.mkdir(parents=True, exist_ok=True)
    printed = state / "printed.log"
    command = [sys.executable, "-m", "sandbox", "--state", str(state), *arguments]
    with printed.open("wb") as output:
        # A session of its own: Ctrl-C reaches the tests, and they end the sandbox in order.
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        until_sync(
            lambda: _ready(process, printed), _READY_WITHIN, every=0.2, what=f"ready: {printed}"
        )
        description = json.loads((state / "sandbox.json").read_text())
        yield description | {"state_file": str(state / "sandbox.json")}
    finally:
        _stop(process, printed)


def _ready(process: subprocess.Popen[bytes], printed: Path) -> bool:
    text = printed.read_text(errors="replace")
    assert process.poll() is None, f"the sandbox ended by itself:\n{text[-3000:]}"
    return "all ready" in text


def _stop(process: subprocess.Popen[bytes], printed: Path) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOPS_WITHIN)
        return
    process.kill()
    process.wait(10)
    raise AssertionError(f"the sandbox did not stop on SIGTERM:\n{printed.read_text()[-3000:]}")
