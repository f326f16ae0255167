"""Faults on request, for tests: a call whose metadata names one has it, once it is answered.

Only a worker that runs with ``WORKER_FAILPOINTS=true`` looks; no other worker ever does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

#: Units: seconds. Much longer than anything waits for a call that is stuck.
_LONG: Final = 120.0
_leaked: list[bytearray] = []


def _sleep() -> None:
    """Block the call's event loop; the interpreter is free."""
    time.sleep(_LONG)


def _spin() -> None:
    """Hold the interpreter itself: this expression needs years, in C."""
    re.match(r"(a+)+$", "a" * 64 + "b")


def _leak() -> None:
    """Take memory without end."""
    while True:
        _leaked.append(bytearray(b"x") * (64 * 1024 * 1024))
        time.sleep(0.02)


FAILPOINTS: Final[dict[str, Callable[[], None]]] = {"sleep": _sleep, "spin": _spin, "leak": _leak}


def named(metadata: dict[str, Any]) -> Callable[[], None] | None:
    """Give the fault that a call's metadata asks for."""
    return FAILPOINTS.get(str(metadata.get("failpoint")))
