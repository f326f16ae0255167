"""A minute of strangers at the firewall that we deploy; test_flood.py runs it in its own network.

``unshare -rn python -m pytest tests/faults/behind_the_firewall.py``: the bridge has the port that
the firewall knows, and whoever is outside reaches it by the server's address.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.ports import ORDER
from tests.faults.test_flood import flood
from tests.kit import outside
from tests.kit.both_ways import both_ways
from tests.kit.calling_in import OUR_NUMBER, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.compose_file import COMPOSE
from tests.kit.gateway import Gateway
from tests.kit.running import sandbox
from tests.kit.strangers import left
from tests.kit.until import until_sync

STRANGER: Final = "198.51.100.10"
_SIP: Final = 5060
_REQUESTS, _RATE = 30_000, 500
#: The server's address leads to where the sandbox's bridge listens.
_LEADS_IN: Final = f"""
table ip lab {{
    chain arriving {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr {outside.SERVER} dnat to 127.0.0.1
    }}
}}
"""


@pytest.fixture(scope="session")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[outside.World]:
    with outside.world([STRANGER]) as there:
        Path("/proc/sys/net/ipv4/conf/inside0/route_localnet").write_text("1")
        rules = tmp_path_factory.mktemp("lab") / "leads_in.nft"
        rules.write_text(_LEADS_IN)
        outside.run("nft", "-f", str(rules))
        yield there


@pytest.fixture(scope="session")
def running(
    there: outside.World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    base = str(_SIP - ORDER.index("sip"))
    with sandbox(tmp_path_factory.mktemp("behind"), "--port-base", base) as running:
        yield running


def test_a_minute_of_strangers_reaches_nobody(
    running: dict[str, Any],
    there: outside.World,
    gateway: Gateway,
    ledger: CarrierLedger,
    tmp_path: Path,
) -> None:
    numbers(running, "add", OUR_NUMBER)
    assert _is_answered(there), "without a firewall a stranger reaches the bridge"
    outside.run("nft", "-I", str(COMPOSE), "-f", str(COMPOSE / "nftables" / "nftables.conf"))
    assert not _is_answered(there)
    since = datetime.now(UTC)
    with (
        callable_in(running, OUR_NUMBER, allowed="127.0.0.1/32"),
        both_ways(running, gateway, ledger) as calls,
    ):
        before, hearing = left(running, gateway, since), calls.hearing()

        bridge = f"{outside.SERVER}:{_SIP}"
        flood("INVITE", _REQUESTS, _RATE, bridge, tmp_path, source=STRANGER, through=there.inside)

        for one in hearing:
            one.check()
        assert _dropped() >= _REQUESTS
        until_sync(lambda: left(running, gateway, since) == before, 10, what="nothing is left")
        assert calls.up()
        calls.hang_up()


def _is_answered(there: outside.World) -> bool:
    """Say whether the bridge answers OPTIONS from outside; each asks from a port of its own."""
    program = (
        "import socket, sys\n"
        "from tests.kit.sip_caller import Knock\n"
        "way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "way.bind((sys.argv[1], 0))\n"
        "way.settimeout(5)\n"
        "knock = Knock(sys.argv[1], int(sys.argv[3]), 'ping')\n"
        "request = knock.request('OPTIONS', way.getsockname()[1])\n"
        "way.sendto(request, (sys.argv[2], int(sys.argv[3])))\n"
        "try:\n"
        "    print(way.recv(4096).split(b' ')[1].decode())\n"
        "except TimeoutError:\n"
        "    print('silence')\n"
    )
    words = [sys.executable, "-c", program, STRANGER, outside.SERVER, str(_SIP)]
    done = subprocess.run(there.inside(*words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    heard = done.stdout.strip()
    assert heard in {"200", "silence"}, heard
    return heard == "200"


def _dropped() -> int:
    """Count the packets that no rule of the firewall admitted."""
    listed = json.loads(outside.run("nft", "-j", "list", "chain", "inet", "gateway", "input"))
    rules = [found["rule"]["expr"] for found in listed["nftables"] if "rule" in found]
    [counter] = [part["counter"] for rule in rules for part in rule if "counter" in part]
    return counter["packets"]
