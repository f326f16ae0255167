"""What the code offers, the documentation tells: nothing stays undocumented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.settings import Settings as WorkerSettings
from dialer import metrics
from dialer.problem_table import PROBLEMS
from dialer.settings import ClientSettings, Settings
from docs import generate
from telephony.events import EventType
from trunks import errors as far_end
from trunks.faults import FAULTS
from trunks.settings import Settings as TrunkSettings

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_documentation_is_up_to_date() -> None:
    stale = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert not stale, "run: python -m docs.generate"


@pytest.mark.parametrize("kind", [Settings, ClientSettings, WorkerSettings, TrunkSettings])
@pytest.mark.parametrize("file", ["docs/configuration.md", ".env.example"])
def test_every_setting_is_documented(kind: type[Settings], file: str) -> None:
    told = text(file)
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert name.upper() in told, name


def test_every_error_code_is_documented() -> None:
    told = text("docs/errors.md")
    assert [code for code in PROBLEMS if f"`{code}`" not in told] == []


def test_every_event_type_is_documented() -> None:
    told = text("docs/events.md")
    assert [event for event in EventType if f"`{event.value}`" not in told] == []


def test_every_metric_is_documented() -> None:
    told = text("docs/operations.md")
    assert [name for name in metrics.documented_names() if f"`{name}`" not in told] == []


RAISES = {
    "TelephonyError",
    "InvalidNumber",
    "Refused",
    "NotFound",
    "Conflict",
    "Unavailable",
    "Unauthorized",
    "BadRequest",
    "PydanticCustomError",
}


def raised() -> Iterator[tuple[str, str]]:
    """Find each code that is given to an error in the source."""
    for folder in ("telephony", "dialer"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                first = node.args[0] if node.args else None
                if node.func.id in RAISES and isinstance(first, ast.Constant):
                    yield str(first.value), str(path.relative_to(ROOT))


def test_every_code_that_is_raised_has_its_row() -> None:
    missing = {code: path for code, path in raised() if code not in PROBLEMS}
    assert missing == {}


#: What is raised or said in trunks/ -> where its code stands, and the list that must have it.
CODED_IN_TRUNKS = {
    "PydanticCustomError": (0, FAULTS),
    "Unreadable": (0, FAULTS),
    "Complaint": (1, FAULTS),
    "TrunkError": (0, far_end.CODES),
    "WrongHours": (0, FAULTS),
}


def test_every_code_of_trunks_is_documented() -> None:
    missing: list[str] = []
    for path in (*(ROOT / "trunks").glob("*.py"), ROOT / "telephony" / "opening_hours.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            position, known = CODED_IN_TRUNKS.get(node.func.id, (0, None))
            code = node.args[position] if known and len(node.args) > position else None
            if known and isinstance(code, ast.Constant) and code.value not in known:
                missing.append(f"{path.name}: {code.value}")
    assert missing == []


FOLDERS = ("docs", "deploy", "tests")
PAGES = [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []
