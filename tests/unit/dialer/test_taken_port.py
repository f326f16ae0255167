"""A port that somebody else has is told with its number, and with who has it where that is seen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer import migrations, taken_port
from sandbox.folders import PROJECT

HOST = "127.0.0.1"


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port that this process listens on."""
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_103_the_port_and_its_process_are_named(port: int) -> None:
    said = taken_port.obstacle(HOST, port)
    assert said is not None
    assert said.startswith(f"port {port} is taken by process {os.getpid()} (")


def test_103_a_process_of_somebody_else_is_another_program(
    port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(taken_port, "_PROC", tmp_path)
    assert taken_port.obstacle(HOST, port) == f"port {port} is taken by another program"


def test_a_port_that_is_free_is_no_obstacle(port: int) -> None:
    assert taken_port.obstacle("127.0.0.2", port) is None
    assert taken_port.obstacle(HOST, 0) is None


def test_an_address_of_another_machine_is_told_as_what_it_is() -> None:
    said = taken_port.obstacle("192.0.2.1", 8000)
    assert said is not None
    assert said.startswith("port 8000 of 192.0.2.1 cannot be listened on (")


def test_103_the_api_does_not_start_and_says_why(port: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
        "LIVEKIT_API_SECRET": "livekit-secret-of-the-tests-32-and-more",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": f"sqlite:///{tmp_path}/telephony.db",
        "API_PORT": str(port),
    }
    migrations.upgrade(environment["DATABASE_URL"])
    told = subprocess.run(
        [sys.executable, "-m", "dialer", "api"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 2, told.stderr
    assert f"Port {port} is taken by process {os.getpid()}" in told.stderr
    assert "API_PORT" in told.stderr and "Traceback" not in told.stderr
