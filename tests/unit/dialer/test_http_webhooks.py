"""The names of webhooks are looked up by a resolver that may be slow."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dialer.adapters import http_webhooks
from dialer.adapters.http_webhooks import HttpWebhooks
from dialer.inbound.choice import WebhookFailed
from telephony.events import RoutedBy
from tests.kit.until import until


class Resolver:
    """Answers for names that begin with ``slow`` when it is let go; all others are nowhere."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.go_on.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "nobody knows it")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Give the resolver that everybody asks."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.go_on.set()


async def _asked(webhooks: HttpWebhooks, host: str) -> RoutedBy:
    with pytest.raises(WebhookFailed) as failed:
        await webhooks.ask(f"https://{host}/who", b"{}", {})
    return failed.value.result


async def test_a_slow_name_is_looked_up_once_for_all_who_ask(resolver: Resolver) -> None:
    webhooks = HttpWebhooks(within=0.2)
    crowd = (_asked(webhooks, "slow.example.com") for _ in range(100))
    assert set(await asyncio.gather(*crowd)) == {RoutedBy.TIMEOUT}
    assert await _asked(webhooks, "slow.example.com") is RoutedBy.TIMEOUT
    assert resolver.asked == ["slow.example.com"]
    resolver.go_on.set()
    # What it said at last is nothing that is kept.
    patient = HttpWebhooks(within=30)
    assert await _asked(patient, "slow.example.com") is RoutedBy.UNREACHABLE
    assert len(resolver.asked) == 2


async def test_slow_names_hold_up_no_other_ones(resolver: Resolver) -> None:
    webhooks = HttpWebhooks(within=30)
    few = http_webhooks._LOOK_UPS - 1  # pyright: ignore[reportPrivateUsage]
    slow = [asyncio.create_task(_asked(webhooks, f"slow{n}.example.com")) for n in range(few)]
    await until(lambda: len(resolver.asked) == few, what="all of them are asked for")
    assert await _asked(webhooks, "quick.example.com") is RoutedBy.UNREACHABLE
    resolver.go_on.set()
    await asyncio.gather(*slow)


async def test_however_many_are_slow_the_threads_of_others_stay_free(resolver: Resolver) -> None:
    webhooks = HttpWebhooks(within=0.2)
    crowd = (_asked(webhooks, f"slow{n}.example.com") for n in range(100))
    assert set(await asyncio.gather(*crowd)) == {RoutedBy.TIMEOUT}
    assert len(resolver.asked) <= http_webhooks._LOOK_UPS  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(30):
        assert await asyncio.to_thread(lambda: "free") == "free"
    resolver.go_on.set()
