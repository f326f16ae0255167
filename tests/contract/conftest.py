"""Real servers for the contracts, once for the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.servers import MediaServers, media_servers


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServers]:
    """Give a Redis and a livekit-server."""
    with media_servers(tmp_path_factory.mktemp("media")) as servers:
        yield servers
