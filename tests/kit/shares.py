"""Which tests of a tier go to one process, where several processes run them one by one."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Each has something that is dear to make and that all of its tests use.
TOGETHER = frozenset({"test_backup.py", "test_firewall.py", "test_speech_endpoint.py"})


class Shares(LoadScopeScheduling):
    """Gives a file of those above to one process, the longest first, and all other tests singly.

    Source: xdist's own groups change a test's id, which pytest 9 does not look at.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if PurePath(file).name in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Shares | None:
    """Share out so where groups were asked for (``--dist loadgroup``)."""
    return Shares(config, log) if config.getoption("dist") == "loadgroup" else None
