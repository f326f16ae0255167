"""The test page's HTML, files and headers, and its list of the latest calls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from dialer import console as console_package
from dialer.calls.schemas import CallView, Links, Sip, Timestamps
from dialer.console.latest import line
from dialer.console.pages import content_security_policy
from telephony.call import CallStatus, CallType, Direction, EndedReason, Outcome
from telephony.events import EventType
from tests.kit.api import Api
from tests.kit.browser_session import console, sign_in

FOLDER = Path(console_package.__file__).parent
VENDOR = FOLDER / "static" / "vendor"
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))


@pytest_asyncio.fixture
async def visit(tmp_path: Path) -> AsyncIterator[tuple[Api, httpx.AsyncClient]]:
    async with console(tmp_path, livekit_public_url="wss://media.example.com") as (api, browser):
        await sign_in(api, browser)
        yield api, browser


async def test_the_page_names_the_agents(visit: tuple[Api, httpx.AsyncClient]) -> None:
    page = await visit[1].get("/console")

    for name in visit[0].services.agents.names:
        assert f'<option value="{name}"' in page.text


async def test_the_page_is_guarded_by_its_headers(visit: tuple[Api, httpx.AsyncClient]) -> None:
    headers = (await visit[1].get("/console")).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self' wss://media.example.com https://media.example.com" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_policy_names_origins_without_their_paths() -> None:
    policy = content_security_policy("ws://127.0.0.1:7880/livekit")

    assert "connect-src 'self' ws://127.0.0.1:7880 http://127.0.0.1:7880;" in policy


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_inline_code_or_foreign_addresses(template: Path) -> None:
    text = template.read_text()

    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


async def test_the_files_that_the_page_asks_for_are_there(
    visit: tuple[Api, httpx.AsyncClient],
) -> None:
    _, browser = visit
    page = await browser.get("/console")
    browser.cookies.clear()

    paths = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page.text)
    assert len(paths) >= 5
    for path in paths:
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_vendored_files_are_those_of_the_packages() -> None:
    listing = (VENDOR / "VENDORED.md").read_text()
    table = re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", listing, re.M)

    listed = {name for name, _ in table}
    assert listed == {file.name for file in VENDOR.glob("[!.]*")} - {"VENDORED.md"}
    for name, wanted in table:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == wanted, name


def test_the_script_listens_to_events_that_exist() -> None:
    script = (FOLDER / "static" / "gateway.js").read_text()

    listened = set(re.findall(r'"(call\.[a-z_]+)"', script))
    assert listened
    assert listened <= {event.value for event in EventType}


def test_the_script_explains_reasons_that_exist() -> None:
    script = (FOLDER / "static" / "endings.js").read_text()

    explained = set(re.findall(r"^  ([a-z_]+): \"", script, re.M))
    assert explained
    assert explained <= {reason.value for reason in EndedReason}


async def test_the_latest_calls_are_the_tenants_own(visit: tuple[Api, httpx.AsyncClient]) -> None:
    api, browser = visit
    other = await api.tenant("other")
    async with api.client() as mine, api.client(other) as theirs:
        await mine.post("/calls", json={"phone_number": "+14155550101"})
        await theirs.post("/calls", json={"phone_number": "+14155550102"})

    listed = (await browser.get("/console/calls")).text

    assert "+14155550101" in listed
    assert "queued" in listed
    assert "+14155550102" not in listed


async def test_the_latest_calls_need_a_sign_in(visit: tuple[Api, httpx.AsyncClient]) -> None:
    browser = visit[1]
    browser.cookies.clear()

    assert (await browser.get("/console/calls")).status_code == 401


def a_call(**fields: object) -> CallView:
    path = "/calls/call_1"
    values: dict[str, object] = {
        "id": "call_1",
        "call_type": CallType.VOIP,
        "direction": Direction.OUTBOUND,
        "status": CallStatus.ENDED,
        "agent": "default",
        "variables": {},
        "metadata": {},
        "ring_timeout_seconds": 30,
        "max_duration_seconds": 600,
        "attempts": 1,
        "sip": Sip(),
        "timestamps": Timestamps(queued_at=datetime(2026, 1, 1, tzinfo=UTC)),
        "links": Links(self=path, events=path, transcript=path, hangup=path),
    }
    return CallView.model_validate(values | fields)


@pytest.mark.parametrize(
    ("fields", "state", "tone", "why", "duration"),
    [
        ({"status": CallStatus.IN_PROGRESS}, "in progress", "live", "", ""),
        (
            {
                "outcome": Outcome.COMPLETED,
                "ended_reason": EndedReason.AGENT_HANGUP,
                "duration_seconds": 61.6,
            },
            "completed",
            "good",
            "agent hangup",
            "1:02",
        ),
        ({"outcome": Outcome.NO_ANSWER}, "no answer", "plain", "", ""),
        (
            {"outcome": Outcome.FAILED, "ended_reason": EndedReason.NO_AGENT},
            "failed",
            "bad",
            "no agent",
            "",
        ),
    ],
)
def test_a_call_is_told_in_a_few_words(
    fields: dict[str, object], state: str, tone: str, why: str, duration: str
) -> None:
    told = line(a_call(**fields))

    assert (told.state, told.tone, told.why, told.duration) == (state, tone, why, duration)
    assert told.other_side == "Browser"
