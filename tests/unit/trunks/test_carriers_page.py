"""What docs/carriers.md shows is taken as it stands: by our reader, and as XML and as ini."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest
import yaml

from trunks import carriers, reading

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "carriers.md").read_text(encoding="utf-8")
_NUMBER = "+14155550100"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_each_file_on_the_page_is_read_and_doubted_by_no_adapter(
    block: str, tmp_path: Path
) -> None:
    content = cast("dict[str, Any]", yaml.safe_load(block))
    (trunk,) = content["trunks"]
    inbound = {"trunk": trunk, "inbound": {"agent": "receptionist"}}
    content.setdefault("numbers", {_NUMBER: inbound})
    file = tmp_path / "trunks.yaml"
    file.write_text(yaml.safe_dump({"version": 1, **content}))
    names = re.findall(r"\$\{(\w+)\}", block)
    environment = dict.fromkeys(names, "sixteen-characters-of-a-secret")
    environment |= {
        "LIVEKIT_URL": "ws://127.0.0.1:7880",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "secret",
    }
    read = reading.load(file, environment=environment, deployment="acme")
    for adapter in carriers.adapters(read.desired):
        assert not adapter.check(read.desired)
        assert adapter.wanted(read.desired) or adapter.place.startswith("generic:")
    assert read.warnings == []


def test_every_kind_of_carrier_has_its_section() -> None:
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", PAGE, re.MULTILINE)}
    assert set(carriers.ADAPTERS) - {"twilio"} <= headings


@pytest.mark.parametrize("block", blocks("xml"))
def test_each_setting_of_freeswitch_is_well_formed(block: str) -> None:
    # What belongs into a profile that is there is shown without it.
    shown = f"<list>{block}</list>" if block.startswith("<param ") else block
    assert ElementTree.fromstring(shown).tag in ("include", "list")


def test_the_endpoint_of_asterisk_names_parts_that_are_there() -> None:
    (settings,) = [block for block in blocks("ini") if "type=endpoint" in block]
    parts = re.findall(r"^\[([\w-]+)\]\ntype=(\w+)$", settings, re.MULTILINE)
    for kind, name in re.findall(
        r"^(transport|aors|auth|outbound_auth|endpoint)=(\S+)$", settings, re.M
    ):
        wanted = {"aors": "aor", "outbound_auth": "auth"}.get(kind, kind)
        assert (name, wanted) in parts, (kind, name)
