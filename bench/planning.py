"""``dialer trunks plan`` with many trunks and numbers: how long it takes, and what it asks for.

LiveKit and the gateway's database are real. In Twilio's place there is the stand-in of the tests,
in this process and behind a transport that counts its time and can be far away.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import yaml
from livekit.api.twirp_client import TwirpClient

from bench.stage import say
from dialer import migrations
from dialer.adapters.database import Database
from dialer.routing.from_file import store_in
from dialer.routing.sealing import Sealing
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, media_servers
from tests.kit.twilio_routes import ACCOUNT_SID
from tests.kit.twilio_standin import AUTH_TOKEN, TwilioStandIn
from trunks import reading
from trunks.accounts import Twilio
from trunks.apply import Outcome, apply
from trunks.desired import Desired
from trunks.gateway import Gateway
from trunks.livekit_sip import LiveKitSip
from trunks.looking import look, wanted_by
from trunks.patience import Patience
from trunks.plan import plan as compare
from trunks.resources import Adapter
from trunks.steps import Plan
from trunks.twilio_http import TwilioHttp
from trunks.twilio_trunking import TwilioTrunking

TRUNKS: Final = 200
NUMBERS: Final = 5_000
#: Units: seconds for each request, which is what Twilio takes from another continent.
AWAY: Final = 0.1
_REPEATED: Final = 5
_DEPLOYMENT: Final = "acme"
_PASSWORD: Final = "Longer-than-16-characters"


class FarEnd(httpx.AsyncBaseTransport):
    """The way to the stand-in; its own time is not the product's."""

    def __init__(self, twilio: TwilioStandIn, *, away: float = 0.0) -> None:
        self._twilio = twilio
        self._away = away
        #: Units: seconds of CPU.
        self.spent = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after the time that the way takes."""
        if self._away:
            await asyncio.sleep(self._away)
        before = time.process_time()
        response = self._twilio(request)
        self.spent += time.process_time() - before
        return response


@dataclass
class World:
    """What a plan looks at."""

    servers: MediaServers
    database: Database
    twilio: TwilioStandIn
    text: str

    def read(self) -> Desired:
        """Read the file."""
        environment = {
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "SIP_PASSWORD": _PASSWORD,
            "LIVEKIT_URL": self.servers.livekit_url,
            "LIVEKIT_API_KEY": LIVEKIT_KEY,
            "LIVEKIT_API_SECRET": LIVEKIT_SECRET,
        }
        return reading.parse(self.text, environment=environment, deployment=_DEPLOYMENT).desired

    @asynccontextmanager
    async def adapters(self, desired: Desired, far_end: FarEnd) -> AsyncGenerator[list[Adapter]]:
        """Build what speaks for the three places."""
        carrier = desired.carriers["main"]
        assert isinstance(carrier, Twilio)
        http = TwilioHttp(httpx.AsyncClient(transport=far_end))
        sealing = Sealing(("secret-of-the-benchmark-with-32-and-more",))
        built: list[Adapter] = [
            TwilioTrunking(
                carrier_name="main", carrier=carrier, deployment=desired.deployment, http=http
            ),
            LiveKitSip(livekit=desired.livekit, deployment=desired.deployment),
            Gateway(store=store_in(self.database, sealing), deployment=desired.deployment),
        ]
        try:
            yield built
        finally:
            for adapter in built:
                await adapter.aclose()


async def measure(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """Plan before anything is there, make it so, and plan again."""
    times = 2 if quick else _REPEATED
    found: list[dict[str, Any]] = []
    async with _world(folder) as world:
        for _ in range(times):
            found.append(await _planned(world, "nothing is there yet"))
        say(told(found[-1]))
        await _applied(world)
        for _ in range(times):
            found.append(await _planned(world, "all is there"))
        say(told(found[-1]))
        kind = f"all is there, Twilio {AWAY * 1000:.0f} ms away"
        found.append(await _planned(world, kind, away=AWAY))
        say(told(found[-1]))
    return found


def the_file(trunks: int = TRUNKS, numbers: int = NUMBERS) -> str:
    """Write a file that wants so many, each in both directions."""
    names = [f"t{position:03}" for position in range(trunks)]
    wanted = {
        "version": 1,
        "deployment": _DEPLOYMENT,
        "carriers": {
            "main": {
                "kind": "twilio",
                "account_sid": ACCOUNT_SID,
                "auth_token": "${TWILIO_AUTH_TOKEN}",
            }
        },
        "trunks": {name: _a_trunk(name) for name in names},
        "numbers": {
            number: {"trunk": names[position % trunks], "inbound": {"agent": "default"}}
            for position, number in enumerate(the_numbers(numbers))
        },
    }
    return yaml.safe_dump(wanted, sort_keys=False)


def _a_trunk(name: str) -> dict[str, Any]:
    return {
        "carrier": "main",
        "domain": f"acme-{name}",
        "outbound": {
            "username": "acme",
            "password": "${SIP_PASSWORD}",
            "from_addresses": ["203.0.113.7/32"],
        },
        "inbound": {
            "deliver_to": [{"url": "sip:203.0.113.7:5060"}],
            "allowed_addresses": ["54.172.60.0/30"],
        },
    }


def the_numbers(count: int) -> list[str]:
    """Give numbers, one after another."""
    return [f"+1415{5_000_000 + position}" for position in range(count)]


@asynccontextmanager
async def _world(folder: Path) -> AsyncGenerator[World]:
    state = folder / "planning"
    state.mkdir(parents=True, exist_ok=True)
    path = state / "gateway.db"
    path.unlink(missing_ok=True)
    url = f"sqlite:///{path}"
    await asyncio.to_thread(migrations.upgrade, url)
    twilio = TwilioStandIn()
    # Twilio raises its hundred on request.
    twilio.state.most_trunks = TRUNKS
    for number in the_numbers(NUMBERS):
        twilio.state.own_number(number)
    database = Database(url)
    running = media_servers(state)
    servers = await asyncio.to_thread(running.__enter__)
    try:
        yield World(servers, database, twilio, the_file())
    finally:
        await database.close()
        await asyncio.to_thread(running.__exit__, None, None, None)


async def _applied(world: World) -> None:
    desired, started = world.read(), time.perf_counter()
    async with world.adapters(desired, FarEnd(world.twilio)) as adapters:
        plan = await _plan(desired, adapters)
        results = await apply(plan, adapters, patience=Patience())
    if wrong := [result for result in results if result.outcome is not Outcome.DONE]:
        raise RuntimeError(f"{len(wrong)} steps were not taken, the first: {wrong[0]}")
    say(f"{len(results)} steps applied in {time.perf_counter() - started:.0f} s")


async def _plan(desired: Desired, adapters: Sequence[Adapter]) -> Plan:
    return compare(wanted_by(desired, adapters), await look(adapters, Patience()))


async def _planned(world: World, kind: str, *, away: float = 0.0) -> dict[str, Any]:
    """Do what the command does from the file's text to the plan, with a clock between the steps."""
    world.twilio.exchanges.clear()
    far_end = FarEnd(world.twilio, away=away)
    cpu, started = time.process_time(), time.perf_counter()
    desired = world.read()
    read = time.perf_counter()
    with _asked_of_livekit() as livekit:
        async with world.adapters(desired, far_end) as adapters:
            complaints = [one for adapter in adapters for one in adapter.check(desired)]
            found = await look(adapters, Patience())
            looked = time.perf_counter()
            plan = compare(wanted_by(desired, adapters), found)
            compared = time.perf_counter()
    own = time.process_time() - cpu - far_end.spent
    pages = Counter(str(exchange.url) for exchange in world.twilio.exchanges)
    lists = {str(e.url.copy_with(query=None)): list_of(e.url.path) for e in world.twilio.exchanges}
    return {
        "kind": kind,
        "trunks": len(desired.trunks),
        "numbers": len(desired.numbers),
        "complaints": len(complaints),
        "pending": len(plan.pending),
        "seconds": compared - started,
        "read": read - started,
        "looked": looked - read,
        "compared": compared - looked,
        "own_cpu": own,
        "stand_in_cpu": far_end.spent,
        "twilio": dict(Counter(list_of(e.url.path) for e in world.twilio.exchanges)),
        "twilio_lists": dict(Counter(lists.values())),
        "livekit": dict(livekit),
        "most_often": max(pages.values(), default=0),
        "livekit_most_often": max(livekit.values(), default=0),
    }


