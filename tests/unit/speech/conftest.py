"""A speech server without models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from sandbox.speech.engines import Engines
from tests.unit.speech import fake_engines
from tests.unit.speech.fake_engines import FakeVoice


@pytest.fixture
def voice() -> FakeVoice:
    """Give the voice that the server speaks with."""
    return FakeVoice()


@pytest_asyncio.fixture
async def started(tmp_path: Path, voice: FakeVoice) -> AsyncIterator[Engines]:
    """Give engines that are loaded and warm."""
    made = fake_engines.engines(tmp_path, voice)
    await made.start()
    voice.asked.clear()
    yield made
    made.close()


@pytest_asyncio.fixture
async def speech(started: Engines) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a server that is ready."""
    async with fake_engines.client(started) as opened:
        yield opened
