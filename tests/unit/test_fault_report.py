"""A test of the fault matrix that fails tells its seed, processes, SIP trace, calls and logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.kit.named_tests import TESTS

FAILING = """
import json, os, pytest

@pytest.fixture
def running():
    return json.loads(os.environ["RUNNING"])

@pytest.mark.fault("F3", "F15")
def test_that_fails(running, seed):
    assert seed == 42
    assert False
"""
CALL = {"id": "call_1", "status": "ended", "outcome": "failed", "ended_reason": "lost"}
EVENT: dict[str, Any] = {
    "sequence": 1,
    "occurred_at": "2100-01-01T00:00:00Z",
    "source": "worker",
    "type": "call.dialing",
    "data": {},
}
TRACE = {
    "call_id": "sip-call-7",
    "behaviour": "busy",
    "state": "ended",
    "messages": [
        {"at": "12:00:00", "direction": "rx", "line": "INVITE sip:callee", "cseq": "1 INVITE"}
    ],
}


class _Both(BaseHTTPRequestHandler):
    """Answers for the API where a key comes along, and else for the carrier."""

    def do_GET(self) -> None:
        found: dict[str, Any] = {"calls": [TRACE]}
        if self.headers["Authorization"]:
            found = {"events": [EVENT]} if "/events" in self.path else {"calls": [CALL]}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Both)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def failure_of(folder: Path, running: dict[str, Any]) -> str:
    (folder / "test_failing.py").write_text(FAILING)
    options = ["-p", "tests.kit.fault_rows", "-p", "no:cacheprovider", "--seed", "42"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "test_failing.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "RUNNING": json.dumps(running)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def sandbox(tmp_path: Path) -> dict[str, Any]:
    """Give what a sandbox tells of itself, with a log."""
    state = tmp_path / "sandbox.json"
    state.write_text(json.dumps({"processes": {"api": 4711, "livekit-sip": 4712}}))
    (tmp_path / "worker.log").write_text('{"timestamp": "2100-01-01T00:00:00Z", "event": "joined"}')
    return {"state_file": str(state), "logs_dir": str(tmp_path), "api_key": "k"}


def test_everything_that_led_to_it_is_told(tmp_path: Path, sandbox: dict[str, Any]) -> None:
    with answering() as url:
        told = failure_of(tmp_path, sandbox | {"api_url": url, "carrier_control_url": url})
    for said in (
        "rows F3, F15",
        "seed: 42 (again: --seed 42)",
        "api: 4711",
        "livekit-sip: 4712",
        "sip-call-7 busy ended",
        "rx INVITE sip:callee (1 INVITE)",
        "call_1 ended failed lost",
        "worker call.dialing {}",
        '"event": "joined"',
    ):
        assert said in told, told


def test_what_is_gone_keeps_nothing_else_from_being_told(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    away = "http://127.0.0.1:1"
    told = failure_of(tmp_path, sandbox | {"api_url": away, "carrier_control_url": away})
    assert told.count("not to be had: ConnectError") == 2
    for said in ("seed: 42", "api: 4711", '"event": "joined"'):
        assert said in told, told
