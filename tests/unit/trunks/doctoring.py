"""A trunk to examine, briefly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from trunks.doctor.findings import Finding, Verdict
from trunks.doctor.subject import Subject


def subject(port: int = 5060, **fields: Any) -> Subject:
    """Make a trunk to a port of this machine."""
    values: dict[str, Any] = {
        "name": "main",
        "origin": "the file",
        "livekit_name": "acme/main",
        "address": f"127.0.0.1:{port}",
        "numbers": ("+14155550190",),
    }
    return Subject(**{**values, **fields})


async def all_of(findings: AsyncIterator[Finding]) -> list[Finding]:
    """Collect what a probe finds."""
    return [finding async for finding in findings]


def told(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    """Give each part's verdict and cause; of two about one part, the worse."""
    worst = {Verdict.GOOD: 0, Verdict.DOUBT: 1, Verdict.BAD: 2}
    by_part: dict[str, Finding] = {}
    for one in findings:
        known = by_part.get(one.part)
        if known is None or worst[one.verdict] > worst[known.verdict]:
            by_part[one.part] = one
    return {part: (one.verdict.value, one.cause) for part, one in by_part.items()}
