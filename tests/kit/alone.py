"""Where several processes run tests at once, some tests want the machine for themselves."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

_HELD = pytest.StashKey["TextIO | None"]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test marked ``alone`` wait for all others, and all others for it."""
    item.stash[_HELD] = None
    given: str | None = item.config.getoption("basetemp")
    if given is None or not hasattr(item.config, "workerinput"):
        return (yield)
    # Each process has a folder of its own in the run's.
    folder = Path(given).parent
    alone = item.get_closest_marker("alone") is not None
    with _holding(folder, alone=alone) as item.stash[_HELD]:
        return (yield)


@pytest.fixture
def others_may_run(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Give what a test marked ``alone`` calls once all that has a bound is behind it."""
    held = request.node.stash[_HELD]

    def let() -> None:
        if held is not None:
            fcntl.lockf(held, fcntl.LOCK_SH)

    return let


@contextmanager
def _holding(folder: Path, *, alone: bool) -> Generator[TextIO]:
    """Hold the machine, alone or with the others, until the block ends.

    POSIX's locks and not flock's: those turn from one kind into the other with nobody in between.
    """
    with (folder / "machine").open("a+") as machine:
        with (folder / "turn").open("a+") as turn:
            # Whoever waits to be alone is not overtaken by those who need not be.
            fcntl.lockf(turn, fcntl.LOCK_EX)
            fcntl.lockf(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield machine
