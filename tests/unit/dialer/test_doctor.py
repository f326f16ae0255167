"""What the doctor makes of what its probes found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dialer import doctor
from tests.kit.api import settings

HOUR = 3600.0


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, **probes: Any) -> str:
    """Have the doctor examine with these probes in place of its own; gives what it says."""
    for name, found in probes.items():

        async def answer(*_: object, found: object = found, **__: object) -> object:
            return found

        monkeypatch.setattr(doctor.probes, name, answer)
    console = Console(record=True, width=250)
    doctor.examine(settings(f"sqlite:///{folder}/none.db", api_port=0), console)
    return console.export_text()


@pytest.mark.parametrize(
    ("skew", "said"), [(HOUR, "3600 s ahead of"), (-HOUR, "3600 s behind"), (0.5, "agrees with")]
)
def test_101_a_clock_that_disagrees_is_a_doubt(
    skew: float, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = told(
        monkeypatch,
        tmp_path,
        redis_answers="7.0.15",
        livekit_answers=0,
        clock_skew=skew,
        same_redis=True,
    )
    (line,) = [line for line in found.splitlines() if "livekit-server's" in line]
    assert said in line
    assert ("tokens will be refused" in line) == (abs(skew) > doctor.MOST_SKEW)


@pytest.mark.parametrize(
    ("version", "said"),
    [((1, 6, 9), "is too old"), ((1, 8, 0), "our own timers cover for it"), ((1, 9, 0), "")],
)
def test_106_a_bridge_is_judged_by_its_version(
    version: tuple[int, ...], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = tmp_path / "server"
    server.touch()

    def which(_: str) -> str:
        return str(server)

    def built(_: str) -> tuple[int, ...]:
        return version

    monkeypatch.setattr(doctor.shutil, "which", which)
    monkeypatch.setattr(doctor, "module_version", built)
    found = told(monkeypatch, tmp_path)
    (line,) = [line for line in found.splitlines() if "livekit-sip:" in line]
    assert ".".join(str(part) for part in version) in line
    assert said in line
    assert ("too old" in line or "our own timers" in line) == bool(said)
