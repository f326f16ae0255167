"""Fixtures of every tier."""

from __future__ import annotations

import structlog
from hypothesis import settings

from telephony import garbage

pytest_plugins = [
    "tests.kit.running",
    "tests.kit.stack",
    "tests.kit.fault_rows",
    "tests.kit.alone",
    "tests.kit.shares",
]

# structlog's own way to show an exception prints every variable of every frame, for ten seconds.
_PLAIN = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# A busy machine is slow and not wrong, and the same commit gets the same verdict each time: new
# examples are looked for on purpose (`--hypothesis-profile=search`), and what that finds becomes a
# test of its own.
settings.register_profile("gateway", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=3000)
settings.load_profile("gateway")


def pytest_collection_finish() -> None:
    """Leave every module and test out of garbage collections: they stay until the end."""
    garbage.spare_what_stays()
