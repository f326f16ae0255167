"""Signing in to the test page, and out of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from dialer.tenants.tokens import LINK_LIFE, SESSION_COOKIE, SESSION_LIFE, Tokens
from tests.kit.api import Api
from tests.kit.browser_session import OTHER_SITE, console, sign_in


@dataclass(frozen=True)
class Visit:
    """The application and a browser."""

    api: Api
    browser: httpx.AsyncClient

    def tokens_of(self, age: timedelta) -> Tokens:
        """Give a mint whose clock is behind: what it makes is that old."""
        secret = self.api.services.settings.token_secret.get_secret_value()
        return Tokens(secret, now=lambda: datetime.now(UTC) - age)

    async def is_signed_in(self) -> bool:
        return 'id="connect"' in (await self.browser.get("/console")).text


@pytest_asyncio.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Visit]:
    async with console(tmp_path) as (api, browser):
        yield Visit(api, browser)


async def test_who_is_not_signed_in_sees_the_form(visit: Visit) -> None:
    answer = await visit.browser.get("/console")

    assert answer.status_code == 200
    assert 'name="key"' in answer.text
    assert 'id="connect"' not in answer.text


async def test_a_key_signs_in_for_twelve_hours(visit: Visit) -> None:
    answer = await visit.browser.post("/console/login", data={"key": visit.api.key})

    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{SESSION_COOKIE}=".lower())
    for part in ("httponly", "samesite=lax", "path=/", f"max-age={12 * 3600}"):
        assert part in cookie
    assert "secure" not in cookie
    assert visit.api.key.lower() not in cookie
    assert await visit.is_signed_in()


async def test_the_cookie_is_for_tls_only_when_the_page_is(tmp_path: Path) -> None:
    async with console(tmp_path, public_url="https://calls.example.com") as (api, browser):
        answer = await browser.post("/console/login", data={"key": api.key})

    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("key", ["", "tk_wrong", "ü\x00", "x" * 4000])
async def test_a_wrong_key_is_told_and_signs_nobody_in(visit: Visit, key: str) -> None:
    answer = await visit.browser.post("/console/login", data={"key": key})

    assert answer.status_code in {401, 413}
    assert "set-cookie" not in answer.headers
    if answer.status_code == 401:
        assert "This key is not valid" in answer.text


async def test_a_link_signs_in_once(visit: Visit) -> None:
    path = f"/console/login?token={visit.api.services.tokens.mint_link('default')}"

    first = await visit.browser.get(path)
    visit.browser.cookies.clear()
    second = await visit.browser.get(path)

    assert (first.status_code, first.headers["location"]) == (303, "/console")
    assert second.status_code == 401
    assert "set-cookie" not in second.headers
    assert "works once" in second.text


async def test_a_used_link_still_leads_its_own_browser_to_the_page(visit: Visit) -> None:
    path = f"/console/login?token={visit.api.services.tokens.mint_link('default')}"
    await visit.browser.get(path)

    again = await visit.browser.get(path)

    assert (again.status_code, again.headers["location"]) == (303, "/console")


async def test_a_link_expires(visit: Visit) -> None:
    old = visit.tokens_of(LINK_LIFE + timedelta(minutes=1)).mint_link("default")

    answer = await visit.browser.get(f"/console/login?token={old}")

    assert answer.status_code == 401


async def test_a_session_is_no_link_and_a_link_no_session(visit: Visit) -> None:
    tokens = visit.api.services.tokens

    as_link = await visit.browser.get(f"/console/login?token={tokens.mint_session('default')}")
    visit.browser.cookies.set(SESSION_COOKIE, tokens.mint_link("default"))

    assert as_link.status_code == 401
    assert not await visit.is_signed_in()


async def test_a_session_expires(visit: Visit) -> None:
    old = visit.tokens_of(SESSION_LIFE + timedelta(minutes=1)).mint_session("default")
    visit.browser.cookies.set(SESSION_COOKIE, old)

    assert not await visit.is_signed_in()
    assert (await visit.browser.get("/console/calls")).status_code == 401


@pytest.mark.parametrize("path", ["/console/login", "/console/logout", "/api/token"])
async def test_another_site_cannot_act_through_the_browser(visit: Visit, path: str) -> None:
    await sign_in(visit.api, visit.browser)

    answer = await visit.browser.post(path, json={}, headers=OTHER_SITE)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


async def test_signing_out_forgets_the_cookie(visit: Visit) -> None:
    await sign_in(visit.api, visit.browser)

    answer = await visit.browser.post("/console/logout")

    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert not await visit.is_signed_in()
