"""A number's webhook chooses the agent: a real server that answers well, badly or not at all."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from dialer.adapters.http_webhooks import HttpWebhooks
from dialer.adapters.tables import calls
from dialer.inbound.choice import Chooser
from dialer.routing.sealing import Sealing
from telephony.worker_contract import InboundRefused
from tests.kit.api import Api, changed
from tests.kit.incoming import CALLER, OUR_NUMBER, Offering, own
from tests.kit.placing import count

SECRET = "0123456789abcdef0123456789abcdef"
SEALING = Sealing(["sealing-secret-of-the-tests-32-and-more"])

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """What was asked of a webhook."""

    url: str = ""
    asked: list[tuple[dict[str, str], bytes]] = field(
        default_factory=list[tuple[dict[str, str], bytes]]
    )


def plain(body: bytes | Any, status: str = "200 OK", *headers: str) -> Answer:
    """Answer with a body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(raw)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + raw)
        await writer.drain()

    return answer


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer with more than anybody wants, and say so late."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time: every single wait is short, and there is no end."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.2)


async def silent(_: asyncio.StreamWriter) -> None:
    """Answer nothing."""
    await asyncio.sleep(60)


async def hang_up(_: asyncio.StreamWriter) -> None:
    """Close the connection."""


@asynccontextmanager
async def webhook(answer: Answer) -> AsyncGenerator[Server]:
    """Serve until the block ends."""
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            server.asked.append((headers, body))
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/who"
    try:
        yield server
    finally:
        listening.close()


def asking(api: Api, *networks: str) -> Api:
    """Give the application with webhooks in these networks."""
    chooser = Chooser(
        HttpWebhooks([ip_network(one) for one in networks]),
        sealing=SEALING,
        agents=api.services.agents,
        now=api.services.now,
        clock=time.monotonic,
    )
    return changed(api, chooser=chooser)


async def _own(api: Api, url: str, **how: Any) -> None:
    await own(api, webhook_url=url, webhook_secret_sealed=SEALING.seal(SECRET), **how)


async def routed(api: Api, call_id: str) -> dict[str, Any]:
    """Give what the call's record says of the question."""
    async with api.client() as client:
        told = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    (found,) = [event["data"] for event in told if event["type"] == "call.routed"]
    assert 0 <= found.pop("took_ms") < 30_000
    return found


