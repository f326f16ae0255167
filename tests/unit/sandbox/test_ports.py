"""Blocks of ports are claimed whole or not at all."""

from __future__ import annotations

import socket

import pytest

from sandbox import ports
from tests.kit.port_space import port_space


def test_two_sandboxes_never_get_the_same_block() -> None:
    first, second = ports.claim(None), ports.claim(None)
    try:
        assert abs(first.base - second.base) >= ports.SIZE
    finally:
        first.release()
        second.release()


def test_no_two_parts_share_a_port() -> None:
    block = ports.claim(None)
    block.release()
    spans = (block.sip_rtp, block.carrier_rtp, block.media)
    used = [block[name] for name in ports.ORDER]
    used += [port for first, last in spans for port in range(first, last + 1)]
    assert len(used) == len(set(used))
    assert max(used) - block.base < ports.SIZE


def test_a_claimed_block_cannot_be_asked_for() -> None:
    block = ports.claim(None)
    try:
        with pytest.raises(ports.PortsTaken, match="is taken"):
            ports.claim(block.base)
    finally:
        block.release()


def test_a_port_that_somebody_uses_is_named() -> None:
    with port_space() as base, socket.socket() as somebody:
        sip = base + ports.ORDER.index("sip")
        somebody.bind(("127.0.0.1", sip))
        somebody.listen(1)
        with pytest.raises(ports.PortsTaken, match=str(sip)):
            ports.claim(base)


@pytest.mark.parametrize("base", [0, -5, 65_000])
def test_a_base_without_room_is_refused(base: int) -> None:
    with pytest.raises(ports.PortsTaken, match="no room"):
        ports.claim(base)
