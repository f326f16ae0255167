"""Who is asking: an API key, or the cookie of the page.

Programs send ``Authorization: Bearer``. The page's cookie is taken for reading from anywhere that a
browser sends it, and for changing only from the page's own origin.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from dialer.problems import BadRequest
from dialer.reading import StrictJsonRoute
from dialer.tenants.sessions import check_session
from dialer.tenants.tokens import SESSION_COOKIE
from dialer.wiring import services
from telephony.errors import Unauthorized

#: Only for the OpenAPI document; ``tenant_of_request`` does the work.
BEARER = HTTPBearer(
    scheme_name="apiKey", bearerFormat="tk_...", description="An API key.", auto_error=False
)


def bearer(request: Request) -> str | None:
    """Give the bearer token of the request, None where it has none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def tenant_of_request(request: Request) -> str:
    """Name the tenant that asks.

    Errors: Unauthorized; BadRequest ``cross_site`` for a cookie that another site sent along.
    """
    known = getattr(request.state, "tenant_id", None)
    if known is None:
        known = request.state.tenant_id = await _identify(request)
    return known


async def still_welcome(request: Request) -> bool:
    """Tell whether whoever asked may still ask: no key revoked, no page signed out since."""
    try:
        return await _identify(request) == request.state.tenant_id
    except Unauthorized:
        return False


async def _identify(request: Request) -> str:
    wired = services(request)
    key = bearer(request)
    if key is not None:
        return (await wired.known_keys.find(wired.database, key, now=wired.now())).tenant_id
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        raise Unauthorized("unauthorized", "The credentials are missing or not valid.")
    session = wired.tokens.verify_session(cookie)
    async with wired.database.reading() as connection:
        tenant_id = await check_session(connection, session, now=wired.now())
    if request.method not in ("GET", "HEAD"):
        require_same_origin(request)
    return tenant_id


def require_same_origin(request: Request) -> None:
    """Refuse a change that another site's page asks for with our cookie.

    Errors: BadRequest ``cross_site``.
    """
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    origin = request.headers.get("origin")
    if site is None and origin and urlsplit(origin).netloc == request.headers.get("host"):
        return
    raise BadRequest("cross_site", "The request does not come from this site's own page.")


class TenantRoute(StrictJsonRoute):
    """A route of a tenant's: who asks is known before a byte of the body is read."""

    async def before_body(self, request: Request) -> None:
        """Identify the tenant."""
        await tenant_of_request(request)


async def _tenant(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> str:
    return await tenant_of_request(request)


#: The tenant that asks, as a parameter of a route.
TenantId = Annotated[str, Depends(_tenant)]
