"""The sandbox's own life with real servers: up, killed, refused, gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox import leash, ports
from sandbox.folders import PROJECT
from tests.kit.port_space import port_space
from tests.kit.until import until_sync

#: The product itself is tested elsewhere; these are the parts that others wrote.
_FOREIGN = "api,worker,worker-2,speech"
_NAMES = {"redis", "livekit-server", "livekit-sip", "carrier"}


@contextmanager
def _sandbox(state: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sandbox", "--state", str(state), *arguments]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
        assert process.stdout is not None
        process.stdout.close()


def _described(state: Path) -> dict[str, Any]:
    try:
        return json.loads((state / "sandbox.json").read_text())
    except FileNotFoundError:
        return {}


def _ready(state: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "all ready" in line:
            return _described(state)
    raise AssertionError(f"it ended with {process.wait(5)}:\n{said}")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _nothing_left(state: Path, told: dict[str, Any]) -> bool:
    pids = told["processes"].values()
    return not any(_alive(pid) for pid in pids) and not leash.marked(str(state))


def _ports_free(told: dict[str, Any]) -> bool:
    for key in ("sip_address", "carrier_address"):
        host, _, port = told[key].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, int(port)))
    return True


def test_all_parts_run_and_are_described(tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as process:
        told = _ready(tmp_path, process)
        assert told["pid"] == process.pid
        assert set(told["processes"]) == _NAMES
        assert all(_alive(pid) for pid in told["processes"].values())
        assert {path.stem for path in (tmp_path / "logs").iterdir()} == _NAMES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_however_it_is_told_to_end(number: signal.Signals, tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as process:
        told = _ready(tmp_path, process)
        process.send_signal(number)
        status = process.wait(timeout=40)
        assert status == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        until_sync(lambda: _nothing_left(tmp_path, told), 15, what="processes are left")
        until_sync(lambda: not _described(tmp_path), 15, what="the description is left")
        assert _ports_free(told)


@pytest.mark.parametrize("name", sorted(_NAMES))
def test_a_part_that_is_killed_comes_back_on_its_port(name: str, tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as process:
        told = _ready(tmp_path, process)
        os.kill(told["processes"][name], signal.SIGKILL)

        def back() -> bool:
            return _described(tmp_path)["processes"].get(name, 0) not in (
                0,
                told["processes"][name],
            )

        until_sync(back, 30, what=f"{name} did not come back")
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(f"{name} died (killed by SIGKILL)" in line for line in lines)
        assert any(f"{name} is ready again" in line for line in lines)
        now = _described(tmp_path)
        assert {k: v for k, v in now.items() if k != "processes"} == {
            k: v for k, v in told.items() if k != "processes"
        }


def test_a_second_one_in_the_same_folder_is_refused_by_name(tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as process:
        _ready(tmp_path, process)
        with _sandbox(tmp_path, "--without", _FOREIGN) as second:
            said, _ = second.communicate(timeout=30)
        assert second.returncode == 1
        assert f"pid {process.pid}" in said
        assert _described(tmp_path)["pid"] == process.pid


def test_one_starts_right_after_another_was_killed(tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as first:
        told = _ready(tmp_path, first)
        first.kill()
        first.wait(10)
        with _sandbox(tmp_path, "--without", _FOREIGN) as second:
            now = _ready(tmp_path, second)
            assert now["pid"] == second.pid
            assert not any(_alive(pid) for pid in told["processes"].values())


def test_the_death_of_the_watcher_itself_costs_nothing(tmp_path: Path) -> None:
    with _sandbox(tmp_path, "--without", _FOREIGN) as process:
        told = _ready(tmp_path, process)
        os.kill(_watcher_of(process.pid), signal.SIGKILL)
        assert process.stdout is not None
        assert any("another one" in line for line in process.stdout)
        until_sync(lambda: _watcher_of(process.pid), 10)
        assert _described(tmp_path)["processes"] == told["processes"]
        process.kill()
        process.wait(10)
        until_sync(lambda: _nothing_left(tmp_path, told), 15, what="processes are left")


def test_the_ports_are_those_that_were_asked_for(tmp_path: Path) -> None:
    with (
        port_space() as base,
        _sandbox(tmp_path, "--without", _FOREIGN, "--port-base", str(base)) as process,
    ):
        told = _ready(tmp_path, process)
        assert told["api_url"] == f"http://127.0.0.1:{base}"
        assert told["sip_address"] == f"127.0.0.1:{base + ports.ORDER.index('sip')}"


def test_the_trunk_points_at_somebody_elses_phone_system(tmp_path: Path) -> None:
    asked = ("--without", f"{_FOREIGN},carrier", "--carrier", "bench:secret@127.0.0.1:5170")
    with _sandbox(tmp_path, *asked) as process:
        told = _ready(tmp_path, process)
        assert "carrier" not in told["processes"]
        assert told["carrier_address"] == "127.0.0.1:5170"
        assert (told["carrier_username"], told["carrier_password"]) == ("bench", "secret")
        assert told["carrier_control_url"] is None


def _watcher_of(supervisor: int) -> int:
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (
            b"sandbox.leash" in words
            and str(supervisor).encode() in words
            and _alive(int(entry.name))
        ):
            return int(entry.name)
    return 0