def list_of(path: str) -> str:
    """Name a list of Twilio's by its path, without the ids in it.

    Shape: ``Trunks/OriginationUrls`` for those of every trunk.
    """
    parts = path.removesuffix(".json").split("/")[2:]
    return "/".join(p for p in parts if p != "Accounts" and not _is_sid(p)) or "the account"


def _is_sid(part: str) -> bool:
    return len(part) == 34 and part[:2].isupper() and part[2:].isalnum()


@contextmanager
def _asked_of_livekit() -> Generator[Counter[str]]:
    """Count the requests to LiveKit's API."""
    asked: Counter[str] = Counter()
    real: Any = TwirpClient.request

    async def request(
        client: TwirpClient, service: str, method: str, *given: Any, **more: Any
    ) -> Any:
        asked[method] += 1
        return await real(client, service, method, *given, **more)

    with patch.object(TwirpClient, "request", request):
        yield asked


def told(one: dict[str, Any]) -> str:
    """Put a plan into a line."""
    asked = sum(one["twilio"].values())
    return (
        f"{one['kind']}: {one['seconds']:.2f} s, {asked} requests to Twilio and "
        f"{sum(one['livekit'].values())} to LiveKit, no list more than {one['most_often']} times, "
        f"{one['own_cpu'] / one['seconds']:.0%} our own, {one['pending']} steps"
    )
