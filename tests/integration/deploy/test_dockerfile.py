"""The Dockerfile and the scripts, looked at by those who know the traps."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kit.compose_file import COMPOSE
from tests.kit.without_containers import program

SCRIPTS = [*(COMPOSE / "entrypoints").glob("*.sh"), *map(COMPOSE.joinpath, ("backup", "restore"))]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [program("hadolint"), "--no-color", str(COMPOSE / "Dockerfile")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_script_to_the_shell_that_runs_it(script: Path) -> None:
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
