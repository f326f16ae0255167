"""A browser's side of the test page, without a browser: cookies, and the headers it would send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from dialer import migrations
from tests.kit.api import Api, api

#: What a browser adds when one of our own pages asks.
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@asynccontextmanager
async def console(folder: Path, **settings: str) -> AsyncGenerator[tuple[Api, httpx.AsyncClient]]:
    """Give the application over a new SQLite file, and a browser that has not signed in."""
    url = f"sqlite:///{folder}/telephony.db"
    migrations.upgrade(url)
    scheme = "https" if settings.get("public_url", "").startswith("https:") else "http"
    async with (
        api(url, **settings) as found,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(found.app, raise_app_exceptions=False),
            base_url=f"{scheme}://dialer",
            headers=OWN_PAGE,
        ) as browser,
    ):
        yield found, browser


async def sign_in(found: Api, browser: httpx.AsyncClient) -> None:
    """Sign the browser in with the default tenant's key."""
    answer = await browser.post("/console/login", data={"key": found.key})
    assert answer.status_code == 303, answer.text
