"""The test page: signing in and out, the page itself, its list of the latest calls."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dialer.console import browser_call
from dialer.console.latest import latest
from dialer.console.pages import PageFiles, page
from dialer.reading import read_limited
from dialer.tenants.authenticate import TenantId, require_same_origin
from dialer.tenants.sessions import check_session, spend
from dialer.tenants.tokens import SESSION_COOKIE, SESSION_LIFE, Session
from dialer.wiring import services
from telephony.errors import Unauthorized

_HOME = "/console"
_MAX_FORM = 4096
_NO_SUCH_KEY = "This key is not valid. Check that you copied all of it."
_NO_SUCH_LINK = "This link is not valid any more: it works once. Sign in with an API key."

router = APIRouter()
router.include_router(browser_call.router)
router.mount("/console/static", PageFiles(), name="console-static")


@router.get("/console", include_in_schema=False)
async def show(request: Request) -> Response:
    """Show the page, or the sign-in form to who is not signed in."""
    if await _session(request) is None:
        return page(request, "sign_in.html")
    return page(request, "console.html", agents=services(request).agents.names)


@router.get("/console/login", include_in_schema=False)
async def sign_in_by_link(request: Request, token: str = "") -> Response:
    """Use up a sign-in link."""
    wired = services(request)
    try:
        link = wired.tokens.verify_link(token)
        async with wired.database.transaction() as tx:
            await spend(tx, link, now=wired.now())
    except Unauthorized:
        if await _session(request) is not None:
            # The link opened again in the browser that it signed in.
            return RedirectResponse(_HOME, status_code=303)
        return page(request, "sign_in.html", status_code=401, error=_NO_SUCH_LINK)
    return _signed_in(request, link.tenant_id)


@router.post("/console/login", include_in_schema=False)
async def sign_in_by_key(request: Request) -> Response:
    """Trade an API key for the page's cookie."""
    require_same_origin(request)
    wired = services(request)
    form = parse_qs((await read_limited(request, _MAX_FORM)).decode("utf-8", "replace"))
    key = form.get("key", [""])[0].strip()
    try:
        found = await wired.known_keys.find(wired.database, key, now=wired.now())
    except Unauthorized:
        return page(request, "sign_in.html", status_code=401, error=_NO_SUCH_KEY)
    return _signed_in(request, found.tenant_id, found.id)


@router.post("/console/logout", include_in_schema=False)
async def sign_out(request: Request) -> Response:
    """End the session, so that no copy of its cookie opens anything, and forget the cookie."""
    require_same_origin(request)
    session = await _session(request)
    if session is not None:
        wired = services(request)
        with suppress(Unauthorized):  # signed out twice at once
            async with wired.database.transaction() as tx:
                await spend(tx, session, now=wired.now())
    answer = RedirectResponse(_HOME, status_code=303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return answer


@router.get("/console/calls", include_in_schema=False)
async def latest_calls(request: Request, tenant_id: TenantId) -> Response:
    """List the latest calls, as a piece of the page."""
    async with services(request).database.reading() as connection:
        calls = await latest(connection, tenant_id)
    return page(request, "latest_calls.html", calls=calls)


async def _session(request: Request) -> Session | None:
    wired, cookie = services(request), request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        return None
    try:
        session = wired.tokens.verify_session(cookie)
        async with wired.database.reading() as connection:
            await check_session(connection, session, now=wired.now())
    except Unauthorized:
        return None
    return session


def _signed_in(request: Request, tenant_id: str, key_id: str | None = None) -> Response:
    wired = services(request)
    answer = RedirectResponse(_HOME, status_code=303)
    answer.set_cookie(
        SESSION_COOKIE,
        wired.tokens.mint_session(tenant_id, key_id),
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        # Behind a proxy the request itself comes without TLS; the public URL knows.
        secure=request.url.scheme == "https" or wired.settings.base_url.startswith("https:"),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
