"""Take down all that has our mark, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from trunks.plan import plan
from trunks.resources import Found
from trunks.steps import Plan


def destruction(found: Sequence[Found]) -> Plan:
    """Plan the end of everything of ours: as if the file wanted nothing."""
    return plan([], found)
