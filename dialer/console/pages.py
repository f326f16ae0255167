"""Render the page's HTML, and say what a browser may do with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from fastapi.templating import Jinja2Templates
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dialer.wiring import services

_HERE = Path(__file__).parent
_TEMPLATES = Jinja2Templates(directory=_HERE / "templates")

#: The other scheme of each: livekit-client asks over HTTP why a WebSocket was refused.
_TWINS = {"ws": "http", "wss": "https", "http": "ws", "https": "wss"}


def page(request: Request, template: str, *, status_code: int = 200, **context: Any) -> Response:
    """Render a template of this folder, under the content security policy."""
    answer = _TEMPLATES.TemplateResponse(request, template, context, status_code=status_code)
    livekits = services(request).livekits
    answer.headers.update(
        {
            "Content-Security-Policy": content_security_policy(
                *(one.browser_url for one in livekits.all)
            ),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            # Not "no-referrer": browsers would then send "Origin: null" with our own forms.
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
            "Cache-Control": "no-store",
        }
    )
    return answer


def content_security_policy(*livekit_urls: str) -> str:
    """Allow what comes from here, a connection to each LiveKit, and nothing else."""
    origins = [origin for url in livekit_urls for origin in _origins(url)]
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' {' '.join(origins)}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _origins(livekit_url: str) -> list[str]:
    url = urlsplit(livekit_url)
    return [
        urlunsplit((scheme, url.netloc, "", "", "")) for scheme in (url.scheme, _TWINS[url.scheme])
    ]


class PageFiles(StaticFiles):
    """The page's scripts and styles: browsers ask each time whether they are still the same."""

    def __init__(self) -> None:
        super().__init__(directory=_HERE / "static")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer
