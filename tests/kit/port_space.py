"""Room for a block of ports that a test names itself, which no other sandbox claims meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sandbox import ports

#: Past the port that holds a block, and short enough to end before the next block begins.
_BESIDE_THE_CLAIM = ports.ORDER.index("claim") + 1


@contextmanager
def port_space() -> Generator[int]:
    """Give a base whose ports are free; the block that it lies in stays claimed."""
    # A block that is let go of before it is asked for can be another sandbox's by then.
    around = ports.claim(None)
    try:
        yield around.base + _BESIDE_THE_CLAIM
    finally:
        around.release()
