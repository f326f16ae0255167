"""The line that is played to callers for whom there is nobody."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dialer import incoming
from dialer.adapters import announcer
from dialer.adapters.announcer import SHIPPED, NotPlayable, ProcessAnnouncer, read_line
from tests.kit.api import settings
from tests.kit.fakes import FakeRooms
from tests.kit.until import until


def written(
    path: Path, *, seconds: float = 1, rate: int = 8000, width: int = 2, n: int = 1
) -> Path:
    """Write a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(n)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"\1" * int(seconds * rate) * width * n)
    return path


def test_one_comes_with_the_gateway() -> None:
    line = read_line(SHIPPED)
    assert 3 <= line.seconds <= 12
    loudest = max(
        abs(int.from_bytes(line.samples[at : at + 2], "little", signed=True))
        for at in range(0, len(line.samples), 2)
    )
    assert loudest > 3000, "it is audible"


@pytest.mark.parametrize(
    "how",
    [{"seconds": 0}, {"seconds": 31}, {"width": 1}, {"n": 2}, {"rate": 96_000}],
    ids=["empty", "long", "8 bit", "stereo", "rate"],
)
def test_a_file_that_cannot_be_played_is_named(tmp_path: Path, how: dict[str, int]) -> None:
    with pytest.raises(NotPlayable):
        read_line(written(tmp_path / "line.wav", **how))


def test_what_is_no_wav_file_is_no_line(tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"RIFF" + b"\0" * 100)
    for path in (noise, tmp_path / "nothing.wav", tmp_path):
        with pytest.raises(NotPlayable):
            read_line(path)


def test_without_a_line_it_is_not_ready(tmp_path: Path) -> None:
    rooms = FakeRooms(now=lambda: datetime.now(UTC))
    assert not ProcessAnnouncer(rooms, url="ws://x", path=tmp_path / "nothing.wav").ready
    assert not ProcessAnnouncer(rooms, url="ws://x", path=None).ready
    good = written(tmp_path / "line.wav")
    assert ProcessAnnouncer(rooms, url="ws://x", path=good).ready


async def test_where_there_is_no_livekit_it_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    rooms = FakeRooms(now=lambda: datetime.now(UTC))
    announcer = ProcessAnnouncer(rooms, url="ws://127.0.0.1:1", path=written(tmp_path / "line.wav"))

    async def heard() -> None:
        raise AssertionError("nobody heard it")

    assert not await announcer.play("tel-in_x", "sip_1f", heard)


async def test_the_process_that_plays_is_given_no_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    (tmp_path / "dialer" / "adapters").mkdir(parents=True)
    for package in ("dialer", "dialer/adapters"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "dialer" / "adapters" / "playing.py").write_text(
        f"import json, os\njson.dump(dict(os.environ), open({str(found)!r}, 'w'))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/our-own.pem")
    for secret in ("TOKEN_SECRET", "DATABASE_URL", "LIVEKIT_API_SECRET", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(secret, "hidden-0123456789abcdef0123456789")
    rooms = FakeRooms(now=lambda: datetime.now(UTC))
    given = settings("sqlite:///unused.db")

    async def heard() -> None:
        raise AssertionError("it says nothing")

    assert await incoming.announcer(given, rooms).play("tel-in_x", "sip_1f", heard)
    there = json.loads(found.read_text())
    assert there["SSL_CERT_FILE"] == "/etc/our-own.pem"
    # Python itself sets the locale where there is none.
    assert set(there) - {"LC_CTYPE"} <= set(announcer.NEEDS)


class Playing:
    """A process that plays until it is let go."""

    def __init__(self, over: asyncio.Event) -> None:
        self.returncode: int | None = None
        self.stdin = self.stdout = self
        self._over = over

    def write(self, _: bytes) -> None:
        """Take the order."""

    def close(self) -> None:
        """Take no more."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield announcer.HEARD
        await self._over.wait()

    async def wait(self) -> int:
        """End well."""
        self.returncode = 0
        return 0


async def test_a_crowd_of_callers_does_not_start_a_crowd_of_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over, started, heard = asyncio.Event(), list[Playing](), list[None]()

    async def start(*_: Any, **__: Any) -> Playing:
        started.append(Playing(over))
        return started[-1]

    async def hear() -> None:
        heard.append(None)

    monkeypatch.setattr(announcer, "_AT_ONCE", 2)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    playing = ProcessAnnouncer(FakeRooms(now=lambda: datetime.now(UTC)), url="ws://127.0.0.1:1")
    callers = [asyncio.create_task(playing.play("r", f"c{n}", hear)) for n in range(5)]
    await until(lambda: len(heard) == 2, what="as many play as may")
    assert len(started) == 2
    over.set()
    assert all(await asyncio.gather(*callers)) and len(started) == len(heard) == 5
    monkeypatch.setattr(announcer, "ANNOUNCER_WAITS", timedelta(seconds=0.01))
    over.clear()
    callers = [asyncio.create_task(playing.play("r", f"c{n}", hear)) for n in range(2)]
    await until(lambda: len(started) == 7, what="both play")
    assert not await playing.play("r", "late", hear)
    over.set()
    await asyncio.gather(*callers)
