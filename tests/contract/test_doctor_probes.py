"""What ``dialer doctor`` says of a real Redis and a real LiveKit that do not let us in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialer.adapters import probes
from dialer.adapters.probes import Trouble
from dialer.doctor import MOST_SKEW
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, Server, redis_server

pytestmark = pytest.mark.asyncio

PASSWORD = "open-sesame"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a Redis that wants a password."""
    server = redis_server(tmp_path_factory.mktemp("locked"))
    server.command += ["--requirepass", PASSWORD]
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:{port}/0", "it wants a password: put one into REDIS_URL"),
        ("redis://:wrong@127.0.0.1:{port}/0", "it refuses our password"),
        ("rediss://:open-sesame@127.0.0.1:{port}/0", "is TLS right?"),
        ("redis://127.0.0.1:1/0", "is it running"),
        ("redis://127.0.0.1:{port}/99", "password"),
    ],
)
async def test_each_way_not_to_reach_redis_has_its_own_words(
    locked: Server, url: str, said: str
) -> None:
    with pytest.raises(Trouble) as told:
        await probes.redis_answers(url.format(port=locked.port))
    assert said in str(told.value)
    assert PASSWORD not in str(told.value)


async def test_the_right_password_opens_redis(locked: Server) -> None:
    assert await probes.redis_answers(f"redis://:{PASSWORD}@127.0.0.1:{locked.port}/0")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        pytest.param(LIVEKIT_KEY, "w" * 40, id="another secret"),
        pytest.param("another-key", LIVEKIT_SECRET, id="another key"),
    ],
)
async def test_a_key_that_livekit_does_not_know_is_told_with_both_names(
    media: MediaServers, key: str, secret: str
) -> None:
    with pytest.raises(Trouble) as told:
        await probes.livekit_answers(media.livekit_url, key, secret)
    assert "check both LIVEKIT_API_KEY and LIVEKIT_API_SECRET" in str(told.value)


async def test_a_livekit_that_is_not_there_is_told_with_its_setting() -> None:
    with pytest.raises(Trouble, match="check LIVEKIT_URL"):
        await probes.livekit_answers("ws://127.0.0.1:1", LIVEKIT_KEY, LIVEKIT_SECRET)


async def test_another_redis_than_livekits_is_found_out(
    media: MediaServers, tmp_path: Path
) -> None:
    livekit = (media.livekit_url, LIVEKIT_KEY, LIVEKIT_SECRET)
    other = redis_server(tmp_path)
    other.start()
    try:
        assert await probes.same_redis(media.redis_url, *livekit, prefix="tel")
        url = f"redis://127.0.0.1:{other.port}/0"
        assert not await probes.same_redis(url, *livekit, prefix="tel")
        assert not await probes.same_redis(media.redis_url[:-1] + "1", *livekit, prefix="tel")
    finally:
        other.stop()


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
async def test_clocks_that_disagree_are_seen(media: MediaServers, ahead: float) -> None:
    skew = await probes.clock_skew(media.livekit_url, clock=lambda: time.time() + ahead)
    assert skew is not None and abs(skew - ahead) < MOST_SKEW


async def test_a_clock_that_cannot_be_asked_is_no_finding() -> None:
    assert await probes.clock_skew("ws://127.0.0.1:1") is None
