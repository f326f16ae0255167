"""Trunks of a file in a running sandbox's LiveKit, and the doctor's command over them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunks import reading
from trunks.livekit_sip import LiveKitSip
from trunks.resources import Found, Key

PROJECT = Path(__file__).resolve().parents[2]
#: A number of the trunk ``main`` that takes calls.
OURS = "+14155550180"
NOBODYS = "+14155550181"

_FILE = """\
version: 1
deployment: doctored
carriers:
  box: {{kind: generic}}
trunks:
  main:
    carrier: box
    address: {address}
    outbound: {{username: {username}, password: "${{RIGHT}}"}}
    inbound: {{allowed_addresses: ["127.0.0.1/32"]}}
  wrong:
    carrier: box
    address: {address}
    outbound: {{username: {username}, password: "${{WRONG}}"}}
  stranger:
    carrier: box
    address: {address}
    outbound: {{}}
  unmade:
    carrier: box
    address: {address}
    outbound: {{}}
numbers:
  "{ours}": {{trunk: main, inbound: {{agent: default}}}}
  "+14155550182": {{trunk: wrong}}
  "+14155550183": {{trunk: stranger}}
  "+14155550184": {{trunk: unmade}}
"""


@dataclass
class Clinic:
    """Where the command is run, and with which environment."""

    folder: Path
    environment: Mapping[str, str]

    def examine(self, trunk: str, *arguments: str) -> Diagnosis:
        """Run `dialer trunks doctor` as an operator does."""
        command = [sys.executable, "-m", "dialer", "trunks", "doctor", trunk, "--json", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode in (0, 3), done.stderr[-3000:]
        return Diagnosis(done.returncode, json.loads(done.stdout)["findings"])


@dataclass
class Diagnosis:
    """What the command found."""

    status: int
    findings: list[dict[str, Any]]

    def of(self, part: str) -> dict[str, Any]:
        """Give the finding about a part."""
        return next(one for one in self.findings if one["part"] == part)


@contextmanager
def clinic(running: dict[str, Any], folder: Path) -> Generator[Clinic]:
    """Have the trunks of the file in LiveKit, all but ``unmade``, until the block ends."""
    environment = {
        "RIGHT": running["carrier_password"],
        "WRONG": "not-the-password-of-anybody",
        "LIVEKIT_URL": running["livekit_url"],
        "LIVEKIT_API_KEY": running["livekit_api_key"],
        "LIVEKIT_API_SECRET": running["livekit_api_secret"],
        "TRUNKS_FILE": "trunks.yaml",
    }
    text = _FILE.format(
        address=running["carrier_address"], username=running["carrier_username"], ours=OURS
    )
    (folder / "trunks.yaml").write_text(text, encoding="utf-8")
    made = asyncio.run(_make(text, environment))
    try:
        yield Clinic(folder, environment)
    finally:
        asyncio.run(_unmake(text, environment, made))


def _adapter(text: str, environment: Mapping[str, str]) -> tuple[LiveKitSip, Any]:
    desired = reading.parse(text, environment=environment, deployment="doctored").desired
    return LiveKitSip(livekit=desired.livekit, deployment=desired.deployment), desired


async def _make(text: str, environment: Mapping[str, str]) -> list[Found]:
    adapter, desired = _adapter(text, environment)
    ids: dict[Key, str] = {}
    made: list[Found] = []
    for wanted in adapter.wanted(desired):
        if wanted.key.name != "doctored/unmade":
            made.append(await adapter.create(wanted, ids))
            ids[wanted.key] = made[-1].id
    await adapter.aclose()
    return made


async def _unmake(text: str, environment: Mapping[str, str], made: list[Found]) -> None:
    adapter, _ = _adapter(text, environment)
    for found in reversed(made):
        await adapter.delete(found)
    await adapter.aclose()
