"""Nobody reads or changes what belongs to another tenant; keys end when they should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from dialer.tenants.keys import REMEMBERED, Keys
from dialer.tenants.sessions import spend
from dialer.tenants.tokens import SESSION_COOKIE
from telephony.errors import Unauthorized
from tests.kit.api import Api, changed

pytestmark = pytest.mark.asyncio

BODY = {"phone_number": "+14155550100", "metadata": {"secret": "of the first tenant"}}
#: Routes that need no key, and why.
OPEN = {
    "/healthz": "probes have no key",
    "/readyz": "probes have no key",
}


def operations(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    """List every operation of the OpenAPI document."""
    paths: dict[str, Any] = api.app.openapi()["paths"]
    return [
        (path, method.upper(), operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


async def ask(client: httpx.AsyncClient, path: str, method: str, call_id: str) -> httpx.Response:
    body = {"phone_number": "+14155550101"} if path == "/calls" and method == "POST" else None
    return await client.request(method, path.replace("{call_id}", call_id), json=body)


async def test_no_operation_shows_another_tenant_anything(api: Api) -> None:
    other = await api.tenant("other")
    async with api.client() as mine, api.client(other) as theirs:
        call_id = (await mine.post("/calls", json=BODY)).json()["id"]
        seen = 0
        for path, method, _ in operations(api):
            answer = await ask(theirs, path, method, call_id)
            if "{call_id}" in path:
                seen += 1
                assert answer.status_code == 404, (method, path, answer.text)
                never_was = await ask(theirs, path, method, "call_" + "0" * 32)
                assert never_was.json() == answer.json(), "the texts must not differ"
            if path != "/calls" or method != "POST":
                assert call_id not in answer.text, (method, path)
                assert "first tenant" not in answer.text, (method, path)
        assert seen >= 4
        call = (await mine.get(f"/calls/{call_id}")).json()
    assert call["status"] == "queued", "the other tenant's hang-up did nothing"


async def test_every_operation_needs_a_key_but_for_the_few_that_say_so(api: Api) -> None:
    async with api.client() as client:
        del client.headers["Authorization"]
        for path, method, operation in operations(api):
            answer = await ask(client, path, method, "call_" + "0" * 32)
            if path in OPEN:
                assert answer.status_code in (200, 503)
                continue
            assert answer.status_code == 401, (method, path, answer.text)
            either: list[dict[str, Any]] = [{"apiKey": []}]
            if path == "/metrics":
                either.append({"metricsToken": []})
            assert operation["security"] == either, (method, path)


async def test_47_expired_and_revoked_keys_are_refused_like_unknown_ones(api: Api) -> None:
    async with api.services.database.transaction() as tx:
        keys = Keys(tx, "default")
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        expired = await keys.create("old", now=long_ago, life=timedelta(days=1))
        revoked = await keys.create("gone", now=long_ago)
        await keys.revoke(revoked.id, now=long_ago)
    told: list[httpx.Response] = []
    for secret in ("tk_unknown", expired.secret, revoked.secret):
        async with api.client(secret) as client:
            told.append(await client.get("/calls"))
    assert {answer.status_code for answer in told} == {401}
    assert len({answer.text for answer in told}) == 1


async def test_47_unknown_and_revoked_keys_cost_the_same_work_and_tell_the_same(api: Api) -> None:
    async with api.services.database.transaction() as tx:
        keys = Keys(tx, "default")
        revoked = await keys.create("gone", now=datetime.now(UTC))
        await keys.revoke(revoked.id, now=datetime.now(UTC))
        expired = await keys.create("old", now=datetime(2020, 1, 1, tzinfo=UTC), life=timedelta(1))
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    told: list[tuple[list[str], int, bytes, dict[str, str]]] = []
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for secret in ("tk_unknown", revoked.secret, expired.secret) * 2:
            statements.clear()
            async with api.client(secret) as client:
                answer = await client.get("/calls")
            headers = {n: v for n, v in answer.headers.items() if n not in ("x-request-id", "date")}
            told.append(([*statements], answer.status_code, answer.content, headers))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert all(each == told[0] for each in told)
    assert len(told[0][0]) == 1, "one look at the database, whatever the key"


async def test_a_key_that_is_revoked_or_expires_opens_nothing_two_seconds_later(api: Api) -> None:
    began = datetime.now(UTC)
    async with api.services.database.transaction() as tx:
        keys = Keys(tx, "default")
        revoked = await keys.create("gone", now=began)
        expires = await keys.create("short", now=began, life=timedelta(seconds=1))
    clock = began
    timed = changed(api, now=lambda: clock)

    async def opens(secret: str) -> int:
        async with timed.client(secret) as client:
            return (await client.get("/calls")).status_code

    assert [await opens(key) for key in (revoked.secret, expires.secret)] == [200, 200]
    async with api.services.database.transaction() as tx:
        await Keys(tx, "default").revoke(revoked.id, now=began)
    # What is remembered is the whole key: no other one comes in with it.
    for wrong in (revoked.secret[:-1], revoked.secret + "x", revoked.secret.upper(), "tk_"):
        assert await opens(wrong) == 401
    clock = began + timedelta(seconds=1)
    assert await opens(expires.secret) == 401
    clock = began + REMEMBERED
    assert await opens(revoked.secret) == 401
    clock = began - timedelta(hours=1)
    assert await opens(revoked.secret) == 401, "a clock that goes back opens nothing"
    assert timedelta(seconds=2) >= REMEMBERED


async def test_keys_are_stored_as_hashes_and_never_shown_again(api: Api) -> None:
    async with api.services.database.transaction() as tx:
        keys = Keys(tx, "default")
        made = await keys.create("new", now=datetime.now(UTC))
        listed = await keys.list()
    assert made.secret.startswith("tk_") and len(made.secret) >= 40
    assert made.secret not in repr(listed) + repr(made)


async def test_the_pages_cookie_reads_and_only_the_page_may_change(api: Api) -> None:
    session = api.services.tokens.mint_session("default")
    async with api.client(cookies={SESSION_COOKIE: session}) as client:
        del client.headers["Authorization"]
        assert (await client.get("/calls")).status_code == 200
        foreign = await client.post("/calls", json=BODY, headers={"Origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site")
        bare = await client.post("/calls", json=BODY)
        assert bare.status_code == 403
        own = await client.post("/calls", json=BODY, headers={"Origin": "http://dialer"})
        assert own.status_code == 202
        crossed = await client.post(
            "/calls",
            json=BODY,
            headers={"Origin": "http://dialer", "Sec-Fetch-Site": "cross-site"},
        )
        assert crossed.status_code == 403


async def test_a_session_ends_with_the_key_that_signed_in_and_when_it_is_signed_out(
    api: Api,
) -> None:
    async with api.services.database.transaction() as tx:
        key = await Keys(tx, "default").create("page", now=datetime.now(UTC))
        other = await Keys(tx, "default").create("other page", now=datetime.now(UTC))
    cookies: list[str] = []
    for signs_in in (key, other):
        async with api.client() as browser:
            origin = {"Origin": "http://dialer"}
            await browser.post("/console/login", data={"key": signs_in.secret}, headers=origin)
            cookies.append(browser.cookies[SESSION_COOKIE])

    async def opens(cookie: str) -> int:
        async with api.client(cookies={SESSION_COOKIE: cookie}) as page:
            del page.headers["Authorization"]
            return (await page.get("/calls")).status_code

    assert [await opens(cookie) for cookie in cookies] == [200, 200]
    async with api.services.database.transaction() as tx:
        await Keys(tx, "default").revoke(key.id, now=datetime.now(UTC))
    assert [await opens(cookie) for cookie in cookies] == [401, 200]
    async with api.client(cookies={SESSION_COOKIE: cookies[1]}) as page:
        for _ in range(2):
            signed_out = await page.post("/console/logout", headers={"Origin": "http://dialer"})
            assert signed_out.status_code == 303
            page.cookies.set(SESSION_COOKIE, cookies[1], domain="dialer")
        assert 'id="connect"' not in (await page.get("/console")).text
    assert [await opens(cookie) for cookie in cookies] == [401, 401]


async def test_a_sign_in_link_works_once(api: Api) -> None:
    link = api.services.tokens.verify_link(api.services.tokens.mint_link("default"))
    now = api.services.now()
    async with api.services.database.transaction() as tx:
        await spend(tx, link, now=now)
    with pytest.raises(Unauthorized):
        async with api.services.database.transaction() as tx:
            await spend(tx, link, now=now)


async def test_tokens_of_one_kind_open_nothing_of_another(api: Api) -> None:
    tokens = api.services.tokens
    made = {
        "attempt": tokens.mint_attempt_token("a", "default", 1),
        "worker": tokens.mint_worker_token("a"),
        "session": tokens.mint_session("a"),
        "link": tokens.mint_link("a"),
    }

    def attempt(token: str) -> object:
        return tokens.verify_attempt_token(token, "a")

    def worker(token: str) -> object:
        return tokens.verify_worker_token(token, "a")

    checks: dict[str, Callable[[str], object]] = {
        "attempt": attempt,
        "worker": worker,
        "session": tokens.verify_session,
        "link": tokens.verify_link,
    }
    for kind, token in made.items():
        for other, check in checks.items():
            if kind == other:
                check(token)
                continue
            with pytest.raises(Unauthorized):
                check(token)
    with pytest.raises(Unauthorized):
        tokens.verify_attempt_token(made["attempt"], "b")
    with pytest.raises(Unauthorized):
        tokens.verify_worker_token(made["worker"], "b")
    for token in made.values():
        async with api.client(token) as client:
            assert (await client.get("/calls")).status_code == 401