async def test_it_chooses_the_agent_and_its_variables(api: Api) -> None:
    chosen = {"agent": "needy", "variables": {"appointment": "Tuesday"}}
    async with webhook(plain(chosen)) as server:
        api = asking(api, "127.0.0.0/8")
        await _own(api, server.url)
        request = await Offering(api).briefed()
    assert (request.agent.name, request.variables) == ("needy", {"appointment": "Tuesday"})
    assert request.agent.instructions == "Confirm Tuesday."
    assert await routed(api, request.call_id) == {
        "result": "chosen",
        "agent": "needy",
        "status": 200,
    }
    ((headers, body),) = server.asked
    told = json.loads(body)
    assert told["call_id"] == request.call_id and told["received_at"]
    assert (told["phone_number"], told["caller_id"]) == (OUR_NUMBER, CALLER)
    content = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    )
    digest = base64.b64encode(hmac.digest(SECRET.encode(), content, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"


async def test_a_repeated_offer_asks_nobody_again(api: Api) -> None:
    async with webhook(plain({"agent": "default", "variables": {"business": "B"}})) as server:
        api = asking(api, "127.0.0.0/8")
        await _own(api, server.url)
        first, again = await Offering(api).briefed(), await Offering(api).briefed()
    assert again.call_id == first.call_id and again.agent == first.agent
    assert again.agent.greeting == "Hello from B."
    assert len(server.asked) == 1


async def test_it_may_reject_the_call(api: Api) -> None:
    async with webhook(plain({"reject": True})) as server:
        api = asking(api, "127.0.0.0/8")
        await _own(api, server.url)
        worker = Offering(api)
        assert await worker.refused() is InboundRefused.BLOCKED
        assert await worker.refused() is InboundRefused.BLOCKED
    async with api.client() as client:
        (call,) = (await client.get("/calls")).json()["calls"]
    assert (call["outcome"], call["ended_reason"]) == ("declined", "blocked")
    assert (await routed(api, call["id"]))["result"] == "rejected"


BAD: list[tuple[str, Answer, str, int | None]] = [
    ("silent", silent, "timeout", None),
    ("dripping", dripping, "timeout", None),
    ("hangs up", hang_up, "unreachable", None),
    ("endless", endless, "too_large", 200),
    ("large", plain(b" " * 20_000), "too_large", 200),
    ("500", plain({}, "500 Internal Server Error"), "bad_status", 500),
    ("404", plain({"agent": "needy"}, "404 Not Found"), "bad_status", 404),
    ("204", plain(b"", "204 No Content"), "bad_status", 204),
    ("no json", plain(b"<html>"), "bad_answer", 200),
    ("packed", plain(b"\x1f\x8b", "200 OK", "content-encoding: gzip"), "bad_answer", 200),
    ("says nothing", plain({}), "bad_answer", 200),
    ("nobody", plain({"agent": "nobody"}), "unknown_agent", 200),
    ("lacks a variable", plain({"agent": "needy"}), "unknown_agent", 200),
    ("no HTTP", plain(b"", "what"), "unreachable", None),
]


@pytest.mark.parametrize(
    ("answer", "result", "status"), [one[1:] for one in BAD], ids=[one[0] for one in BAD]
)
async def test_whatever_goes_wrong_the_numbers_own_agent_answers(
    api: Api, answer: Answer, result: str, status: int | None
) -> None:
    async with webhook(answer) as server:
        api = asking(api, "127.0.0.0/8")
        await _own(api, server.url)
        request = await Offering(api).briefed()
    assert request.agent.name == "default"
    wanted = {"result": result, "agent": "default", "status": status}
    assert await routed(api, request.call_id) == {k: v for k, v in wanted.items() if v is not None}
    assert len(server.asked) == 1, "it is asked once"


async def test_a_redirect_is_followed_by_nobody(api: Api) -> None:
    async with webhook(plain({"agent": "needy"})) as inside:
        moved = plain(b"", "302 Found", f"location: {inside.url}")
        async with webhook(moved) as server:
            api = asking(api, "127.0.0.0/8")
            await _own(api, server.url)
            request = await Offering(api).briefed()
    assert (await routed(api, request.call_id))["result"] == "bad_status"
    assert inside.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_our_own_network_is_not_asked_unless_the_operator_named_it(
    api: Api, host: str
) -> None:
    async with webhook(plain({"agent": "default"})) as server:
        api = asking(api, "10.0.0.0/8")
        await _own(api, server.url.replace("127.0.0.1", host))
        request = await Offering(api).briefed()
    assert (await routed(api, request.call_id))["result"] == "forbidden"
    assert server.asked == []


async def test_a_name_that_leads_nowhere_is_no_answer(api: Api) -> None:
    api = asking(api)
    await _own(api, "https://nobody.invalid/who")
    request = await Offering(api).briefed()
    assert (await routed(api, request.call_id))["result"] in {"unreachable", "timeout"}


async def test_a_secret_that_cannot_be_opened_asks_nobody(api: Api) -> None:
    async with webhook(plain({"agent": "needy"})) as server:
        api = asking(api, "127.0.0.0/8")
        other = Sealing(["another-secret-of-the-tests-32-and-more"]).seal(SECRET)
        await own(api, webhook_url=server.url, webhook_secret_sealed=other)
        request = await Offering(api).briefed()
    assert (await routed(api, request.call_id))["result"] == "no_secret"
    assert server.asked == []


async def test_who_is_not_taken_anyway_is_not_asked_about(api: Api) -> None:
    async with webhook(plain({"agent": "needy"})) as server:
        api = asking(api, "127.0.0.0/8")
        await _own(api, server.url, blocked_callers=("+1415*",))
        assert await Offering(api).refused() is InboundRefused.BLOCKED
        closed: dict[str, Any] = {"time_zone": "UTC", "weekly": {}}
        await _own(api, server.url, hours=closed)
        assert (await Offering(api).briefed("SCL_2")).announcement
    assert server.asked == []
    assert await count(api, calls) == 2
