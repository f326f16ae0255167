"""A server behind the firewall, and the world around it that knocks at every port.

``unshare -rn python -m tests.kit.firewall_lab NFTABLES_CONF``: reads probes as JSON from standard
input, sends each from the world, and prints for each whether it arrived.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.kit.outside import SERVER, World, run, world

#: Admitted from everywhere by the rules: when these have arrived, so has what was sent before.
LAST_UDP, LAST_TCP = 7882, 443
_PATIENCE = 30.0


class Probe(NamedTuple):
    """One packet, or the first one of a connection."""

    protocol: str
    source: str
    source_port: int
    port: int


def main(arguments: Sequence[str]) -> None:
    """Ask each probe of stdin."""
    rules = Path(arguments[0])
    probes = [Probe(*found) for found in json.load(sys.stdin)]
    with world(sorted({probe.source for probe in probes})) as there:
        run("nft", "-I", str(rules.parents[1]), "-f", str(rules))
        print(json.dumps(_ask(there, probes)))


def send(text: str) -> None:
    """Be the world: send what is told, UDP at once and TCP all together, and wait to be ended."""
    kept: list[socket.socket] = []
    for number, fields in enumerate(json.loads(text)):
        probe = Probe(*fields)
        udp = probe.protocol == "udp"
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setblocking(False)
        one.bind((probe.source, probe.source_port))
        if udp:
            one.sendto(str(number).encode(), (SERVER, probe.port))
        else:
            one.connect_ex((SERVER, probe.port))
        kept.append(one)
    time.sleep(_PATIENCE)


def _ask(there: World, probes: list[Probe]) -> list[bool]:
    last = [Probe("udp", probes[0].source, 40_000, LAST_UDP)]
    last += [Probe("tcp", probes[0].source, 40_000, LAST_TCP)]
    everything = [*probes, *last]
    with ExitStack() as stack:
        listeners = selectors.DefaultSelector()
        for protocol, port in {(probe.protocol, probe.port) for probe in everything}:
            listeners.register(stack.enter_context(_listener(protocol, port)), selectors.EVENT_READ)
        command = "import sys; from tests.kit.firewall_lab import send; send(sys.argv[1])"
        words = [sys.executable, "-c", command, json.dumps(everything)]
        sender = stack.enter_context(subprocess.Popen(there.inside(*words)))
        stack.callback(sender.kill)
        arrived = _collect(listeners, {len(probes), len(probes) + 1}, everything)
    return [number in arrived for number in range(len(probes))]


def _collect(
    listeners: selectors.BaseSelector, sentinels: set[int], probes: list[Probe]
) -> set[int]:
    arrived: set[int] = set()
    by_source = {(p.source, p.source_port): n for n, p in enumerate(probes) if p.protocol == "tcp"}
    deadline = time.monotonic() + _PATIENCE
    quiet = False
    # When the last ones are there and nothing else is in the queue, all that comes has come.
    while not (sentinels <= arrived and quiet):
        assert time.monotonic() < deadline, f"the last probes never arrived: {arrived}"
        ready = listeners.select(timeout=0.2)
        quiet = not ready
        for key, _ in ready:
            one: Any = key.fileobj
            if one.type == socket.SOCK_DGRAM:
                arrived.add(int(one.recv(64)))
            else:
                connection, source = one.accept()
                connection.close()
                arrived.add(by_source[source])
    return arrived


def _listener(protocol: str, port: int) -> socket.socket:
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    one = socket.socket(socket.AF_INET, kind)
    one.bind((SERVER, port))
    if protocol == "tcp":
        one.listen(16)
    return one


if __name__ == "__main__":
    main(sys.argv[1:])
