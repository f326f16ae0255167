"""The ear of the doctor's phone, and the trunks that the gateway hands to the doctor."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import pytest

from dialer.adapters.probing_phone import Ear
from dialer.routing.for_doctor import PROVIDED

RATE = 8_000
FRAME = RATE // 50


def frame(*, tone: float = 0, hertz: int = 650, noise: float = 0) -> bytes:
    """Make 20 ms of a tone, of noise, or of both."""
    chance = random.Random(7)
    return struct.pack(
        f"<{FRAME}h",
        *(
            int(tone * math.sin(2 * math.pi * hertz * n / RATE + 1) + noise * chance.uniform(-1, 1))
            for n in range(FRAME)
        ),
    )


@pytest.mark.parametrize(
    ("sound", "loud", "echoed"),
    [
        (frame(), 0, 0),
        (frame(noise=50), 0, 0),
        (frame(tone=8_000), 1, 1),
        (frame(tone=2_000, noise=1_000), 1, 1),
        (frame(noise=8_000), 1, 0),
        (frame(tone=8_000, hertz=440), 1, 0),
        (b"", 0, 0),
    ],
    ids=["silence", "hiss", "our tone", "our tone far away", "noise", "another tone", "nothing"],
)
def test_our_tone_is_told_from_every_other_sound(sound: bytes, loud: int, echoed: int) -> None:
    ear = Ear()
    ear.hear(sound)
    assert (ear.loud, ear.echoed) == (loud, echoed)


@pytest.fixture
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    for name, value in {
        "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "k",
        "LIVEKIT_API_SECRET": "livekit-secret-of-the-tests-32-and-more",
        "DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
        "SIP_TRUNK_ADDRESS": "sip.example.com:5061",
        "SIP_TRUNK_TRANSPORT": "tls",
        "SIP_CALLER_IDS": "+14155550190",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_settings")
async def test_the_trunk_of_the_settings_is_handed_over_though_the_database_is_away() -> None:
    (trunk,) = await PROVIDED.subjects()
    assert (trunk.name, trunk.origin, trunk.host, trunk.port, trunk.transport) == (
        "outbound",
        "the settings",
        "sip.example.com",
        5061,
        "tls",
    )
    livekit = PROVIDED.livekit()
    assert (livekit.url, livekit.api_key) == ("ws://127.0.0.1:1", "k")
