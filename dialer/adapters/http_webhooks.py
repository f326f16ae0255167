"""Asks a webhook over HTTP, at an address that was looked at first.

The name is looked up once, every address of it is judged, and the connection goes to one of those:
a name that means something else a moment later leads nowhere. The certificate is that of the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any, Final

import httpx

from dialer.inbound.callable_urls import Address, Network, forbidden
from dialer.inbound.choice import MOST_ANSWERED, WITHIN, WebhookFailed
from telephony.events import RoutedBy

#: Units: seconds, for one address; a second one is tried where the first does not take us.
_CONNECT: Final = 1.0
_MOST_ADDRESSES: Final = 2
#: Names that are looked up at once. A resolver may take far longer than we wait, and nothing stops
#: it meanwhile.
_LOOK_UPS: Final = 8


class HttpWebhooks:
    """The port ``dialer.inbound.choice.Webhooks``.

    Shape: ``allowed`` are the networks of the operator's own that may be called. Units: ``within``
    in seconds.
    """

    def __init__(self, allowed: Sequence[Network] = (), *, within: float = WITHIN) -> None:
        self._allowed = tuple(allowed)
        self._within = within
        self._names = _Names()

    async def ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send one request, and give the body of its answer."""
        try:
            async with asyncio.timeout(self._within):
                return await self._ask(httpx.URL(url), body, headers)
        except (TimeoutError, httpx.TimeoutException):
            raise WebhookFailed(RoutedBy.TIMEOUT) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError):
            raise WebhookFailed(RoutedBy.UNREACHABLE) from None

    async def _ask(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> bytes:
        addresses = await self._addresses(url)
        # Nothing of the environment's: a proxy there would look the name up by itself.
        timeout = httpx.Timeout(self._within, connect=_CONNECT)
        async with httpx.AsyncClient(
            timeout=timeout, follow_redirects=False, trust_env=False
        ) as client:
            for address in addresses[:-1]:
                try:
                    return await self._sent(client, url, address, body, headers)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
            return await self._sent(client, url, addresses[-1], body, headers)

    async def _addresses(self, url: httpx.URL) -> list[Address]:
        port = _port(url)
        found = await self._names.look_up(_host(url), port)
        hosts = dict.fromkeys(str(info[4][0]).partition("%")[0] for info in found)
        addresses = [ip_address(host) for host in hosts]
        for address in addresses:
            if forbidden(address, scheme=url.scheme, port=port, allowed=self._allowed):
                raise WebhookFailed(RoutedBy.FORBIDDEN)
        return addresses[:_MOST_ADDRESSES]

    async def _sent(
        self,
        client: httpx.AsyncClient,
        url: httpx.URL,
        address: Address,
        body: bytes,
        headers: Mapping[str, str],
    ) -> bytes:
        sent = {
            **headers,
            "host": url.netloc.decode("ascii"),
            # What is small need not be packed, and what is packed may be large.
            "accept-encoding": "identity",
            "user-agent": "telephony-gateway",
        }
        request = client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            content=body,
            headers=sent,
            extensions={"sni_hostname": _host(url)},
        )
        answer = await client.send(request, stream=True)
        try:
            return await _read(answer)
        finally:
            await answer.aclose()


class _Names:
    """Looks names up in threads of its own, so that a slow resolver holds up nobody else's work.

    Shape: a name that is being looked up is not looked up beside that: however many calls ask for
    a slow one, it holds one thread.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOK_UPS, "webhook-names")
        self._under_way: dict[tuple[str, int], asyncio.Future[Any]] = {}

    async def look_up(self, host: str, port: int) -> list[Any]:
        """Give what the resolver says of a name. Errors: OSError; UnicodeError."""
        asked = (host, port)
        found = self._under_way.get(asked)
        if found is None:
            look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            found = asyncio.get_running_loop().run_in_executor(self._threads, look)
            self._under_way[asked] = found
            found.add_done_callback(partial(self._over, asked))
        # Who waits no longer leaves it to the others who ask.
        return await asyncio.shield(found)

    def _over(self, asked: tuple[str, int], found: asyncio.Future[Any]) -> None:
        self._under_way.pop(asked, None)
        if not found.cancelled():
            found.exception()  # nobody may wait for it any more, and that is no error


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def _read(answer: httpx.Response) -> bytes:
    if answer.status_code != 200:
        raise WebhookFailed(RoutedBy.BAD_STATUS, answer.status_code)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise WebhookFailed(RoutedBy.BAD_ANSWER, answer.status_code)
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MOST_ANSWERED:
            raise WebhookFailed(RoutedBy.TOO_LARGE, answer.status_code)
    return bytes(body)
