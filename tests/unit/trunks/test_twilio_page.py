"""What docs/twilio.md tells an operator to write and to type is taken as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from typer.testing import CliRunner

from dialer.admission import agents
from dialer.cli import app
from trunks import carriers, reading

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "twilio.md").read_text(encoding="utf-8")
LIVEKIT = {
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "secret",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def environment() -> dict[str, str]:
    """Give what the page has the operator put into .env, with values of the right shape."""
    names = re.findall(r"^([A-Z_]+)=", blocks("sh")[0], re.MULTILINE)
    values = dict.fromkeys(names, "Sixteen-characters-of-1-secret")
    return {
        **values,
        "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
        "TWILIO_API_KEY": f"SK{'0' * 32}",
        "SIP_USERNAME": "acme",
        **LIVEKIT,
    }


def files() -> list[dict[str, Any]]:
    """Give trunks.yaml as it is after step 3 and after step 4."""
    first, then = (cast("dict[str, Any]", yaml.safe_load(block)) for block in blocks("yaml")[:2])
    return [first, first | then]


@pytest.mark.parametrize("step", [3, 4])
def test_the_file_of_each_step_is_read_and_doubted_by_no_adapter(step: int, tmp_path: Path) -> None:
    file = tmp_path / "trunks.yaml"
    file.write_text(yaml.safe_dump(files()[step - 3]))
    read = reading.load(file, environment=environment(), deployment="acme")
    adapters = carriers.adapters(read.desired)
    assert any(adapter.place.startswith("twilio:") for adapter in adapters)
    for adapter in adapters:
        assert not adapter.check(read.desired)
        assert step == 3 or adapter.wanted(read.desired), adapter.place
    assert read.warnings == []


def test_who_answers_on_the_page_is_an_agent_that_we_ship() -> None:
    number = next(iter(files()[1]["numbers"].values()))
    assert number["inbound"]["agent"] in agents.load(ROOT / "agents.yaml").names


def commands() -> set[tuple[str, ...]]:
    """Give each command of ours that a step names, without its arguments."""
    lines = re.findall(r"bin/dialer ((?:[a-z][a-z-]* ?)+)", "\n".join(blocks("sh")))
    return {tuple(line.split()) for line in lines}


def test_every_command_of_the_page_is_there() -> None:
    assert ("trunks", "apply") in commands() and ("trunks", "numbers", "buy") in commands()
    for command in commands():
        plain = {"COLUMNS": "120", "NO_COLOR": "1"}
        told = CliRunner().invoke(app, [*command, "--help"], env=plain)
        assert told.exit_code == 0, (command, told.output)
        assert f" {' '.join(command)} [OPTIONS]" in told.output, command


@pytest.mark.parametrize(("given", "typed"), [((), "apply"), (("ARGS=plan",), "plan")], ids=str)
def test_make_does_it_too(given: tuple[str, ...], typed: str) -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "trunks", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert shown.stdout.rstrip().endswith(f"exec bin/dialer trunks {typed}"), shown.stdout
