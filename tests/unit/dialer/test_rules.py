"""Rules of the house that the source itself can break, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from dialer import logs

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("telephony", "dialer")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
#: Who may write a query over all tenants: the loops, whoever is asked by a token or a scrape.
PLATFORM = {
    "dialer/calls/claims.py",
    "dialer/calls/queue.py",
    "dialer/calls/waiting.py",
    "dialer/calls/endings.py",
    "dialer/calls/forget.py",
    "dialer/calls/takeover.py",
    "dialer/calls/permit.py",
    "dialer/calls/reap.py",
    "dialer/calls/record.py",
    "dialer/calls/returning.py",
    "dialer/calls/sweep.py",
    "dialer/health.py",
    "dialer/inbound/at_once.py",
    "dialer/inbound/from_file.py",
    "dialer/inbound/keeping.py",
    "dialer/inbound/lookup.py",
    "dialer/ingest/livekit_webhook.py",
    "dialer/ingest/worker_events.py",
    "dialer/livekits/switch.py",
    "dialer/routing/health.py",
    "dialer/routing/inbound_store.py",
    "dialer/routing/slots.py",
    "dialer/routing/store.py",
    "dialer/workers/capacity.py",
}
#: Whose every query starts from a tenant.
BOUND = {
    "dialer/calls/store.py",
    "dialer/calls/newcomers.py",
    "dialer/calls/view.py",
    "dialer/calls/idempotency.py",
    "dialer/inbound/store.py",
    "dialer/tenants/keys.py",
    "dialer/tenants/sessions.py",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "migrations" not in name:
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for name, tree in sources():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
            ):
                yield f"{name}:{node.lineno}", node


def test_log_messages_are_literals_so_that_they_can_hold_nothing_personal() -> None:
    wrong = [
        where
        for where, call in log_calls()
        if not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant))
    ]
    assert wrong == []


def test_no_log_line_carries_a_private_key() -> None:
    wrong = [
        f"{where} {keyword.arg}"
        for where, call in log_calls()
        for keyword in call.keywords
        if keyword.arg in logs.PRIVATE
    ]
    assert wrong == []


def test_private_values_are_hidden_whoever_logs_them() -> None:
    event = {"event": "x", "phone_number": "+14155550100", "text": "hello", "room": "tel-1"}
    shown = logs.hide_private(None, "info", dict(event))
    assert shown == {"event": "x", "phone_number": "[hidden]", "text": "[hidden]", "room": "tel-1"}


def test_tables_are_touched_only_by_stores_bound_to_a_tenant_and_the_platform() -> None:
    found: set[str] = set()
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "dialer.adapters.tables":
                found.add(name)
    strangers = {name for name in found - PLATFORM - BOUND if "/console/" not in name}
    assert strangers == set()


@pytest.mark.parametrize("style", ["json", "console"])
def test_both_log_styles_write(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    before, configured = logging.getLogger().handlers[:], structlog.get_config()
    try:
        logs.configure("INFO", "json" if style == "json" else "console")
        structlog.get_logger("t").info("said", number="+14155550100", room="tel-1")
        logging.getLogger("httpx").info("GET http://x/?phone_number=+14155550100")
        told = capsys.readouterr().err
        assert "said" in told and "tel-1" in told
        assert "4155550100" not in told
    finally:
        logging.getLogger().handlers[:] = before
        structlog.configure(**configured)
