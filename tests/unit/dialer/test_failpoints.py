"""A process dies at a failpoint only where a test asked for it, and only once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from dialer.failpoints import Failpoint
from tests.kit.api import settings

PASS_TWO = f"""
import sys
from dialer import failpoints
failpoints.arm(sys.argv[1])
failpoints.passing(failpoints.Failpoint("{Failpoint.CLAIM_AFTER_COMMIT}"))
failpoints.passing(failpoints.Failpoint("{Failpoint.PLACE_AFTER_COMMIT}"))
"""


def passed(folder: str) -> int:
    """Let a process pass two points; give its exit status."""
    command = [sys.executable, "-c", PASS_TWO, folder]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_point_fires_once_where_its_file_lies(tmp_path: Path) -> None:
    (tmp_path / Failpoint.PLACE_AFTER_COMMIT).touch()
    assert passed(str(tmp_path)) == 70
    assert list(tmp_path.iterdir()) == []
    assert passed(str(tmp_path)) == 0


def test_without_a_folder_no_point_fires() -> None:
    assert passed("") == 0


def test_a_folder_that_was_left_set_by_mistake_is_refused() -> None:
    with pytest.raises(ValidationError, match="FAILPOINTS_ENABLED"):
        settings("sqlite:///x.db", failpoints_folder="/tmp")
    assert settings("sqlite:///x.db", failpoints_folder="/tmp", failpoints_enabled=True)
